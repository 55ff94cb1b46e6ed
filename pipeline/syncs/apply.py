"""Applies one chunk of a sync, in steps: levels, ledger, statuses, rejects and counts of some rows in one transaction.

Commands on the same levels wait for a step, so it is short. How many rows of a chunk are done stands in its row.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import psycopg

from pipeline.errors import Invalid
from pipeline.store import chunks, commands, sync_parts
from pipeline.store import syncs as store
from pipeline.store.chunks import Effect
from pipeline.store.outbox import await_publishing
from pipeline.store.sync_parts import LockedChunk, Piece
from pipeline.store.syncs import Job, RowCounts, SyncKey, work_prefix
from pipeline.syncs.chunk_rows import ChunkRows, Step, keep_rejected, work_of
from pipeline.syncs.finish import end_if_done
from pipeline.syncs.part_failures import attempt
from pipeline.syncs.services import SyncServices
from schemas.errors import ErrorCode
from schemas.jobs import SyncChunk
from schemas.states import FailurePolicy, ItemStatus, SyncState

_BUSY_SHARE: Final = 8
"""A step is so much smaller while commands come in."""


def apply_chunk(message: SyncChunk, services: SyncServices) -> None:
    """Apply a chunk, step by step. One that was applied before changes nothing, and one that was begun is gone on with.

    After an abort the rows of the steps that follow become `aborted`. A chunk that cannot be applied is tried again
    later; after too many attempts the rows that are left are in error.

    Raises:
        Invalid: UNKNOWN_SYNC, the chunk was never planned.
        TryLater: a server is away; the steps before are written.
    """
    key = SyncKey(message.account_id, message.sync_id)
    with services.database.transaction() as connection:
        job = store.read_job(connection, key)
        chunk = sync_parts.lock_chunk(connection, key, message.chunk)
        if job is None or chunk is None:
            raise Invalid(ErrorCode.UNKNOWN_SYNC, f"sync {key.sync_id} has no chunk {message.chunk}")
        pieces = sync_parts.pieces(connection, key, message.chunk)
    if chunk.status == "pending":
        steps = partial(_apply_steps, services, job, message.chunk, chunk, pieces)
        attempt(services, job, "chunk", message.chunk, steps)


def _apply_steps(services: SyncServices, job: Job, number: int, chunk: LockedChunk, pieces: list[Piece]) -> None:
    """Apply what is left of a chunk, until another worker turns out to be at it."""
    rows = ChunkRows(pieces, chunk, services)
    ended = False
    while rows.left:
        with _turn(job, services) as step_rows, services.database.transaction() as connection:
            held = sync_parts.lock_chunk(connection, job.key, number)
            if held is None or held.status != "pending" or held.rows_done != rows.done:
                return
            job = store.read_job(connection, job.key) or job
            ended = _apply_step(connection, job, number, rows.take(step_rows))
    if ended:
        services.objects.delete_prefix(services.work_bucket, work_prefix(job.key))


@contextmanager
def _turn(job: Job, services: SyncServices) -> Iterator[int | None]:
    """When to take the next step, and of how many rows.

    While commands come in, which may wait for the same levels and need the same processors, steps are shorter, the
    chunks that this worker has in hand take turns, and the relay catches up first.
    """
    if job.options.on_error is FailurePolicy.ALL_OR_NOTHING:
        yield None
    elif not _commands_are_coming_in(services):
        yield services.limits.step_rows
    else:
        with services.turn:
            with services.database.transaction() as connection:
                await_publishing(connection)
            yield math.ceil(services.limits.step_rows / _BUSY_SHARE)


def _commands_are_coming_in(services: SyncServices) -> bool:
    with services.database.transaction() as connection:
        return commands.are_coming_in(connection)


def _apply_step(connection: psycopg.Connection, job: Job, chunk: int, step: Step) -> bool:
    """Apply a step of a held chunk; whether that was the end of the job."""
    for frame in step.frames():
        chunks.stage_rows(connection, frame)
    work = work_of(job)
    aborted = job.state is SyncState.ABORTED
    counts = chunks.abort_staged(connection, work) if aborted else chunks.apply_staged(connection, work, _effect(job))
    if counts.get(ItemStatus.ERROR) or counts.get(ItemStatus.ABORTED):
        keep_rejected(connection, work, step.frames)
    rows = RowCounts(counts, chunks.count_errors(connection), chunks.sum_changes(connection))
    ends_chunk = sync_parts.count_step(connection, job.key, chunk, step.row_count, "aborted" if aborted else "done")
    counted_job = store.count_rows(connection, job.key, rows, ends_chunk=ends_chunk)
    if ends_chunk:
        return end_if_done(connection, counted_job)
    if counted_job.state is not job.state:  # too many errors
        store.publish_status(connection, job.key)
    return False


def _effect(job: Job) -> Effect:
    if job.options.on_error is FailurePolicy.ALL_OR_NOTHING:
        return Effect.CHECK_ALL_OR_NOTHING if job.status.dry_run else Effect.ALL_OR_NOTHING
    return Effect.CHECK if job.status.dry_run else Effect.APPLY
