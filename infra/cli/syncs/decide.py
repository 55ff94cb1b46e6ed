"""`onhand sync approve`, `confirm`, `revert` and `abort`: what a person decides about a sync."""

from typing import Annotated
from uuid import UUID, uuid5

import typer

from consumers.settings import Settings
from infra.cli.context import TEXT, Account, load_settings, open_database
from infra.cli.failures import Failure
from infra.cli.messages import request
from infra.cli.output import AsJson, print_json, print_line, print_note
from infra.cli.syncs.jobs import (
    SyncIdArgument,
    UserId,
    Wait,
    can_be_tried_again,
    has_ended,
    require_job,
)
from infra.cli.syncs.shown import show_end
from pipeline import sync_views
from pipeline.store.syncs import SyncKey
from schemas.jobs import AbortSync, ApproveSync, ConfirmSync, RevertSync
from schemas.states import SyncState
from schemas.topics import Topic


def approve(
    sync_id: SyncIdArgument, account: Account, wait: Wait = False, user: UserId = None, as_json: AsJson = False
) -> None:
    """Let a sync go on that is held: its reason says why (`onhand sync show ID`). Columns that it names are left out.

    Exit codes with --wait as those of `onhand sync submit`.
    """
    settings = load_settings()
    with open_database(settings) as database:
        job = require_job(database, account, sync_id)
    if job["status"] != SyncState.HELD:
        raise Failure(f"Sync {sync_id} is not held: it is {job['status']}.")
    order = ApproveSync(account_id=account, sync_id=sync_id, user_id=user)
    request(settings, Topic.SYNCS, ApproveSync.TYPE, str(sync_id), order)
    if not wait:
        _say(sync_id, "approve", as_json=as_json)
        return
    show_end(settings, SyncKey(account, sync_id), as_json=as_json)


def confirm(
    dry_run_id: Annotated[UUID, typer.Argument(metavar="DRY_RUN_ID", help="The dry run's id.")],
    account: Account,
    wait: Wait = False,
    user: UserId = None,
    as_json: AsJson = False,
) -> None:
    """Apply what a dry run has checked: the same file in the same version, as a sync of its own. Twice is once.

    Prints the id of that sync. Exit codes with --wait as those of `onhand sync submit`.
    """
    settings = load_settings()
    with open_database(settings) as database:
        job = require_job(database, account, dry_run_id)
    if not job["dry_run"]:
        raise Failure(f"Sync {dry_run_id} is no dry run: there is nothing to confirm.")
    if not has_ended(job):
        raise Failure(f"Dry run {dry_run_id} is still running: {job['status']}. Confirm it when it has ended.")
    if job["status"] not in {SyncState.SUCCESS, SyncState.PARTIAL}:
        raise Failure(f"Dry run {dry_run_id} ended as {job['status']}: none of its rows could be applied.")
    order = ConfirmSync(account_id=account, sync_id=uuid5(dry_run_id, "confirm"), dry_run_id=dry_run_id, user_id=user)
    _start(settings, order, wait=wait, as_json=as_json)


def revert(
    sync_id: SyncIdArgument, account: Account, wait: Wait = False, user: UserId = None, as_json: AsJson = False
) -> None:
    """Take back what a sync changed, by a sync of its own. Levels that have changed since are skipped. Twice is once.

    Prints the id of that sync. Exit codes with --wait as those of `onhand sync submit`.
    """
    settings = load_settings()
    with open_database(settings) as database:
        job = require_job(database, account, sync_id)
    if job["dry_run"]:
        raise Failure(f"Sync {sync_id} is a dry run: it changed nothing.")
    if not has_ended(job):
        raise Failure(
            f"Sync {sync_id} is still running: {job['status']}. "
            f"Stop it first: `onhand sync abort {sync_id} --reason …`."
        )
    if not job["success_count"]:
        raise Failure(f"Sync {sync_id} changed nothing: it ended as {job['status']}.")
    order = RevertSync(account_id=account, sync_id=uuid5(sync_id, "revert"), reverted_id=sync_id, user_id=user)
    _start(settings, order, wait=wait, as_json=as_json)


def abort(
    sync_id: SyncIdArgument,
    account: Account,
    reason: Annotated[str, typer.Option(parser=TEXT, metavar="TEXT", help="Why, for the records.")],
    as_json: AsJson = False,
) -> None:
    """Stop a sync at its next step of some thousand rows. Rows that were applied stay applied."""
    settings = load_settings()
    with open_database(settings) as database:
        job = require_job(database, account, sync_id)
    if has_ended(job) or job["status"] == SyncState.ABORTED:
        raise Failure(f"Sync {sync_id} has finished already: {job['status']}.")
    order = AbortSync(account_id=account, sync_id=sync_id, reason=reason)
    request(settings, Topic.SYNCS, AbortSync.TYPE, str(sync_id), order)
    _say(sync_id, "abort", as_json=as_json)


def _start(settings: Settings, order: ConfirmSync | RevertSync, *, wait: bool, as_json: bool) -> None:
    with open_database(settings) as database:
        known = sync_views.sync_job(database, order.account_id, order.sync_id)
    if known is None or can_be_tried_again(known):
        request(settings, Topic.SYNCS, order.TYPE, str(order.sync_id), order)
    else:
        print_note(f"This was asked for before, as {order.sync_id}: it is {known['status']}.")
    if not wait:
        print_json({"sync_id": order.sync_id}) if as_json else print_line(str(order.sync_id))
        return
    show_end(settings, SyncKey(order.account_id, order.sync_id), behind=known, until_held=True, as_json=as_json)


def _say(sync_id: UUID, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"sync_id": sync_id, "requested": what})
    else:
        print_line(f"Asked sync {sync_id} to {'stop' if what == 'abort' else 'go on'}.")
