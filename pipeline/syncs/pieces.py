"""The rows of a range, sorted by chunk into one object, and read back chunk by chunk."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from pipeline.store.sync_parts import RangeRead
from pipeline.syncs.batches import packed, unpacked
from pipeline.syncs.layout import Layout
from pipeline.syncs.sums import Sums, sums_of
from pipeline.uploads.watched import Watched
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.upload_rows import COLUMNS, REPLACE

SCHEMA: Final = {
    "row": pl.Int32,
    "line": pl.Int64,
    "byte_offset": pl.Int64,
    "raw": pl.String,
    "raw_base64": pl.String,
    **dict.fromkeys(COLUMNS, pl.String),
    "target": pl.Int64,
    "wants_quantity": pl.Int64,
    "wants_version": pl.Int64,
    "errors": pl.String,
}
"""The columns of a piece, in order. `row` counts from 0 within its range; `raw` is empty where `raw_base64` is not."""

LEFT_AS_IT_IS: Final = "rows leave the stock as it is"
"""A warning, to be told with the number in front."""

_COPIED_AT_ONCE: Final = 4 << 20
_BETWEEN_NAMES: Final = "\x1f"
_LF: Final = 0x0A
_QUOTE: Final = 0x22
_NOT_ASCII: Final = 0x80


class Pieces:
    """Gathers the rows of one range in a file, in one batch for each chunk and call, and counts them.

    Behind the chunks stand the SKUs that rows count, each with what its row has as warehouse, where the wipe guard asks
    for them, as CSV that is not packed.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        """The folder is the caller's, empty."""
        self._path = folder / "batches"
        self._path.touch()
        self._layout = layout
        self._rows = [0] * (layout.chunk_count + 1)
        self._places: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))  # start, size, start, size...
        self._invalid = 0
        self._left = 0
        self._sums = Sums()

    @property
    def row_count(self) -> int:
        """The rows that were added so far."""
        return sum(self._rows[: self._layout.chunk_count])

    def add(self, rows: pl.DataFrame) -> None:
        """Add validated rows (see `validate_rows`), in file order."""
        left = self._left_in(rows)
        self._left += left
        self._invalid += rows.height - rows["errors"].null_count() - left
        self._sums += sums_of(rows, self._layout.owner)
        self._add_for_guard(rows)
        numbered = _with_raw_as_text(rows.with_row_index("row", offset=self.row_count))
        with self._path.open("ab") as file:
            for chunk, count, batch in _batches(numbered, self._layout):
                self._rows[chunk] += count
                stored = packed(batch)
                self._places[chunk].extend((file.tell(), len(stored)))
                file.write(stored)

    def stored(
        self,
        object_key: str,
        blank_count: int,
        warnings: Mapping[str, int],
        *,
        watched: Watched,
        evidence: Mapping[str, int],
    ) -> RangeRead:
        """What is to be known about the range when `content` lies under a key."""
        pieces = [sum(self._places[number][1::2]) for number in range(len(self._rows))]
        warnings = {**warnings, **({LEFT_AS_IT_IS: self._left} if self._left else {})}
        seen = {str(place): list(found) for place, found in watched.items()}
        counts = (self.row_count, self._invalid, blank_count)
        sums = self._sums.to_json()
        return RangeRead(object_key, pieces, self._rows, *counts, warnings, sums, seen, evidence)

    def content(self) -> Iterator[bytes]:
        """All pieces, one behind the other."""
        with self._path.open("rb") as file:
            copied = bytearray()
            for number in range(len(self._rows)):
                places = self._places[number]
                for start, size in zip(places[::2], places[1::2], strict=True):
                    file.seek(start)
                    copied += file.read(size)
                    if len(copied) >= _COPIED_AT_ONCE:
                        yield bytes(copied)
                        copied.clear()
            if copied:
                yield bytes(copied)

    def _left_in(self, rows: pl.DataFrame) -> int:
        """How many rows leave the stock as it is: they have an error that is none."""
        if not self._layout.header.reading.left:
            return 0
        return int(rows["errors"].str.contains(ErrorCode.LEFT_AS_IT_IS, literal=True).sum())

    def _add_for_guard(self, rows: pl.DataFrame) -> None:
        if self._layout.max_missing_percent is None:
            return
        counted = rows.lazy().filter(
            pl.col("errors").is_null(),
            pl.col("customer_account_id").is_in(["", self._layout.owner]),
            pl.col("action") == REPLACE,
        )
        number, part = self._layout.chunk_count, counted.select("sku", "warehouse").unique().collect()
        if part.height:
            self._rows[number] += part.height
            with self._path.open("ab") as file:
                start = file.tell()
                part.write_csv(file, include_header=False)
                self._places[number].extend((start, file.tell() - start))


def read_piece(content: bytes, first_row: int) -> pl.DataFrame:
    """The rows of whole batches with their numbers in the file; `raw` in bytes, `errors` null where there are none."""
    frame = pl.read_csv(unpacked(content), has_header=False, schema=SCHEMA, empty_string_is_null=False)
    return frame.with_columns(
        (pl.col("row") + first_row).cast(pl.Int32),
        pl.when(pl.col("raw_base64") == "")
        .then(pl.col("raw").cast(pl.Binary))
        .otherwise(pl.col("raw_base64").str.decode("base64"))
        .alias("raw"),
        pl.when(pl.col("errors") != "").then(pl.col("errors")).alias("errors"),
    ).drop("raw_base64")


def _with_raw_as_text(rows: pl.DataFrame) -> pl.DataFrame:
    """`raw` as text; where some is not UTF-8, that and all other that is not ASCII in base64."""
    raw = rows.get_column("raw")
    try:
        return rows.with_columns(raw.cast(pl.String), pl.lit("").alias("raw_base64"))
    except PolarsError:
        is_ascii = pl.lit(_is_ascii(raw))
        return rows.with_columns(
            pl.when(is_ascii).then("raw").otherwise(pl.lit(b"")).cast(pl.String).alias("raw"),
            pl.when(is_ascii).then(pl.lit("")).otherwise(pl.col("raw").bin.encode("base64")).alias("raw_base64"),
        )


def _is_ascii(raw: pl.Series) -> pl.Series:
    ends = np.cumsum(raw.bin.size().to_numpy(), dtype=np.int64)
    others = np.flatnonzero(np.frombuffer(b"".join(raw.to_list()), np.uint8) >= _NOT_ASCII)
    return pl.Series(np.diff(np.searchsorted(others, ends), prepend=0) == 0)


def _batches(rows: pl.DataFrame, layout: Layout) -> Iterator[tuple[int, int, bytes]]:
    """The rows by chunk as CSV, and how many they are: those of one level are always in one chunk."""
    chunks = _chunks(rows, layout)
    if layout.chunk_count > 1:
        rows = rows.with_columns(chunks.alias("chunk")).sort("chunk", maintain_order=True)
        chunks = rows.get_column("chunk")
    content = rows.select(*SCHEMA).write_csv(include_header=False).encode()
    ends = _record_ends(content)
    numbers, counts = (column.to_list() for column in chunks.rle().struct.unnest().select("value", "len"))
    behind = [0, *np.cumsum(counts, dtype=np.int64).tolist()]
    edges = [0, *(ends[last - 1] for last in behind[1:])]
    for number, count, (start, end) in zip(numbers, counts, pairwise(edges), strict=True):
        yield number, count, content[start:end]


def _record_ends(content: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The places behind the line ends that are not in quotes, which are all well-formed here."""
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data == _LF)
    if b'"' in content:
        ends = ends[np.searchsorted(np.flatnonzero(data == _QUOTE), ends) & 1 == 0]
    return ends + 1


def _chunks(rows: pl.DataFrame, layout: Layout) -> pl.Series:
    """The chunk of each row. Rows without a SKU go anywhere.

    By CRC-32 of its names, so that workers of different releases agree: a later Polars may have another hash.
    """
    if layout.chunk_count == 1:
        return pl.repeat(0, rows.height, dtype=pl.UInt32, eager=True)
    names = ["customer_account_id", "sku", *(["location", "lot"] if layout.by_location else [])]
    alike = {"customer_account_id": layout.owner, "location": UNASSIGNED}  # these mean the same as nothing
    texts = rows.select(
        pl.when(pl.col("sku") == "")
        .then(pl.col("row").cast(pl.String))
        .otherwise(
            pl.concat_str([pl.col(name).replace(alike.get(name, ""), "") for name in names], separator=_BETWEEN_NAMES)
        )
        .cast(pl.Binary)
    )
    return pl.Series(map(crc32, texts.to_series().to_list()), dtype=pl.UInt32) % layout.chunk_count
