"""Starts and aborts syncs. Starting plans the file: pin it, count it, split it, and send its chunks out."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pipeline.errors import Invalid, TryLater
from pipeline.objects import ObjectStore
from pipeline.store import syncs as store
from pipeline.store.database import Database
from pipeline.store.syncs import ChunkFile, Plan, SyncKey, chunk_prefix
from pipeline.syncs.split import SplitFile, split
from pipeline.uploads.source import Source, SourceLimits, open_source
from schemas.errors import ErrorCode
from schemas.jobs import AbortSync, RequestSync
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

    A file or a request that is wrong ends the job in `error`, with a code.

    Raises:
        TryLater: nothing was sent out; the same request can be given again.
    """
    key = SyncKey(request.account_id, request.sync_id)
    etag = _start(request, planner.database)
    if etag is None:
        return
    # Another worker may be at the same request after a rebalance: each writes to a place of its own.
    prefix = f"{chunk_prefix(key)}{uuid4().hex}/"
    try:
        with open_source(request.url, request.account_id, etag or None, planner.objects, planner.limits) as source:
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
        job = store.lock_job(connection, key)
        if job is not None and job.status.status is SyncState.PLANNING:
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


def _start(request: RequestSync, database: Database) -> str | None:
    """Move the job to PLANNING: the ETag to pin the file to, empty for none; None where nothing is to do."""
    key = SyncKey(request.account_id, request.sync_id)
    with database.transaction() as connection:
        store.create_job(connection, request)
        job = store.lock_job(connection, key)
        if job is None or job.status.status not in _STARTABLE:
            return None
        store.start_planning(connection, key)
        if not store.has_warehouse(connection, request.account_id, request.warehouse_id):
            store.fail_job(connection, key, Invalid(ErrorCode.UNKNOWN_WAREHOUSE, request.warehouse_id))
            return None
        return job.etag or ""


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
        planner.objects.put_file(planner.work_bucket, object_key, parts.paths[chunk])
        chunks.append(ChunkFile(chunk, object_key, row_count))
    return chunks
