"""What is asked of a sync once it is there, at a desk; and a file that all of it can be asked of."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from pipeline.syncs.requests import approve_sync, confirm_sync, revert_sync
from schemas.jobs import ApproveSync, ConfirmSync, RevertSync
from tests.support.desk import Desk

MANY = "sku,quantity\n" + "".join(f"S{n},{n + 1}\n" for n in range(60))


def file(rows: Sequence[str], header: str = "sku,quantity,action,location") -> str:
    """A file of these rows."""
    return "\n".join([header, *rows]) + "\n"


def confirm(desk: Desk, dry_run_id: UUID, sync_id: UUID | None = None) -> UUID:
    """Confirm a dry run, and do all of it; the sync that applies it."""
    request = ConfirmSync.model_validate(
        {"account_id": "acme", "sync_id": sync_id or uuid4(), "dry_run_id": dry_run_id, "user_id": "mia"}
    )
    confirm_sync(request, desk.services)
    desk.run(request.sync_id)
    return request.sync_id


def revert(desk: Desk, reverted_id: UUID, sync_id: UUID | None = None) -> UUID:
    """Take a sync back, and do all of it; the sync that does so."""
    request = RevertSync.model_validate(
        {"account_id": "acme", "sync_id": sync_id or uuid4(), "reverted_id": reverted_id}
    )
    revert_sync(request, desk.services)
    desk.run(request.sync_id)
    return request.sync_id


def approve(desk: Desk, sync_id: UUID) -> None:
    """Let go a sync that is held."""
    approve_sync(ApproveSync.model_validate({"account_id": "acme", "sync_id": sync_id}), desk.database)
