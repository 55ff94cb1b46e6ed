"""Cuts the fields of a block's records out as columns of text."""

from typing import Final

import numpy as np
import polars as pl

from pipeline.uploads import careful
from pipeline.uploads.header import Header
from pipeline.uploads.lines import Offsets
from pipeline.uploads.parser import MAX_FIELD_BYTES, Parsed, parse
from pipeline.uploads.slices import texts
from pipeline.uploads.structure import Structure
from schemas.upload_rows import OVERFLOW_COLUMN

_SAFE: Final = r"^'('*[=+\-@\t\r])"
"""What a file of rejects makes of a field that a spreadsheet would take for a formula."""
BLANKS: Final = " \t\r\u00a0"
FILLED: Final = "filled"
"""Whether any field of the record has something in it."""


def read_fields(structure: Structure, header: Header, *, exactly: bool = False) -> pl.DataFrame:
    """The records of a block as text: the columns of the header, without those ignored, `overflow`, and FILLED.

    What is well-formed goes through the parser of Polars; `exactly`: nothing does. Both give the same.
    """
    frames = []
    done = 0
    for stretch in [] if exactly else structure.stretches:
        parsed = parse(structure, stretch, header)
        if parsed is None:
            continue
        first, behind = structure.records_of(stretch)
        if done < first:
            frames.append(_cut_out(structure, header, np.arange(done, first)))
        frames.append(_with_others(structure, header, parsed, np.arange(first, behind)))
        done = behind
    if done < structure.starts.size or not frames:
        frames.append(_cut_out(structure, header, np.arange(done, structure.starts.size)))
    fields = _filled_columns(pl.concat(frames, how="diagonal"), header)
    return _with_ignored(fields, structure, header) if None in header.columns else fields


def filled_fields(structure: Structure, header: Header, place: int) -> tuple[Offsets, pl.Series]:
    """The records in which the column at a place of the header is filled in, and what they have there, stripped."""
    short_enough = structure.ends - structure.starts <= careful.MAX_RECORD_BYTES
    records = np.flatnonzero((structure.field_count > place) & short_enough)
    fields = structure.first_field[records] + place
    some = structure.field_ends[fields] > structure.field_starts[fields]
    records, fields = records[some], fields[some]
    text = _values(structure, fields).alias("text").to_frame().select(_meant(pl.col("text"), header)).to_series()
    filled = (text != "").to_numpy()
    return records[filled], text.filter(pl.Series(filled, dtype=pl.Boolean))


def _with_others(structure: Structure, header: Header, parsed: Parsed, records: Offsets) -> pl.DataFrame:
    """What was parsed, and the other ones of the records, in the order of the file."""
    frame = parsed.frame
    if parsed.records.size == records.size:
        return frame
    others = np.setdiff1d(records, parsed.records, assume_unique=True)
    order = np.argsort(np.concatenate((parsed.records, others)))
    return pl.concat((frame, _cut_out(structure, header, others)), how="diagonal")[pl.Series(order)]


def _filled_columns(columns: pl.DataFrame, header: Header) -> pl.DataFrame:
    """Strip all fields; the first surplus field that is not blank is the overflow."""
    stripped = columns.select(_meant(pl.all().fill_null(""), header))
    known = [column for column in header.columns if column]
    surplus = [pl.col(name).replace("", None) for name in stripped.columns if name not in known]
    overflow = pl.coalesce(*surplus, pl.lit("")) if surplus else pl.lit("")
    return stripped.select(*known, overflow.alias(OVERFLOW_COLUMN), pl.any_horizontal(pl.all() != "").alias(FILLED))


def _meant(text: pl.Expr, header: Header) -> pl.Expr:
    """The text of fields without what protects it, and stripped."""
    if header.from_rejects:
        text = text.str.replace(_SAFE, "$1")
    return text.str.strip_chars(BLANKS)


def _with_ignored(fields: pl.DataFrame, structure: Structure, header: Header) -> pl.DataFrame:
    """FILLED where an ignored column has something in it, too; those are only looked at where no other has."""
    filled = fields.get_column(FILLED).to_numpy().copy()
    records = np.flatnonzero(~filled & (structure.ends - structure.starts <= careful.MAX_RECORD_BYTES))
    counts = structure.field_count[records]
    record, places = _some_fields(structure, structure.first_field[records], counts)
    text = _values(structure, places).alias("text").to_frame().select(_meant(pl.col("text"), header)).to_series()
    filled[records[record[(text != "").to_numpy()]]] = True
    return fields.with_columns(pl.Series(FILLED, filled))


def _cut_out(structure: Structure, header: Header, records: Offsets) -> pl.DataFrame:
    """Cut the fields of these records out by their offsets, whatever they are like."""
    starts, counts = structure.first_field[records], structure.field_count[records]
    counts[structure.ends[records] - structure.starts[records] > careful.MAX_RECORD_BYTES] = 0
    columns = []
    for number, name in enumerate(header.columns):
        if name:
            there = np.flatnonzero(counts > number)
            values = _values(structure, starts[there] + number)
            columns.append(_spread(values, there, records.size).alias(name))
    columns.append(_surplus(structure, starts, counts, len(header.columns)))
    return pl.DataFrame(columns)


def _spread(values: pl.Series, places: Offsets, size: int) -> pl.Series:
    if len(values) == size:
        return values
    return pl.repeat("", size, dtype=pl.String, eager=True).scatter(pl.Series(places), values)


def _values(structure: Structure, fields: Offsets) -> pl.Series:
    """The text of these fields, without their quotes; cut where it is too long."""
    starts, ends = structure.field_starts[fields], structure.field_ends[fields]
    if not starts.size:
        return pl.Series(dtype=pl.String)
    quoted = structure.quoted(fields)
    starts, ends = starts + quoted, ends - quoted
    values = texts(structure.buffer, starts, np.minimum(ends, starts + MAX_FIELD_BYTES))
    if quoted.any():
        marked = pl.DataFrame({"value": values, "quoted": quoted})
        undoubled = pl.col("value").str.replace_all('""', '"', literal=True)
        values = marked.select(pl.when("quoted").then(undoubled).otherwise("value")).to_series()
    return values


def _surplus(structure: Structure, starts: Offsets, counts: Offsets, width: int) -> pl.Series:
    """The first field of each record behind the header's columns that is not blank, or ''."""
    record, fields = _some_fields(structure, starts + width, np.maximum(counts - width, 0))
    values = _values(structure, fields).str.strip_chars(BLANKS)
    there = np.flatnonzero((values != "").to_numpy())
    places, which = np.unique(record[there], return_index=True)
    found = values.gather(pl.Series(there[which]))
    return _spread(found, places, counts.size).alias("surplus")


def _some_fields(structure: Structure, starts: Offsets, counts: Offsets) -> tuple[Offsets, Offsets]:
    """Of `counts` fields from each start on those that are not empty: which start each belongs to, and which it is."""
    record = np.repeat(np.arange(counts.size), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    fields = np.repeat(starts, counts) + np.arange(record.size) - before
    some = structure.field_ends[fields] > structure.field_starts[fields]
    return record[some], fields[some]
