"""Reads the well-formed records of a stretch with the CSV parser of Polars."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from pipeline.uploads import careful
from pipeline.uploads.header import Header
from pipeline.uploads.lines import Offsets
from pipeline.uploads.scan import Kind, Stretch
from pipeline.uploads.structure import Structure

MAX_FIELD_BYTES: Final = 64 << 10

_FAST_BYTES: Final = 32 << 10
"""A stretch that is smaller is not worth a call of the parser."""
_MOST_COLUMNS: Final = 500
"""A frame with more of them costs more than it is worth."""
_MOST_SURPLUS: Final = 16
"""Columns beyond the header's. A record with more is left to others, lest all records get them."""
_LF: Final = 0x0A
_CR: Final = 0x0D


@dataclass(frozen=True)
class Parsed:
    """Records of the structure, and their fields as text: the header's columns but for ignored ones, then surplus."""

    records: Offsets
    frame: pl.DataFrame


def parse(structure: Structure, stretch: Stretch, header: Header) -> Parsed | None:
    """Parse a stretch but for its odd records; None where that does not serve.

    It does not where the parser sees other records than the structure has.
    """
    if stretch.kind is Kind.CAREFUL or stretch.end - stretch.start < _FAST_BYTES:
        return None
    first, behind = structure.records_of(stretch)
    width = len(header.columns)
    if width > _MOST_COLUMNS:
        return None
    odd = _odd(structure, stretch, first, behind, width + _MOST_SURPLUS)
    if 2 * odd.size > behind - first:
        return None
    data = _without(structure, stretch, first, behind, odd)
    records = np.delete(np.arange(first, behind), odd - first)
    surplus = [f"surplus {number}" for number in range(int(structure.field_count[records].max()) - width)]
    columns = [column or f"ignored {number}" for number, column in enumerate(header.columns)] + surplus
    try:
        frame = pl.read_csv(
            # A header of our own, since the parser unpacks what begins like gzip, zlib or zstd, and drops a BOM.
            header.delimiter.join(columns).encode() + b"\n" + data,
            schema=dict.fromkeys(columns, pl.String),
            columns=[column for column in header.columns if column] + surplus,
            separator=header.delimiter,
            quote_char=None if stretch.kind is Kind.PLAIN else '"',
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
            empty_string_is_null=False,
        )
    except PolarsError:
        return None
    return Parsed(records, frame) if frame.height == records.size else None


def _odd(structure: Structure, stretch: Stretch, first: int, behind: int, most_fields: int) -> Offsets:
    """The records of the stretch that the parser would not read as they are meant."""
    records = slice(first, behind)
    odd = structure.field_count[records] > most_fields
    odd |= structure.ends[records] - structure.starts[records] > careful.MAX_RECORD_BYTES
    fields = slice(structure.first_field[first], structure.first_field[behind - 1] + structure.field_count[behind - 1])
    long = np.flatnonzero(structure.field_ends[fields] - structure.field_starts[fields] > MAX_FIELD_BYTES)
    odd[structure.first_field[records].searchsorted(fields.start + long, side="right") - 1] = True
    if stretch.kind is Kind.LINES:
        lines = structure.scan.lines.odd
        low, high = lines.searchsorted((stretch.start, stretch.end))
        odd[structure.starts[records].searchsorted(lines[low:high])] = True
    return first + np.flatnonzero(odd)


def _without(structure: Structure, stretch: Stretch, first: int, behind: int, odd: Offsets) -> bytes:
    """The bytes of a stretch without its odd records."""
    data = structure.data[stretch.start : stretch.end]
    data = _with_newlines(data, structure.ends[first:behind] - stretch.start)
    if not odd.size:
        return data
    starts = np.append(structure.starts[first:behind], stretch.end) - stretch.start
    kept = zip([0, *starts[odd - first + 1].tolist()], [*starts[odd - first].tolist(), len(data)], strict=True)
    return b"".join([data[low:high] for low, high in kept])


def _with_newlines(data: bytes, ends: Offsets) -> bytes:
    """The data with LF for each CR that ends a record alone: the parser knows no other line end."""
    if b"\r" not in data:
        return data
    content = np.frombuffer(data, np.uint8).copy()
    within = ends[ends < len(data) - 1]
    alone = within[(content[within] == _CR) & (content[within + 1] != _LF)]
    content[alone] = _LF
    if data.endswith(b"\r"):
        content[-1] = _LF
    return content.tobytes()
