"""The rows of a chunk: fetched from the pieces of all ranges, and kept where they were not applied."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple

import polars as pl
import psycopg

from pipeline.object_failures import own_object
from pipeline.store import chunks
from pipeline.store.chunks import ChunkWork
from pipeline.store.sync_parts import LockedChunk, Piece
from pipeline.store.syncs import Job
from pipeline.syncs.batches import groups
from pipeline.syncs.layout import Layout
from pipeline.syncs.pieces import read_piece
from pipeline.syncs.services import SyncServices

_KEPT_BYTES: Final = 32 << 20
"""Chunks up to here are held in memory as a whole. Those of a large file with few levels are read part by part, and are
one step."""

Frames = Callable[[], Iterable[pl.DataFrame]]
"""Rows frame by frame, each in the order of its SKUs, as often as they are asked for."""


class Step(NamedTuple):
    """Rows of a chunk that are applied in one transaction."""

    row_count: int
    frames: Frames


def work_of(job: Job) -> ChunkWork:
    """What a chunk of a job is about."""
    return ChunkWork(
        key=job.key,
        warehouse_id=job.status.warehouse_id,
        customer_account_id=job.status.customer_account_id,
        actor=job.status.user_id,
        month=job.month,
        duplicates=job.options.duplicates,
        as_of=job.options.as_of,
        skip_changed=job.status.reverts is not None,
        has_left_rows=job.layout is not None and bool(Layout.from_json(job.layout).header.reading.left),
    )


class ChunkRows:
    """The rows of a chunk that have no status yet, to be taken step by step.

    Their order is the same whenever they are read: by SKU, and within one as in the file. A SKU is never split.
    `left` is how many have not been taken.
    """

    left: int

    def __init__(self, pieces: list[Piece], chunk: LockedChunk, services: SyncServices) -> None:
        """Read them.

        Raises:
            Invalid: FILE_NOT_FOUND, a piece is gone.
            TryLater: the work bucket is away.
        """
        self._frames = left_of(pieces, chunk.rows_done, services)
        self._count = chunk.row_count
        self.left = chunk.row_count - chunk.rows_done

    @property
    def done(self) -> int:
        """How many of the chunk's rows were taken, now or before."""
        return self._count - self.left

    def take(self, rows: int | None) -> Step:
        """The next step, of about so many rows, or of all that are left."""
        frames = self._frames()
        if rows is None or not isinstance(frames, list):
            step = Step(self.left, self._frames)
        else:
            [frame] = frames
            taken = frame[: _cut(frame.get_column("sku"), rows)]
            step = Step(taken.height, partial(list, [taken]))
            self._frames = partial(list, [frame[taken.height :]])
        self.left -= step.row_count
        return step


def left_of(pieces: list[Piece], rows_done: int, services: SyncServices) -> Frames:
    """The rows that lie in some pieces, without the first `rows_done` in the order of steps.

    They are in one frame, unless they are too many: then none were done before, since they are one step.

    Raises:
        Invalid: FILE_NOT_FOUND, a piece is gone.
        TryLater: the work bucket is away.
    """
    read: list[pl.DataFrame] = []
    size = 0
    for frame in _read(pieces, services):
        read.append(frame)
        size += int(frame.estimated_size())
        if size > _KEPT_BYTES and not rows_done:
            return lambda: (frame.sort("sku", maintain_order=True) for frame in _read(pieces, services))
    whole = [pl.concat(read).sort("sku", maintain_order=True)[rows_done:]] if read else []
    return lambda: whole


def _cut(skus: pl.Series, rows: int) -> int:
    """Where to cut sorted rows so that all steps have about the same size; the SKU changes there, or it is the end."""
    aimed = math.ceil(len(skus) / max(1, round(len(skus) / rows)))
    return int(skus.search_sorted(skus[aimed - 1], side="right"))


def _read(pieces: list[Piece], services: SyncServices) -> Iterator[pl.DataFrame]:
    for piece in pieces:
        for content in groups(partial(_fetched, piece, services), piece.size):
            yield read_piece(content, piece.first_row)


def _fetched(piece: Piece, services: SyncServices, start: int, size: int) -> bytes:
    with own_object():
        return services.objects.read_range(services.work_bucket, piece.object_key, piece.start + start, size, etag=None)


def keep_rejected(connection: psycopg.Connection, work: ChunkWork, frames: Frames) -> None:
    """Keep the bytes of the staged rows that were not applied."""
    rejected = chunks.staged_rows_to_reject(connection)
    for frame in frames():
        chunks.keep_rejects(connection, work, frame.filter(pl.col("row").is_in(rejected.implode())))
