"""Reads and writes sync jobs. Every change of state goes out as a status message with the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pipeline.errors import Invalid
from pipeline.store.accounts import upload_settings
from pipeline.store.outbox import OutgoingMessage, publish
from pipeline.store.statements import statements
from schemas.cloudevents import EventType
from schemas.errors import ErrorCode
from schemas.identifiers import AccountId
from schemas.jobs import RequestSync, ResumeSync, SyncOptions, SyncStatus
from schemas.states import ItemStatus, SyncState
from schemas.topics import Topic

WORK_PREFIX: Final = "syncs/"
"""Where in the work bucket the files of all syncs lie: syncs/{account_id}/{sync_id}/{planning}/…"""

_OF_THE_ACCOUNT: Final = ("encoding", "decimal", "action")
"""Options that the account's settings give where the request does not; its names of columns come beside."""

_SQL = statements("syncs")


@dataclass(frozen=True)
class SyncKey:
    """What names a sync."""

    account_id: str
    sync_id: UUID

    def parameters(self, **more: object) -> dict[str, object]:
        """The key as statement parameters, with others."""
        return {"account_id": self.account_id, "sync_id": self.sync_id, **more}


def work_prefix(key: SyncKey) -> str:
    """Where in the work bucket the files of a sync lie until it ends."""
    return f"{WORK_PREFIX}{key.account_id}/{key.sync_id}/"


@dataclass(frozen=True)
class PlainSource:
    """Where the bytes of a sync's file are read: one version of an object with plain UTF-8 in it, `size` bytes."""

    bucket: str
    key: str
    etag: str
    size: int
    version_id: str | None = None


@dataclass(frozen=True)
class Job:
    """A sync as the database has it.

    `url` has all that it takes to fetch the file; that of the status may be shown. `etag` and `version_id` pin the file
    that was asked for; `month` is where its rows are kept; `layout` is what the planner keeps of it; `range_count` is
    None until the whole file was cut, and `content_hash` until all of its bytes were seen. `planning` counts how often
    its planning was begun: what a worker found in an earlier one is not to get into this one.
    """

    key: SyncKey
    planning: int
    url: str
    status: SyncStatus
    options: SyncOptions
    month: date
    etag: str | None
    version_id: str | None
    source: PlainSource | None
    content_hash: bytes | None
    layout: Mapping[str, Any] | None
    range_count: int | None
    ranges_done: int
    doubt: str | None
    """Why the file that was read may not be all of it."""

    @property
    def owner(self) -> str:
        """Whose stock it is, where a row does not say otherwise."""
        return self.status.customer_account_id or self.key.account_id

    @property
    def state(self) -> SyncState:
        """Where it is in its life."""
        return self.status.status

    @property
    def work_prefix(self) -> str:
        """Where in the work bucket the files of this planning lie."""
        return f"{work_prefix(self.key)}{self.planning}/"

    def is_same_planning(self, later: "Job") -> bool:
        """Whether the job, as it is later, is still in the planning that it was in."""
        return later.state is SyncState.PLANNING and later.planning == self.planning

    @property
    def is_checked_by_person(self) -> bool:
        """Whether somebody has seen what it will do: it takes something back, or confirms a dry run."""
        return self.status.confirms is not None or self.status.reverts is not None


def create_job(
    connection: psycopg.Connection, request: RequestSync, *, confirms: UUID | None = None, reverts: UUID | None = None
) -> None:
    """Note a request, with the account's settings where it says nothing. One that is known already changes nothing."""
    options = request.options
    if reverts is None:  # the file of a revert is our own
        settings = upload_settings(connection, request.account_id)
        unsaid = {name: getattr(settings, name) for name in _OF_THE_ACCOUNT if getattr(options, name) is None}
        options = options.model_copy(update=unsaid)
    row = request.model_dump() | {"options": Jsonb(options.model_dump(mode="json"))}
    connection.execute(_SQL["create_job"], row | {"confirms": confirms, "reverts": reverts})


def lock_job(connection: psycopg.Connection, key: SyncKey) -> Job | None:
    """The job, held until the transaction ends; None where there is none."""
    return _job(connection, "lock_job", key)


def read_job(connection: psycopg.Connection, key: SyncKey) -> Job | None:
    """The job as it is now; None where there is none."""
    return _job(connection, "read_job", key)


def require_job(connection: psycopg.Connection, key: SyncKey) -> Job:
    """The job, held until the transaction ends.

    Raises:
        Invalid: UNKNOWN_SYNC.
    """
    job = lock_job(connection, key)
    if job is None:
        raise Invalid(ErrorCode.UNKNOWN_SYNC, str(key.sync_id))
    return job


def start_planning(connection: psycopg.Connection, job: Job) -> None:
    """Move a held job to PLANNING; what an attempt that failed had planned is forgotten."""
    if job.state is SyncState.ERROR:
        connection.execute(statements("sync_parts")["delete_ranges"], job.key.parameters())
        connection.execute(_SQL["forget_plan"], job.key.parameters())
    connection.execute(_SQL["create_partitions"], job.key.parameters())
    connection.execute(_SQL["start_planning"], job.key.parameters())
    publish_status(connection, job.key)


def set_source(  # noqa: PLR0913 - what was found of the file
    connection: psycopg.Connection,
    job: Job,
    source: PlainSource,
    *,
    object_etag: str,
    content_hash: bytes | None,
    warnings: Sequence[str],
    doubt: str | None,
) -> bool:
    """Say where the bytes of the file are read; False where another worker has said so, or the job was stopped."""
    parameters = job.key.parameters(
        bucket=source.bucket, key=source.key, etag=source.etag, size=source.size, object_etag=object_etag,
        version_id=source.version_id, content_hash=content_hash, warnings=Jsonb(list(warnings)), doubt=doubt,
        planning=job.planning,
    )  # fmt: skip
    return connection.execute(_SQL["set_source"], parameters).rowcount == 1


def set_layout(
    connection: psycopg.Connection,
    job: Job,
    layout: Mapping[str, Any],
    warnings: Sequence[str],
    recognised_as: str | None,
) -> None:
    """Keep what the header says; the first one to say so is right. `recognised_as`: the known export that it is."""
    parameters = job.key.parameters(
        layout=Jsonb(layout), warnings=Jsonb(list(warnings)), recognised_as=recognised_as, planning=job.planning
    )
    connection.execute(_SQL["set_layout"], parameters)


def change_layout(connection: psycopg.Connection, key: SyncKey, layout: Mapping[str, Any]) -> None:
    """Keep what all of the file says about a held job, in the place of what its beginning did."""
    connection.execute(_SQL["change_layout"], key.parameters(layout=Jsonb(layout)))


def set_range_count(connection: psycopg.Connection, job: Job, range_count: int, content_hash: bytes) -> None:
    """Say that the whole file is cut, and which content it has."""
    parameters = job.key.parameters(range_count=range_count, content_hash=content_hash, planning=job.planning)
    connection.execute(_SQL["set_range_count"], parameters)


def end_as_duplicate(connection: psycopg.Connection, key: SyncKey, duplicate_of: UUID, warning: str) -> None:
    """End a held job as the repeat of another one, without having done anything."""
    connection.execute(_SQL["end_as_duplicate"], key.parameters(duplicate_of=duplicate_of, warnings=Jsonb([warning])))
    publish_status(connection, key)


@dataclass(frozen=True)
class Planned:
    """What was found in a file, and what follows from it."""

    status: SyncState
    total_count: int
    invalid_count: int
    blank_count: int
    chunk_count: int
    warnings: Sequence[str]
    held_reason: str | None = None
    abort_reason: str | None = None


def end_planning(connection: psycopg.Connection, key: SyncKey, planned: Planned) -> None:
    """Move a held job on from PLANNING."""
    row = vars(planned) | {"warnings": Jsonb(list(planned.warnings))}
    connection.execute(_SQL["end_planning"], key.parameters(**row))
    publish_status(connection, key)


def approve_job(connection: psycopg.Connection, key: SyncKey) -> None:
    """Move a held job from HELD to PROCESSING."""
    connection.execute(_SQL["approve_job"], key.parameters())
    publish_status(connection, key)


def fail_job(connection: psycopg.Connection, key: SyncKey, reason: Invalid) -> None:
    """End a held job in ERROR, before any row was applied."""
    connection.execute(_SQL["fail_job"], key.parameters(error_code=reason.code, error=str(reason)))
    publish_status(connection, key)


def abort_job(connection: psycopg.Connection, key: SyncKey, reason: str) -> None:
    """Move a held job to ABORTED."""
    connection.execute(_SQL["abort_job"], key.parameters(reason=reason))
    publish_status(connection, key)


class StockChanges(NamedTuple):
    """How many levels were raised, lowered, and lowered to nothing, and the units on hand in all of them."""

    levels_raised: int = 0
    levels_lowered: int = 0
    levels_zeroed: int = 0
    units_before: int = 0
    units_after: int = 0


class RowCounts(NamedTuple):
    """How many rows have which status, and how many are in error with which code; and what became of the stock."""

    statuses: Mapping[ItemStatus, int]
    codes: Mapping[str, int]
    changes: StockChanges = StockChanges()


def count_rows(
    connection: psycopg.Connection,
    key: SyncKey,
    rows: RowCounts,
    *,
    ends_chunk: bool,
    error_code: ErrorCode | None = None,
) -> Job:
    """Add the counts of some rows of a chunk to its job; the job as it is then, held.

    To be called last in the transaction: every chunk of the job needs it.
    """
    numbers = {status.value: rows.statuses.get(status, 0) for status in ItemStatus} | {"chunks": int(ends_chunk)}
    more = {"codes": Jsonb(dict(rows.codes)), "error_code": error_code} | rows.changes._asdict()
    connection.execute(_SQL["count_rows"], key.parameters(**numbers, **more))
    return require_job(connection, key)


def has_failed_chunks(connection: psycopg.Connection, key: SyncKey) -> bool:
    """Whether a chunk of the job was given up."""
    return connection.execute(_SQL["has_failed_chunks"], key.parameters()).fetchone() == (True,)


def insert_lost_items(connection: psycopg.Connection, job: Job) -> None:
    """Give the rows of chunks that were given up their status: those that no other chunk has told of."""
    parameters = job.key.parameters(month=job.month, total_count=job.status.total_count)
    connection.execute(_SQL["insert_lost_items"], parameters)


def end_job(connection: psycopg.Connection, key: SyncKey, rejects_key: str | None) -> None:
    """End a held job, all of whose chunks are done."""
    connection.execute(_SQL["end_job"], key.parameters(rejects_key=rejects_key))
    publish_status(connection, key)


class StuckJob(NamedTuple):
    """A job that has not moved for a time. `is_planned`: its chunks are what is left of it."""

    key: SyncKey
    is_planned: bool


def take_stuck(connection: psycopg.Connection, seconds: float) -> list[StuckJob]:
    """Jobs that have not moved for so long, and were not taken for so long either."""
    rows = connection.execute(_SQL["stuck_jobs"], {"seconds": seconds}).fetchall()
    stuck = [
        StuckJob(SyncKey(account_id, sync_id), state not in {SyncState.PENDING, SyncState.PLANNING})
        for account_id, sync_id, state in rows
    ]
    for job in stuck:
        connection.execute(_SQL["note_resumed"], job.key.parameters())
    return stuck


def send_resume(connection: psycopg.Connection, key: SyncKey) -> None:
    """Have a worker go on with the planning of a job."""
    data = ResumeSync(account_id=AccountId(key.account_id), sync_id=key.sync_id)
    publish(connection, key.account_id, [OutgoingMessage(Topic.SYNCS, str(key.sync_id), ResumeSync.TYPE, data)])


def publish_status(connection: psycopg.Connection, key: SyncKey) -> None:
    """Tell the world how a job stands; the caller holds it."""
    message = OutgoingMessage(
        Topic.SYNC_STATUS, str(key.sync_id), EventType.SYNC_STATUS, require_job(connection, key).status
    )
    publish(connection, key.account_id, [message])


def _job(connection: psycopg.Connection, statement: str, key: SyncKey) -> Job | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL[statement], key.parameters()).fetchone()
    if row is None:
        return None
    source = None
    if row["source_key"] is not None:
        own_version = row["object_version"] if row["source_etag"] == row["object_etag"] else None
        source = PlainSource(
            row["source_bucket"], row["source_key"], row["source_etag"], row["source_size"], own_version
        )
    return Job(
        key=key,
        planning=row["planning"],
        url=row["url"],
        status=SyncStatus.model_validate(row),
        options=SyncOptions.model_validate(row["options"]),
        month=row["items_month"],
        etag=row["object_etag"],
        version_id=row["object_version"],
        source=source,
        content_hash=row["content_hash"],
        layout=row["layout"],
        range_count=row["range_count"],
        ranges_done=row["ranges_done"],
        doubt=row["source_doubt"],
    )
