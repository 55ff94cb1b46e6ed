"""Reads and writes sync jobs and their chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from pipeline.errors import Invalid
from pipeline.store.outbox import OutgoingMessage, publish
from pipeline.store.statements import statements
from schemas.cloudevents import EventType
from schemas.jobs import AbortSync, RequestSync, SyncChunk, SyncStatus
from schemas.states import ItemStatus
from schemas.topics import Topic

_SQL = statements("syncs")


@dataclass(frozen=True)
class SyncKey:
    """What names a sync."""

    account_id: str
    sync_id: UUID

    def parameters(self, **more: object) -> dict[str, object]:
        """The key as statement parameters, with others."""
        return {"account_id": self.account_id, "sync_id": self.sync_id, **more}


@dataclass(frozen=True)
class LockedJob:
    """A job that this transaction holds. `etag` is the version of the file that the job is pinned to, once known."""

    status: SyncStatus
    etag: str | None


@dataclass(frozen=True)
class ChunkFile:
    """Where the rows of one chunk lie."""

    chunk: int
    object_key: str
    row_count: int


@dataclass(frozen=True)
class Plan:
    """What was found in a file. `blank_count`: records without any field filled in."""

    etag: str
    size: int
    chunks: Sequence[ChunkFile]
    blank_count: int
    warnings: Sequence[str]

    @property
    def total_count(self) -> int:
        """The data rows of the file."""
        return sum(chunk.row_count for chunk in self.chunks)


@dataclass(frozen=True)
class LockedChunk:
    """A chunk that this transaction holds, and what it needs of its job."""

    chunk_status: str
    object_key: str
    job_status: str
    warehouse_id: str
    user_id: str | None


def chunk_prefix(key: SyncKey) -> str:
    """Where in the work bucket the chunks of a sync lie until it ends."""
    return f"syncs/{key.account_id}/{key.sync_id}/"


def create_job(connection: psycopg.Connection, request: RequestSync) -> None:
    """Note a request. One that is known already changes nothing."""
    connection.execute(_SQL["create_job"], request.model_dump())


def lock_job(connection: psycopg.Connection, key: SyncKey) -> LockedJob | None:
    """The job, held until the transaction ends; None where there is none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL["lock_job"], key.parameters()).fetchone()
    if row is None:
        return None
    row["finished_count"] = row["success_count"] + row["error_count"] + row["aborted_count"]
    return LockedJob(SyncStatus.model_validate(row), row["object_etag"])


def start_planning(connection: psycopg.Connection, key: SyncKey) -> None:
    """Move a held job to PLANNING."""
    connection.execute(_SQL["start_planning"], key.parameters())
    _publish_status(connection, key)


def start_processing(connection: psycopg.Connection, key: SyncKey, plan: Plan) -> None:
    """Move a held job to PROCESSING and send its chunks out; to SUCCESS where the file has no rows."""
    connection.execute(
        _SQL["insert_chunks"],
        key.parameters(
            chunks=[c.chunk for c in plan.chunks],
            object_keys=[c.object_key for c in plan.chunks],
            row_counts=[c.row_count for c in plan.chunks],
        ),
    )
    connection.execute(
        _SQL["start_processing"],
        key.parameters(
            chunk_count=len(plan.chunks),
            etag=plan.etag,
            size=plan.size,
            total_count=plan.total_count,
            blank_count=plan.blank_count,
            warnings=Jsonb(list(plan.warnings)),
        ),
    )
    _publish_status(connection, key)
    publish(
        connection,
        key.account_id,
        [
            OutgoingMessage(
                Topic.SYNC_CHUNKS,
                f"{key.sync_id}:{c.chunk}",
                EventType.SYNC_CHUNK,
                SyncChunk(account_id=key.account_id, sync_id=key.sync_id, chunk=c.chunk),
            )
            for c in plan.chunks
        ],
    )


def fail_job(connection: psycopg.Connection, key: SyncKey, reason: Invalid) -> None:
    """End a held job in ERROR, before any row was applied."""
    connection.execute(_SQL["fail_job"], key.parameters(error_code=reason.code, error=str(reason)))
    _publish_status(connection, key)


def abort_job(connection: psycopg.Connection, request: AbortSync) -> None:
    """Move a held job to ABORTED."""
    key = SyncKey(request.account_id, request.sync_id)
    connection.execute(_SQL["abort_job"], key.parameters(reason=request.reason))
    _publish_status(connection, key)


def lock_chunk(connection: psycopg.Connection, key: SyncKey, chunk: int) -> LockedChunk | None:
    """A chunk, held until the transaction ends; None where there is none."""
    with connection.cursor(row_factory=class_row(LockedChunk)) as cursor:
        return cursor.execute(_SQL["lock_chunk"], key.parameters(chunk=chunk)).fetchone()


def finish_chunk(connection: psycopg.Connection, key: SyncKey, chunk: int, counts: dict[ItemStatus, int]) -> SyncStatus:
    """Close a held chunk and add its counts to its job; the last chunk ends the job. The job as it is then.

    To be called last in the transaction: the job is held from here on, and every chunk of it needs it.
    """
    aborted = counts.get(ItemStatus.ABORTED, 0)
    connection.execute(_SQL["finish_chunk"], key.parameters(chunk=chunk, status="aborted" if aborted else "done"))
    connection.execute(
        _SQL["count_chunk"],
        key.parameters(
            success=counts.get(ItemStatus.SUCCESS, 0), error=counts.get(ItemStatus.ERROR, 0), aborted=aborted
        ),
    )
    return _publish_status(connection, key)


def _publish_status(connection: psycopg.Connection, key: SyncKey) -> SyncStatus:
    job = lock_job(connection, key)
    assert job is not None  # noqa: S101 - the caller holds it
    message = OutgoingMessage(Topic.SYNC_STATUS, str(key.sync_id), EventType.SYNC_STATUS, job.status)
    publish(connection, key.account_id, [message])
    return job.status
