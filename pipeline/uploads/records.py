"""Cuts the bytes of a file at record edges, and reads each piece as a frame of text columns."""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import Invalid
from pipeline.uploads.header import Header
from schemas.errors import ErrorCode
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN

MAX_RECORD_BYTES: Final = 1 << 20
_BLANKS: Final = " \t\r\u00a0"


def blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Join and cut pieces into blocks of whole records, each about `size` bytes and never empty.

    A record ends at a newline that is not within quotes, so a cut is a newline with an even number of quotes before it.

    Raises:
        Invalid: FILE_NOT_CSV, no record edge within MAX_RECORD_BYTES: a quote is never closed, or this is no text.
    """
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= size + MAX_RECORD_BYTES:
            cut = _last_edge(buffer, size + MAX_RECORD_BYTES)
            yield bytes(buffer[:cut])
            del buffer[:cut]
    while len(buffer) > size + MAX_RECORD_BYTES:
        cut = _last_edge(buffer, size + MAX_RECORD_BYTES)
        yield bytes(buffer[:cut])
        del buffer[:cut]
    if buffer:
        yield bytes(buffer)


def _last_edge(buffer: bytearray, end: int) -> int:
    """The offset behind the last record that ends before `end`, at most MAX_RECORD_BYTES before it."""
    even = buffer.count(b'"', 0, end) % 2 == 0
    lowest = end - MAX_RECORD_BYTES
    while (newline := buffer.rfind(b"\n", lowest, end)) >= 0:
        even ^= buffer.count(b'"', newline, end) % 2 == 1
        if even:
            return newline + 1
        end = newline
    raise Invalid(ErrorCode.FILE_NOT_CSV, "no record ends within 1 MB: a quote is not closed, or this is not text")


def read_block(block: bytes, header: Header, first_row: int) -> tuple[pl.DataFrame, int]:
    """Read whole records as text.

    Args:
        block: records without the header line.
        header: the file's header.
        first_row: the number of the first data record of the block, from 1.

    Returns:
        A frame with `row` (Int32), the five columns of an upload and `overflow`, all text, absent ones empty; and how
        many blank records were left out. Blank records are not numbered.

    Raises:
        Invalid: FILE_NOT_CSV: quotes are the one thing that the parser cannot get over.
    """
    names = [column or f"ignored_{n}" for n, column in enumerate(header.columns)] + [OVERFLOW_COLUMN]
    first_line = header.delimiter.join(names).encode() + b"\n"
    try:
        frame = pl.read_csv(
            first_line + block,
            separator=header.delimiter,
            infer_schema=False,
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
            empty_string_is_null=False,
        )
    except PolarsError as error:
        place = f"row {first_row - 1}" if first_row > 1 else "the header"
        raise Invalid(
            ErrorCode.FILE_NOT_CSV, f"somewhere behind {place} a quote is not closed, or stands inside a field"
        ) from error
    text = frame.select(pl.all().fill_null("").str.strip_chars(_BLANKS))
    data = text.filter(pl.any_horizontal(pl.all() != ""))
    absent = [pl.lit("").alias(column) for column in COLUMNS if column not in data.columns]
    rows = data.with_columns(*absent).with_row_index("row", offset=first_row)
    return rows.select(pl.col("row").cast(pl.Int32), *COLUMNS, OVERFLOW_COLUMN), frame.height - data.height
