"""The rows of a chunk: fetched from the pieces of all ranges, and kept where they were not applied."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

import polars as pl
import psycopg

from pipeline.object_failures import own_object
from pipeline.store import chunks
from pipeline.store.chunks import ChunkWork
from pipeline.store.sync_parts import Piece
from pipeline.store.syncs import Job
from pipeline.syncs.batches import groups
from pipeline.syncs.pieces import read_piece
from pipeline.syncs.services import SyncServices

_KEPT_BYTES: Final = 32 << 20
"""Chunks up to here are held in memory as a whole; those of a large file with few levels are read part by part."""

Frames = Callable[[], Iterable[pl.DataFrame]]
"""The rows of a chunk in file order, frame by frame, as often as they are asked for."""


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
    )


def frames_of(pieces: list[Piece], services: SyncServices) -> Frames:
    """The rows that lie in some pieces.

    Raises:
        Invalid: FILE_NOT_FOUND, a piece is gone.
        TryLater: the work bucket is away.
    """
    read: list[pl.DataFrame] = []
    size = 0
    for frame in _read(pieces, services):
        read.append(frame)
        size += int(frame.estimated_size())
        if size > _KEPT_BYTES:
            return lambda: _read(pieces, services)
    whole = [pl.concat(read)] if read else []
    return lambda: whole


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
