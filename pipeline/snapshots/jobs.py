"""The life of a snapshot job: each step changes the job's row and publishes its new state, in one transaction."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from pipeline.errors import Invalid
from pipeline.store.database import Database
from pipeline.store.outbox import OutgoingMessage, publish
from pipeline.store.statements import statements
from schemas.cloudevents import EventType
from schemas.jobs import AbortSnapshot, RequestSnapshot, SnapshotStatus
from schemas.states import SnapshotState
from schemas.topics import Topic

_FILE: Final = "snapshots"


def key_of(job: RequestSnapshot | SnapshotStatus) -> str:
    """The key of the job's document in its bucket."""
    return f"{job.account_id}/{job.warehouse_id or 'all'}/{job.snapshot_id}.json"


def create(database: Database, request: RequestSnapshot) -> None:
    """Note the request as PENDING. A snapshot that is known stays as it was first asked for."""
    _step(database, "create_job", {**request.model_dump(), "object_key": key_of(request)})


def start(database: Database, account_id: str, snapshot_id: UUID) -> SnapshotStatus | None:
    """PENDING or PROCESSING → PROCESSING; None when the job has ended."""
    return _step(database, "start_job", {"account_id": account_id, "snapshot_id": snapshot_id})


def complete(  # noqa: PLR0913 - what a finished snapshot says
    database: Database,
    job: SnapshotStatus,
    *,
    product_count: int,
    level_count: int,
    size_bytes: int,
    snapshot_url: str,
    expires_at: datetime,
) -> SnapshotStatus | None:
    """PROCESSING → SUCCESS; None when the job was aborted meanwhile."""
    return _step(
        database,
        "complete_job",
        {
            "account_id": job.account_id,
            "snapshot_id": job.snapshot_id,
            "product_count": product_count,
            "level_count": level_count,
            "size_bytes": size_bytes,
            "snapshot_url": snapshot_url,
            "expires_at": expires_at,
        },
    )


def fail(database: Database, job: SnapshotStatus, error: Invalid) -> None:
    """PROCESSING → ERROR, unless the job was aborted meanwhile."""
    parameters = {
        "account_id": job.account_id,
        "snapshot_id": job.snapshot_id,
        "error_code": error.code,
        "error": str(error),
    }
    _step(database, "fail_job", parameters)


def abort(database: Database, request: AbortSnapshot) -> None:
    """PENDING or PROCESSING → ABORTED; a job that has ended stays as it is."""
    _step(database, "abort_job", request.model_dump())


def find(database: Database, account_id: str, snapshot_id: UUID) -> SnapshotStatus | None:
    """The job as others see it now; None when there is none."""
    parameters = {"account_id": account_id, "snapshot_id": snapshot_id}
    with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statements(_FILE)["find_job"], parameters).fetchone()
    return SnapshotStatus.model_validate(row) if row else None


def is_aborted(database: Database, account_id: str, snapshot_id: UUID) -> bool:
    """Whether somebody has aborted the job."""
    job = find(database, account_id, snapshot_id)
    return job is not None and job.status is SnapshotState.ABORTED


def _step(database: Database, statement: str, parameters: dict[str, Any]) -> SnapshotStatus | None:
    """The job as the statement left it, published; None when the statement changed nothing."""
    with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statements(_FILE)[statement], parameters).fetchone()
        if row is None:
            return None
        status = SnapshotStatus.model_validate(row)
        message = OutgoingMessage(Topic.SNAPSHOT_STATUS, str(status.snapshot_id), EventType.SNAPSHOT_STATUS, status)
        publish(connection, status.account_id, [message])
    return status
