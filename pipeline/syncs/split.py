"""Splits a file into chunks: all rows of a SKU go to one chunk, in file order, whatever the size of the file."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from pipeline.uploads.header import Header, read_header
from pipeline.uploads.records import blocks, read_block

_BLOCK_BYTES: Final = 16 << 20


@dataclass(frozen=True)
class SplitFile:
    """What a file was split into. `row_counts` and `paths` by chunk; chunks without rows are not there."""

    header: Header
    row_counts: dict[int, int]
    paths: dict[int, Path]
    blank_count: int


def split(pieces: Iterator[bytes], chunk_count: int, folder: Path) -> SplitFile:
    """Read a CSV file to its end, writing its rows to one file per chunk in `folder`.

    Memory is bounded by the size of a block, disk by the size of the file.

    Raises:
        Invalid: the file has no usable header or is no CSV.
    """
    start = _start(pieces)
    header = read_header(start)
    counts: Counter[int] = Counter()
    rows_read = blank_count = 0
    for block in blocks(_chain(start[header.size :], pieces), _BLOCK_BYTES):
        frame, blanks = read_block(block, header, rows_read + 1)
        rows_read += frame.height
        blank_count += blanks
        for chunk, rows in _by_chunk(frame, chunk_count):
            counts[chunk] += rows.height
            with _path(folder, chunk).open("ab") as file:
                rows.write_csv(file, include_header=False)
    row_counts = dict(sorted(counts.items()))
    return SplitFile(header, row_counts, {chunk: _path(folder, chunk) for chunk in row_counts}, blank_count)


def _start(pieces: Iterator[bytes]) -> bytes:
    """Enough of the file to hold its header line, or all of it."""
    start = b""
    while b"\n" not in start and len(start) <= _BLOCK_BYTES:
        piece = next(pieces, None)
        if piece is None:
            break
        start += piece
    return start


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _by_chunk(frame: pl.DataFrame, chunk_count: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows by chunk. SKUs that differ only by Unicode form count as one; rows without a SKU go anywhere."""
    if frame.is_empty():
        return
    sku = pl.col("sku").str.normalize("NFC")
    chunk = pl.when(sku == "").then(pl.col("row").hash()).otherwise(sku.hash()) % chunk_count
    parts = frame.with_columns(chunk.alias("chunk")).partition_by("chunk", as_dict=True, include_key=False)
    for (number,), rows in parts.items():
        yield int(number), rows


def _path(folder: Path, chunk: int) -> Path:
    return folder / f"{chunk:05d}.csv"
