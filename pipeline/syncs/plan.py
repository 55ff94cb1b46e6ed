"""Starts and aborts syncs. Starting plans the file: pin it, count it, split it, and send its chunks out."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pipeline.errors import Invalid, TryLater
from pipeline.object_failures import own_bucket
from pipeline.objects import ObjectStore
from pipeline.store import syncs as store
from pipeline.store.catalogue import warehouses
from pipeline.store.database import Database
from pipeline.store.syncs import ChunkFile, LockedJob, Plan, SyncKey, chunk_prefix
from pipeline.syncs.split import SplitFile, split
from pipeline.uploads.source import Source, SourceLimits, open_source
from schemas.errors import ErrorCode
from schemas.jobs import AbortSync, RequestSync, SyncStatus
from schemas.states import SyncState

_STARTABLE = (SyncState.PENDING, SyncState.PLANNING)
_ABORTABLE = (SyncState.PENDING, SyncState.PLANNING, SyncState.PROCESSING)


@dataclass(frozen=True)
class Planner:
    """What planning needs. `chunk_bytes` is the aimed size of a chunk, in bytes of CSV."""

    database: Database
    objects: ObjectStore
    work_bucket: str
    chunk_bytes: int
    limits: SourceLimits


def request_sync(request: RequestSync, planner: Planner) -> None:
    """Plan a sync. A repeat of a request that was planned changes nothing; one that was cut off starts over.

    A file or a request that is wrong ends the job in `error`, with a code; the same request again tries it again.

    Raises:
        TryLater: nothing was sent out; the same request can be given again.
    """
    key = SyncKey(request.account_id, request.sync_id)
    job = _start(request, planner.database)
    if job is None:
        return
    # Another worker may be at the same request after a rebalance: each writes to a place of its own.
    prefix = f"{chunk_prefix(key)}{uuid4().hex}/"
    try:
        with open_source(job.status.url, key.account_id, job.etag, planner.objects, planner.limits) as source:
            plan = _plan(prefix, source, planner)
    except Invalid as reason:
        _fail(key, reason, planner.database)
        return
    except TryLater:
        raise
    except Exception as bug:  # the message becomes a dead letter, and its job must not wait for ever
        _fail(key, Invalid(ErrorCode.MESSAGE_NOT_PROCESSABLE, repr(bug)), planner.database)
        raise
    with planner.database.transaction() as connection:
        planned = store.lock_job(connection, key)
        if planned is not None and planned.status.status is SyncState.PLANNING:
            store.start_processing(connection, key, plan)
            return
    planner.objects.delete_prefix(planner.work_bucket, prefix)  # aborted meanwhile, or another worker was faster


def abort_sync(request: AbortSync, database: Database) -> None:
    """Stop a sync at its next chunk. One that has ended already stays as it is.

    Raises:
        Invalid: UNKNOWN_SYNC.
    """
    key = SyncKey(request.account_id, request.sync_id)
    with database.transaction() as connection:
        job = store.lock_job(connection, key)
        if job is None:
            raise Invalid(ErrorCode.UNKNOWN_SYNC, str(request.sync_id))
        if job.status.status in _ABORTABLE:
            store.abort_job(connection, request)


def _start(request: RequestSync, database: Database) -> LockedJob | None:
    """Move the job to PLANNING, as it was asked for first; None where nothing is to do."""
    key = SyncKey(request.account_id, request.sync_id)
    with database.transaction() as connection:
        store.create_job(connection, request)
        job = store.lock_job(connection, key)
        if job is None or not _can_start(job.status):
            return None
        store.start_planning(connection, key)
        if not warehouses(connection, [(request.account_id, job.status.warehouse_id)]):
            store.fail_job(connection, key, Invalid(ErrorCode.UNKNOWN_WAREHOUSE, job.status.warehouse_id))
            return None
        return job


def _can_start(job: SyncStatus) -> bool:
    """Also a job that failed before any row was counted: what was wrong with its file may have been mended."""
    return job.status in _STARTABLE or (job.status is SyncState.ERROR and job.total_count == 0)


def _fail(key: SyncKey, reason: Invalid, database: Database) -> None:
    with database.transaction() as connection:
        job = store.lock_job(connection, key)
        if job is not None and job.status.status is SyncState.PLANNING:
            store.fail_job(connection, key, reason)


def _plan(prefix: str, source: Source, planner: Planner) -> Plan:
    with tempfile.TemporaryDirectory(prefix="onhand-sync-") as folder:
        chunk_count = max(1, math.ceil(source.size / planner.chunk_bytes))
        parts = split(source.pieces, chunk_count, Path(folder))
        chunks = _upload(prefix, parts, planner)
    warnings = [*parts.header.warnings]
    if not chunks:
        warnings.append("the file has a header and no rows: nothing was changed")
    return Plan(source.etag, source.size, chunks, parts.blank_count, warnings)


def _upload(prefix: str, parts: SplitFile, planner: Planner) -> list[ChunkFile]:
    """Put the chunks where any worker finds them."""
    chunks = []
    for chunk, row_count in parts.row_counts.items():
        object_key = f"{prefix}{chunk:05d}.csv"
        with own_bucket():
            planner.objects.put_file(planner.work_bucket, object_key, parts.paths[chunk])
        chunks.append(ChunkFile(chunk, object_key, row_count))
    return chunks
