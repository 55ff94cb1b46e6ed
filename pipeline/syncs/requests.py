"""What people and systems ask of syncs: start one, stop it, let it go on, confirm a dry run, take one back."""

from uuid import UUID

import psycopg

from pipeline.errors import Invalid
from pipeline.store import sync_parts
from pipeline.store import syncs as store
from pipeline.store.database import Database
from pipeline.store.syncs import Job, SyncKey
from pipeline.syncs.plan import plan_sync
from pipeline.syncs.services import SyncServices
from schemas.errors import ErrorCode
from schemas.jobs import (
    AbortSync,
    ApproveSync,
    ConfirmSync,
    RequestSync,
    ResumeSync,
    RevertSync,
)
from schemas.states import SyncState

_ABORTABLE = (SyncState.PENDING, SyncState.PLANNING, SyncState.HELD, SyncState.PROCESSING)


def request_sync(request: RequestSync, services: SyncServices) -> None:
    """Start a sync. A repeat of a request changes nothing; one that was cut off goes on.

    A sync that failed before its rows is tried again where somebody asks again, and not where an event repeats itself:
    the file may be old by now.

    Raises:
        TryLater: a server is away; the same request can be given again.
    """
    with services.database.transaction() as connection:
        store.create_job(connection, request)
    plan_sync(SyncKey(request.account_id, request.sync_id), services, again=not request.announced)


def resume_sync(request: ResumeSync, services: SyncServices) -> None:
    """Go on with the planning of a sync whose planner was lost. Nothing happens to others.

    Raises:
        Invalid: UNKNOWN_SYNC.
        TryLater: a server is away; the same request can be given again.
    """
    key = SyncKey(request.account_id, request.sync_id)
    with services.database.transaction() as connection:
        job = store.require_job(connection, key)
    if job.state in {SyncState.PENDING, SyncState.PLANNING}:
        plan_sync(key, services)


def abort_sync(request: AbortSync, database: Database) -> None:
    """Stop a sync at its next chunk. One that has ended already stays as it is.

    Raises:
        Invalid: UNKNOWN_SYNC.
    """
    key = SyncKey(request.account_id, request.sync_id)
    with database.transaction() as connection:
        job = store.require_job(connection, key)
        all_applied = job.status.chunk_count > 0 and job.status.chunks_done == job.status.chunk_count
        if job.state not in _ABORTABLE or all_applied:
            return
        store.abort_job(connection, key, request.reason)
        if job.state is SyncState.HELD:  # its chunks were not sent out, and its rows need their statuses
            sync_parts.send_chunks(connection, key, sync_parts.pending(connection, key, "chunk"))


def approve_sync(request: ApproveSync, database: Database) -> None:
    """Let a sync go on that is held. One that was approved before stays as it is.

    Raises:
        Invalid: UNKNOWN_SYNC; SYNC_NOT_READY, it was never held.
    """
    key = SyncKey(request.account_id, request.sync_id)
    with database.transaction() as connection:
        job = store.require_job(connection, key)
        if job.state is SyncState.HELD:
            store.approve_job(connection, key)
            sync_parts.send_chunks(connection, key, sync_parts.pending(connection, key, "chunk"))
        elif job.status.held_reason is None or job.state is SyncState.ABORTED:
            raise _not_ready(job, "is not held")


def confirm_sync(request: ConfirmSync, services: SyncServices) -> None:
    """Apply what a dry run has checked: the file in the same version, with the same options, as a sync of its own.

    Raises:
        Invalid: UNKNOWN_SYNC; SYNC_NOT_READY, the other sync is no dry run or has not ended well.
        TryLater: a server is away; the same request can be given again.
    """
    with services.database.transaction() as connection:
        checked = store.require_job(connection, SyncKey(request.account_id, request.dry_run_id))
        if not checked.status.dry_run or checked.state not in {SyncState.SUCCESS, SyncState.PARTIAL}:
            raise _not_ready(checked, "is no dry run that has ended well")
        _create_after(connection, checked, request.sync_id, request.user_id, confirms=request.dry_run_id)
    plan_sync(SyncKey(request.account_id, request.sync_id), services)


def revert_sync(request: RevertSync, services: SyncServices) -> None:
    """Take back what an ended sync changed, by a sync of its own that skips every level that has changed since.

    Raises:
        Invalid: UNKNOWN_SYNC; SYNC_NOT_READY, the other sync has not ended, or was a dry run; SYNC_ITEMS_NOT_KEPT.
        TryLater: a server is away; the same request can be given again.
    """
    key = SyncKey(request.account_id, request.sync_id)
    with services.database.transaction() as connection:
        reverted = store.require_job(connection, SyncKey(request.account_id, request.reverted_id))
        if reverted.status.dry_run or reverted.status.finished_at is None:
            raise _not_ready(reverted, "has not ended, or was a dry run")
        _create_after(connection, reverted, request.sync_id, request.user_id, reverts=request.reverted_id)
    plan_sync(key, services)


def _create_after(  # noqa: PLR0913 - what the new job is, and after which one
    connection: psycopg.Connection,
    job: Job,
    sync_id: UUID,
    user_id: str | None,
    *,
    confirms: UUID | None = None,
    reverts: UUID | None = None,
) -> None:
    """Note a job about the same stock as another one; a confirmed one reads the same file in the same version.

    Raises:
        Invalid: SYNC_NOT_READY, the id is that of a job about something else.
    """
    options = job.options.model_dump() if confirms else {}
    request = RequestSync(
        **options,
        account_id=job.status.account_id,
        sync_id=sync_id,
        warehouse_id=job.status.warehouse_id,
        customer_account_id=job.status.customer_account_id,
        url=job.url if confirms else f"onhand:revert:{reverts}",
        etag=job.etag if confirms else None,
        version_id=job.version_id if confirms else None,
        user_id=user_id or job.status.user_id,
    )
    store.create_job(connection, request, confirms=confirms, reverts=reverts)
    created = store.require_job(connection, SyncKey(request.account_id, sync_id))
    if (created.status.confirms, created.status.reverts) != (confirms, reverts):
        raise _not_ready(created, "is about something else: give the new sync an id of its own")


def _not_ready(job: Job, why: str) -> Invalid:
    return Invalid(ErrorCode.SYNC_NOT_READY, f"sync {job.key.sync_id} is {job.state}; it {why}")
