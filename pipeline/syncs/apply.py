"""Applies one chunk of a sync: levels, ledger, statuses, rejects and counts in one transaction."""

import psycopg

from pipeline.errors import Invalid
from pipeline.store import chunks, sync_parts
from pipeline.store import syncs as store
from pipeline.store.chunks import Effect
from pipeline.store.syncs import Job, SyncKey, work_prefix
from pipeline.syncs.chunk_rows import frames_of, keep_rejected, work_of
from pipeline.syncs.finish import end_if_done
from pipeline.syncs.part_failures import counted
from pipeline.syncs.services import SyncServices
from schemas.errors import ErrorCode
from schemas.jobs import SyncChunk
from schemas.states import FailurePolicy, ItemStatus, SyncState


def apply_chunk(message: SyncChunk, services: SyncServices) -> None:
    """Apply a chunk. One that was applied before changes nothing; after an abort its rows become `aborted`.

    A chunk that cannot be applied is tried again later; after too many attempts its rows are in error.

    Raises:
        Invalid: UNKNOWN_SYNC, the chunk was never planned.
        TryLater: a server is away; nothing was written.
    """
    key = SyncKey(message.account_id, message.sync_id)
    with services.database.transaction() as connection:
        job = store.read_job(connection, key)
        if job is None or sync_parts.lock_chunk(connection, key, message.chunk) is None:
            raise Invalid(ErrorCode.UNKNOWN_SYNC, f"sync {key.sync_id} has no chunk {message.chunk}")
    ended = False
    with counted(services, job, "chunk", message.chunk), services.database.transaction() as connection:
        ended = _apply(connection, key, message.chunk, services)
    if ended:
        services.objects.delete_prefix(services.work_bucket, work_prefix(key))


def _apply(connection: psycopg.Connection, key: SyncKey, chunk: int, services: SyncServices) -> bool:
    """Apply a chunk that waits; whether that was the end of the job."""
    held = sync_parts.lock_chunk(connection, key, chunk)
    job = store.read_job(connection, key)
    if held is None or job is None or held.status != "pending":
        return False
    frames = frames_of(sync_parts.pieces(connection, key, chunk), services)
    for frame in frames():
        chunks.stage_rows(connection, frame)
    work = work_of(job)
    aborted = job.state is SyncState.ABORTED
    counts = chunks.abort_staged(connection, work) if aborted else chunks.apply_staged(connection, work, _effect(job))
    if counts.get(ItemStatus.ERROR) or counts.get(ItemStatus.ABORTED):
        keep_rejected(connection, work, frames)
    codes = chunks.count_errors(connection)
    sync_parts.end_chunk(connection, key, chunk, "aborted" if aborted else "done")
    return end_if_done(connection, store.count_chunk(connection, key, counts, codes))


def _effect(job: Job) -> Effect:
    if job.options.on_error is FailurePolicy.ALL_OR_NOTHING:
        return Effect.CHECK_ALL_OR_NOTHING if job.status.dry_run else Effect.ALL_OR_NOTHING
    return Effect.CHECK if job.status.dry_run else Effect.APPLY
