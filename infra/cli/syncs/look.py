"""`onhand sync list` and `show`."""

from typing import Annotated

import typer

from infra.cli.context import Account, CustomerAccount, WarehouseOfSync, load_settings, open_database, open_reading
from infra.cli.output import AsJson, Limit, has_bars, print_json, print_line, print_rows, rows_to_ask
from infra.cli.syncs.jobs import SyncIdArgument, follow, has_ended, in_words, require_job
from infra.cli.syncs.shown import print_job
from pipeline import sync_views
from pipeline.store.pages import Row
from pipeline.store.syncs import SyncKey
from schemas.identifiers import AccountId
from schemas.states import SyncState

_LISTED = (
    *("sync_id", "warehouse_id", "customer_account_id", "status", "total_count", "success_count", "error_count"),
    *("skipped_count", "aborted_count", "duplicate_of", "created_at", "url"),
)


def list_(  # noqa: PLR0913, PLR0917 - a parameter is an option of the command line
    account: Account,
    customer_account: CustomerAccount = None,
    warehouse: WarehouseOfSync = None,
    status: Annotated[SyncState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The account's syncs, newest first.

    With --customer-account only those about the stock of this customer. A sync is its sender's: what others have sent
    for the same customer is not shown.
    """
    with open_reading(account, customer_account) as (database, _):
        which = sync_views.Jobs(warehouse_id=warehouse, customer_account_id=customer_account, status=status)
        jobs = sync_views.sync_jobs(database, account, which, limit=rows_to_ask(limit, as_json=as_json))
        print_rows(jobs if as_json else map(_short, jobs), as_json=as_json, limit=limit)


def show(
    sync_id: SyncIdArgument,
    account: Account,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the counts, the pace and the time left until the sync has ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One sync: its state, its counts, how many rows have which error, and what to do next.

    With --watch --json there is one line for each change; the last one is the sync as it ended.
    """
    settings = load_settings()
    with open_database(settings) as database:
        job = require_job(database, AccountId(account), sync_id)
        if watch and not has_ended(job):
            job = follow(database, SyncKey(account, sync_id), print_json if as_json else _print_change)
    print_job(settings, job, as_json=as_json)


def _print_change(state: Row) -> None:
    if not has_bars():
        print_line(in_words(state))


def _short(job: Row) -> Row:
    short = {name: job[name] for name in _LISTED}
    return short | {"status": f"{job['status']} (dry run)" if job["dry_run"] else job["status"]}
