"""Jobs: requests that start or stop a sync or a snapshot, and the states that are published about them."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Self, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.errors import ErrorCode
from schemas.events import Fact
from schemas.identifiers import PRINTABLE_PATTERN, AccountIdField, Instant, Text, WarehouseIdField, WarehouseOrAllField
from schemas.states import Duplicates, FailurePolicy, Idempotency, SnapshotState, SyncState
from schemas.uploads import ColumnMeaning, ColumnName, DecimalMark, Encoding, RowAction

Url = Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=PRINTABLE_PATTERN)]


def shown_url(url: str) -> str:
    """A URL as it may be shown and published: without its query, its fragment and its user, which may be credentials.

    The key of an s3:// URL may have any of their characters, and stays as it is.
    """
    if url.startswith(("s3://", "onhand:")):
        return url
    plain = url.replace("\\", "/").partition("?")[0].partition("#")[0]
    scheme, separator, rest = plain.partition("://")
    if not separator:
        return plain.rpartition("@")[2]
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


ShownUrl = Annotated[str, AfterValidator(shown_url)]


SheetName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE_PATTERN)]


class Request(BaseModel):
    """What every request says. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    TYPE: ClassVar[str]

    account_id: AccountIdField


class SyncOptions(BaseModel):
    """How a sync is to be done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: Encoding | None = None
    """The file's encoding where it is not UTF-8 (or UTF-16 with a byte order mark), as Python names it: cp1252."""
    columns: dict[ColumnName, ColumnMeaning] = Field(default_factory=dict, max_length=50)
    """What the file calls the columns, beside what the account has registered: {"Artikelnummer": "sku"}.

    "ignore" leaves a column out.
    """
    decimal: DecimalMark | None = None
    """The decimal mark of the file's numbers; None: each column of numbers must show it."""
    action: RowAction | None = None
    """What rows do that have no action of their own; None: replace."""
    sheet: SheetName | None = None
    """Of a workbook, the sheet to read; None: the first one that is visible."""
    on_error: FailurePolicy = FailurePolicy.APPLY_GOOD_ROWS
    max_errors: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] | None = None
    """With stop_after_errors: how many rows in error stop it."""
    duplicates: Duplicates = Duplicates.ERROR
    as_of: Instant | None = None
    """When the file's quantities were true: a level that has changed since is not replaced."""
    idempotency: Idempotency = Idempotency.DELIVERY
    force: bool = False
    """Apply the file although one with the same content was applied before."""

    @model_validator(mode="after")
    def _limit_belongs_to_its_policy(self) -> Self:
        if (self.on_error is FailurePolicy.STOP_AFTER_ERRORS) != (self.max_errors is not None):
            raise ValueError("max_errors belongs to on_error stop_after_errors")
        return self


class RequestSync(Request, SyncOptions):
    """Apply a CSV file to a warehouse, or with `*` to the warehouses that its rows name in the column `warehouse`.

    `url` is s3://bucket/key or https://…; `etag` and `version_id` pin the file to a version where one is known.
    `account_id` asks; `customer_account_id` is whose stock it is, where a provider uploads for a customer.
    """

    TYPE = "sync.request"

    sync_id: UUID
    warehouse_id: WarehouseOrAllField
    url: Url
    etag: Text | None = None
    version_id: Text | None = None
    user_id: Text | None = None
    customer_account_id: AccountIdField | None = None
    dry_run: bool = False
    """Check all rows and tell what would change; change nothing."""
    announced: bool = False
    """An event of the store told of the file. Events repeat themselves: what failed is not tried again by them."""

    @property
    def options(self) -> SyncOptions:
        """How it is to be done."""
        return SyncOptions.model_validate(self.model_dump(include=set(SyncOptions.model_fields)))


class AbortSync(Request):
    """Stop a sync at its next chunk. Rows that were applied stay applied."""

    TYPE = "sync.abort"

    sync_id: UUID
    reason: Text


class ApproveSync(Request):
    """Let a sync go on that the wipe guard holds."""

    TYPE = "sync.approve"

    sync_id: UUID
    user_id: Text | None = None


class ConfirmSync(Request):
    """Apply what a dry run has checked: the same file in the same version with the same options, as a new sync."""

    TYPE = "sync.confirm"

    sync_id: UUID
    """Of the new sync."""
    dry_run_id: UUID
    user_id: Text | None = None

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.sync_id == self.dry_run_id:
            raise ValueError("sync_id must be a new one, not that of the dry run")
        return self


class RevertSync(Request):
    """Take back what a sync changed, by a new sync. Levels that have changed since are skipped."""

    TYPE = "sync.revert"

    sync_id: UUID
    """Of the new sync."""
    reverted_id: UUID
    user_id: Text | None = None

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.sync_id == self.reverted_id:
            raise ValueError("sync_id must be a new one, not that of the sync to take back")
        return self


class ResumeSync(Request):
    """Go on with a sync whose messages were lost. The scheduler sends it; it changes nothing about one that moves."""

    TYPE = "sync.resume"

    sync_id: UUID


class SyncRange(Fact):
    """One range of bytes of a sync's file, to be read, checked and split by chunk. Internal."""

    account_id: str
    sync_id: UUID
    range: int


class SyncChunk(Fact):
    """One chunk of a planned sync: all rows of its levels, in file order. Internal."""

    account_id: str
    sync_id: UUID
    chunk: int


class SyncFinish(Fact):
    """All chunks of a sync are done: write its file of rejects, and end it. Internal."""

    account_id: str
    sync_id: UUID


class SyncStatus(Fact):
    """A sync's state with live counts.

    success + error + skipped + aborted = total once it has finished. `error` is a summary for people, as in "error in 3
    out of 3 rows"; `error_counts` is how many rows have each code: a row with two codes counts under both.
    """

    account_id: str
    sync_id: UUID
    warehouse_id: str
    customer_account_id: str | None
    url: ShownUrl
    """Without its query, which may hold credentials."""
    user_id: str | None
    dry_run: bool
    status: SyncState
    total_count: int
    success_count: int
    error_count: int
    skipped_count: int
    aborted_count: int
    finished_count: int
    blank_count: int
    chunk_count: int
    chunks_done: int
    error_counts: dict[str, int]
    levels_raised: int
    levels_lowered: int
    levels_zeroed: int
    """Levels that the sync changed: to more units on hand, to fewer, to none. Of a dry run: that it would change."""
    units_before: int
    units_after: int
    """On hand in all the levels that the sync changed, before and after; not in those that it left as they were."""
    warnings: tuple[str, ...]
    error_code: ErrorCode | None
    error: str | None
    abort_reason: str | None
    held_reason: str | None
    recognised_as: str | None
    """The export of another system that the file was read as."""
    duplicate_of: UUID | None
    """The earlier sync of the same file, which this one repeats: nothing was done."""
    confirms: UUID | None
    reverts: UUID | None
    rejects_key: str | None
    """Of the file of rejects, in the uploads bucket. A workbook follows beside it, named .xlsx, if it has room."""
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


SyncRequest: TypeAlias = RequestSync | AbortSync | ApproveSync | ConfirmSync | RevertSync | ResumeSync
SYNC_REQUESTS: Final[dict[str, type[SyncRequest]]] = {
    r.TYPE: r for r in (RequestSync, AbortSync, ApproveSync, ConfirmSync, RevertSync, ResumeSync)
}
SNAPSHOT_REQUESTS: Final[dict[str, type[RequestSnapshot | AbortSnapshot]]] = {
    r.TYPE: r for r in (RequestSnapshot, AbortSnapshot)
}


def sync_id_of_object(
    bucket: str, key: str, *, etag: str, last_modified: datetime, version_id: str | None = None
) -> UUID:
    """The id of the sync that a drop starts.

    A drop is known by its version, where the bucket keeps versions, else by its ETag and the second in which it was
    written: what tells of the same drop again is the same sync, and the same bytes dropped again later are another one.
    """
    version = version_id or f"{etag.strip(chr(34))}@{last_modified.astimezone(UTC).isoformat(timespec='seconds')}"
    return uuid5(NAMESPACE_URL, f"s3://{bucket}/{key}#{version}")
