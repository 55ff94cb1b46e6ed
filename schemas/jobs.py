"""Jobs: requests that start or stop a sync or a snapshot, and the states that are published about them."""

from datetime import datetime
from typing import Annotated, ClassVar, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict, StringConstraints

from schemas.errors import ErrorCode
from schemas.events import Fact
from schemas.identifiers import PRINTABLE_PATTERN, AccountIdField, Instant, Text, WarehouseIdField
from schemas.states import SnapshotState, SyncState

Url = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=PRINTABLE_PATTERN)]


class Request(BaseModel):
    """What every request says. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    TYPE: ClassVar[str]

    account_id: AccountIdField


class RequestSync(Request):
    """Apply a CSV file to a warehouse.

    `url` is s3://bucket/key or https://…; `etag` pins the file to a version where one is known.
    """

    TYPE = "sync.request"

    sync_id: UUID
    warehouse_id: WarehouseIdField
    url: Url
    etag: Text | None = None
    user_id: Text | None = None


class AbortSync(Request):
    """Stop a sync at its next chunk. Rows that were applied stay applied."""

    TYPE = "sync.abort"

    sync_id: UUID
    reason: Text


class SyncChunk(Fact):
    """One part of a planned sync: all rows of its SKUs, in file order. Internal."""

    account_id: str
    sync_id: UUID
    chunk: int


class SyncStatus(Fact):
    """A sync's state with live counts. success + error + aborted = total once it has finished."""

    account_id: str
    sync_id: UUID
    warehouse_id: str
    url: str
    user_id: str | None
    status: SyncState
    total_count: int
    success_count: int
    error_count: int
    aborted_count: int
    finished_count: int
    blank_count: int
    chunk_count: int
    chunks_done: int
    warnings: tuple[str, ...]
    error_code: ErrorCode | None
    error: str | None
    abort_reason: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class RequestSnapshot(Request):
    """Export an account's stock, or one warehouse's.

    `has_inventory`: only SKUs with stock; `updated_from`: only SKUs that changed since then. A change counts
    from the beginning of its transaction: who chains snapshots goes back a minute before the last one's `taken_at`.
    """

    TYPE = "snapshot.request"

    snapshot_id: UUID
    warehouse_id: WarehouseIdField | None = None
    has_inventory: bool = False
    updated_from: Instant | None = None


class AbortSnapshot(Request):
    """Stop a snapshot. What was written of it is removed."""

    TYPE = "snapshot.abort"

    snapshot_id: UUID
    reason: Text


class SnapshotStatus(Fact):
    """A snapshot's state; on success `snapshot_url` can be fetched without credentials until `expires_at`."""

    account_id: str
    snapshot_id: UUID
    warehouse_id: str | None
    has_inventory: bool
    updated_from: datetime | None
    status: SnapshotState
    product_count: int
    level_count: int
    size_bytes: int | None
    object_key: str | None
    snapshot_url: str | None
    expires_at: datetime | None
    error_code: ErrorCode | None
    error: str | None
    abort_reason: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


SYNC_REQUESTS: Final[dict[str, type[RequestSync | AbortSync]]] = {r.TYPE: r for r in (RequestSync, AbortSync)}
SNAPSHOT_REQUESTS: Final[dict[str, type[RequestSnapshot | AbortSnapshot]]] = {
    r.TYPE: r for r in (RequestSnapshot, AbortSnapshot)
}


def sync_id_of_object(bucket: str, key: str, etag: str) -> UUID:
    """The id of the sync that an upload starts. The same object in the same version is the same sync."""
    return uuid5(NAMESPACE_URL, f"s3://{bucket}/{key}#{etag.strip(chr(34))}")
