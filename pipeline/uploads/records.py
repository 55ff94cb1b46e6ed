"""Reads a block of whole records as a frame of text columns; each record keeps its line, its place and its bytes."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import polars as pl

from pipeline.uploads import careful
from pipeline.uploads.cut import Block
from pipeline.uploads.fields import BLANKS, FILLED, read_fields
from pipeline.uploads.header import Header
from pipeline.uploads.lines import Flags, Offsets
from pipeline.uploads.numbers import BEHIND
from pipeline.uploads.parser import MAX_FIELD_BYTES
from pipeline.uploads.slices import slices
from pipeline.uploads.structure import Structure, structure_of
from pipeline.uploads.watched import Watched, is_tracked, look
from schemas.errors import ErrorCode
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN, PROBLEM_COLUMN, REQUIRED_COLUMNS

LITERAL_QUOTES: Final = "rows have a quote within a field that is not quoted"
"""A warning, to be told with the number in front."""

_CODES: Final = {
    code: number
    for number, code in enumerate(
        (
            ErrorCode.TOO_FEW_FIELDS,
            ErrorCode.ROW_IN_QUOTES,
            ErrorCode.HEADER_REPEATED,
            ErrorCode.FIELD_TOO_LONG,
            ErrorCode.QUOTE_MISPLACED,
            ErrorCode.QUOTE_NOT_CLOSED,
            ErrorCode.RECORD_TOO_LONG,
        ),
        start=1,
    )
}
_CTRL_Z: Final = 0x1A
_MARK: Final = "\ufeff"


@dataclass(frozen=True)
class Records:
    """The records of a block that are not blank.

    `frame`: `line` and `byte_offset` (Int64) of the record in the file, `raw` (Binary, without the line end; up to
    64 KB), `problem` (String, the code of what is wrong with the record itself, or null), all COLUMNS (String,
    stripped, absent ones empty) and `overflow` (String, the first field behind the header's last column that is not
    blank).
    `blank_count`: records in which no field is filled in. `warnings`: how many rows each warning is about. `watched`:
    what they have in columns that are not read and may say something.
    """

    frame: pl.DataFrame
    blank_count: int
    warnings: dict[str, int]
    watched: Watched = field(default_factory=dict)


def read_records(block: Block, header: Header, *, behind: int | None = None, all_careful: bool = False) -> Records:
    """Read a block that `blocks` has cut.

    `behind`: which of the header's columns the frame has once more, as BEHIND. `all_careful`: by the machine alone,
    slowly, to compare with.
    """
    more, needed = [], _needed(header)
    if behind is not None:
        name = header.columns[behind] or BEHIND
        header = replace(header, columns=(*header.columns[:behind], name, *header.columns[behind + 1 :]))
        more.append(pl.col(name).alias(BEHIND))
    structure = structure_of(block.data, header.delimiter, needed, quoting=header.quoting, all_careful=all_careful)
    fields = read_fields(structure, header, exactly=all_careful)
    codes = _codes(structure, header)
    codes[_repeats_header(fields, header)] = _CODES[ErrorCode.HEADER_REPEATED]
    filled = fields[FILLED].to_numpy() | (codes > _CODES[ErrorCode.TOO_FEW_FIELDS])
    filled &= ~_only_ctrl_z(structure)
    columns = [
        pl.col(name) if name in fields.columns else pl.lit("").alias(name) for name in (*COLUMNS, OVERFLOW_COLUMN)
    ]
    named = {number: code.value for code, number in _CODES.items()}
    frame = fields.select(
        pl.lit(pl.Series(structure.lines)).alias("line") + block.start.line,
        pl.lit(pl.Series(structure.starts)).alias("byte_offset") + block.start.offset,
        pl.lit(pl.Series(codes)).replace_strict(named, default=None, return_dtype=pl.String).alias(PROBLEM_COLUMN),
        *columns,
        *more,
    )
    if header.reading.tracked is not None:
        tracked = pl.lit(pl.Series(is_tracked(structure, header, header.reading.tracked), dtype=pl.Boolean))
        frame = frame.with_columns(quantity=pl.when(tracked).then("quantity").otherwise(pl.lit("")))
    blank_count = int(filled.size - np.count_nonzero(filled))
    if blank_count:
        frame = frame.filter(pl.lit(pl.Series(filled)))
    frame.insert_column(2, _raw(structure, filled))
    literal = structure.literal_quotes()
    warnings = {LITERAL_QUOTES: literal} if literal else {}
    return Records(frame, blank_count, warnings, look(structure, header))


def _needed(header: Header) -> list[str | None]:
    """For each column of the header a name if its fields matter, also those that are only looked at."""
    looked_at = {*header.reading.watched, header.reading.tracked}
    return [column or (BEHIND if place in looked_at else None) for place, column in enumerate(header.columns)]


def _codes(structure: Structure, header: Header) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """What is wrong with each record, as a number of _CODES; 0 where nothing is."""
    codes = np.zeros(structure.starts.size, np.uint8)
    needed = 1 + max(header.columns.index(column) for column in REQUIRED_COLUMNS)
    too_few = structure.field_count < needed
    codes[too_few] = _CODES[ErrorCode.TOO_FEW_FIELDS]
    codes[_in_quotes(structure, np.flatnonzero(too_few), header, needed)] = _CODES[ErrorCode.ROW_IN_QUOTES]
    long = np.flatnonzero(structure.field_ends - structure.field_starts > MAX_FIELD_BYTES)
    codes[np.searchsorted(structure.first_field, long, side="right") - 1] = _CODES[ErrorCode.FIELD_TOO_LONG]
    for code in (ErrorCode.QUOTE_MISPLACED, ErrorCode.QUOTE_NOT_CLOSED):
        codes[structure.broken[structure.problems == code]] = _CODES[code]
    codes[structure.ends - structure.starts > careful.MAX_RECORD_BYTES] = _CODES[ErrorCode.RECORD_TOO_LONG]
    return codes


def _in_quotes(structure: Structure, records: Offsets, header: Header, needed: int) -> Offsets:
    """Which of these records are one quoted field with all of a row in it."""
    alone = records[structure.field_count[records] == 1]
    alone = alone[structure.quoted(structure.first_field[alone])]
    delimiter = header.delimiter.encode()
    texts = zip(structure.starts[alone].tolist(), structure.ends[alone].tolist(), strict=True)
    has_all = [structure.data.count(delimiter, start, end) >= needed - 1 for start, end in texts]
    in_quotes: Offsets = alone[np.array(has_all, bool)]
    return in_quotes


def _repeats_header(fields: pl.DataFrame, header: Header) -> Flags:
    """Which records name the columns once more, as in files that were joined; a byte order mark may come first."""
    places = [header.columns.index(column) for column in REQUIRED_COLUMNS]
    sku, quantity = (header.names[place].strip(BLANKS + _MARK) for place in places)
    repeats = fields.get_column("quantity") == quantity
    if repeats.any():
        repeats &= fields.get_column("sku").str.strip_chars(BLANKS + _MARK) == sku
    return repeats.to_numpy()


def _only_ctrl_z(structure: Structure) -> Flags:
    """Which records are what older systems end a text with, and nothing else."""
    found = np.zeros(structure.starts.size, bool)
    first = np.frombuffer(structure.data, np.uint8)[np.minimum(structure.starts, max(len(structure.data) - 1, 0))]
    for record in np.flatnonzero(first == _CTRL_Z):
        start, end = structure.starts[record], structure.ends[record]
        found[record] = end > start and not structure.data[start:end].strip(b"\x1a \t")
    return found


def _raw(structure: Structure, filled: Flags) -> pl.Series:
    """The bytes of the records, without their line ends."""
    starts, ends = structure.starts[filled], structure.ends[filled]
    return slices(structure.buffer, starts, np.minimum(ends, starts + MAX_FIELD_BYTES)).alias("raw")
