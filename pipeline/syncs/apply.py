"""Applies one chunk of a sync: validate its rows, then write levels, ledger, statuses and counts in one transaction."""

import polars as pl

from pipeline.errors import Invalid
from pipeline.object_failures import own_bucket
from pipeline.objects import ObjectStore
from pipeline.store import chunks as chunk_store
from pipeline.store import syncs as store
from pipeline.store.chunks import Target
from pipeline.store.database import Database
from pipeline.store.syncs import SyncKey, chunk_prefix
from pipeline.uploads.rows import validate_rows
from schemas.errors import ErrorCode
from schemas.jobs import SyncChunk
from schemas.states import SyncState
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN

CHUNK_SCHEMA = {"row": pl.Int32, **dict.fromkeys((*COLUMNS, OVERFLOW_COLUMN), pl.String)}
"""The columns of a chunk file, in order."""


def apply_chunk(message: SyncChunk, database: Database, objects: ObjectStore, *, work_bucket: str) -> None:
    """Apply a chunk. One that was applied before changes nothing; after an abort its rows become `aborted`.

    Raises:
        Invalid: UNKNOWN_SYNC, the chunk was never planned.
        TryLater: nothing was written; the same chunk can be given again.
    """
    key = SyncKey(message.account_id, message.sync_id)
    with database.transaction() as connection:
        chunk = store.lock_chunk(connection, key, message.chunk)
        if chunk is None:
            raise Invalid(ErrorCode.UNKNOWN_SYNC, f"sync {key.sync_id} has no chunk {message.chunk}")
        if chunk.chunk_status != "pending":
            return
        with own_bucket():
            content = objects.download(work_bucket, chunk.object_key)
        rows = validate_rows(read_chunk(content))
        chunk_store.stage(connection, rows)
        if chunk.job_status == SyncState.ABORTED:
            counts = chunk_store.abort_staged(connection, key)
        else:
            counts = chunk_store.apply_staged(connection, key, Target(chunk.warehouse_id, chunk.user_id))
        job = store.finish_chunk(connection, key, message.chunk, counts)
    if job.finished_at is not None:
        objects.delete_prefix(work_bucket, chunk_prefix(key))


def read_chunk(content: bytes) -> pl.DataFrame:
    """The rows that the planner wrote."""
    return pl.read_csv(content, has_header=False, schema=CHUNK_SCHEMA, empty_string_is_null=False)
