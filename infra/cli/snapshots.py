# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand snapshot …`: export stock, and fetch the link."""

import time
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID, uuid4

import typer

from infra.cli.context import Account, Warehouse, load_settings, open_database
from infra.cli.failures import Failure
from infra.cli.messages import request
from infra.cli.output import AsJson, Limit, print_json, print_line, print_one, print_rows, progress, rows_to_ask
from pipeline import views
from pipeline.store.database import Database
from schemas.identifiers import AccountId, WarehouseId
from schemas.jobs import AbortSnapshot, RequestSnapshot
from schemas.states import SnapshotState
from schemas.topics import Topic

app = typer.Typer(no_args_is_help=True, help="Snapshots of the stock.")

FINISHED: Final = (SnapshotState.SUCCESS, SnapshotState.ERROR, SnapshotState.ABORTED)
REFRESH_SECONDS: Final = 0.5

SnapshotIdArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The snapshot's id.")]


@app.command()
def create(
    account: Account,
    warehouse: Warehouse = None,
    has_inventory: Annotated[bool, typer.Option("--has-inventory", help="Only SKUs with stock.")] = False,
    updated_from: Annotated[
        datetime | None, typer.Option(help="Only what changed since then, in UTC: 2026-01-31T12:00:00.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export the account's stock, or one warehouse's. With --wait the exit code is 1 where there is no snapshot."""
    settings = load_settings()
    order = RequestSnapshot(
        account_id=AccountId(account),
        snapshot_id=uuid4(),
        warehouse_id=WarehouseId(warehouse) if warehouse else None,
        has_inventory=has_inventory,
        updated_from=updated_from.replace(tzinfo=UTC) if updated_from else None,
    )
    request(settings, Topic.SNAPSHOTS, RequestSnapshot.TYPE, str(order.snapshot_id), order)
    if not wait:
        print_json({"snapshot_id": order.snapshot_id}) if as_json else print_line(str(order.snapshot_id))
        return
    with open_database(settings) as database:
        job = _follow(database, order.account_id, order.snapshot_id)
    print_one(job, as_json=as_json)
    if job["status"] != SnapshotState.SUCCESS:
        raise typer.Exit(1)


@app.command("list")
def list_(
    account: Account,
    warehouse: Warehouse = None,
    status: Annotated[SnapshotState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The account's snapshots, newest first."""
    with open_database(load_settings()) as database:
        jobs = views.snapshot_jobs(
            database,
            AccountId(account),
            warehouse_id=WarehouseId(warehouse) if warehouse else None,
            status=status,
            limit=rows_to_ask(limit, as_json=as_json),
        )
    print_rows(jobs if as_json else [_short(job) for job in jobs], as_json=as_json, limit=limit)


@app.command()
def show(snapshot_id: SnapshotIdArgument, account: Account, as_json: AsJson = False) -> None:
    """One snapshot, with its link and how long that can be used."""
    with open_database(load_settings()) as database:
        print_one(_job(database, AccountId(account), snapshot_id), as_json=as_json)


@app.command()
def abort(
    snapshot_id: SnapshotIdArgument,
    account: Account,
    reason: Annotated[str, typer.Option(help="Why, for the records.")],
    as_json: AsJson = False,
) -> None:
    """Stop a snapshot. What was written of it is removed."""
    settings = load_settings()
    with open_database(settings) as database:
        job = _job(database, AccountId(account), snapshot_id)
    if job["status"] in FINISHED:
        raise Failure(f"Snapshot {snapshot_id} has finished already: {job['status']}.")
    order = AbortSnapshot(account_id=AccountId(account), snapshot_id=snapshot_id, reason=reason)
    request(settings, Topic.SNAPSHOTS, AbortSnapshot.TYPE, str(snapshot_id), order)
    if as_json:
        print_json({"snapshot_id": snapshot_id, "requested": "abort"})
    else:
        print_line(f"Asked snapshot {snapshot_id} to stop.")


def _follow(database: Database, account_id: AccountId, snapshot_id: UUID) -> views.Row:
    """The job when it has finished; until then how much there is of it."""
    with progress("levels") as bar:
        task = bar.add_task("Waiting for a worker", total=None)
        while True:
            job = views.snapshot_job(database, account_id, snapshot_id)
            if job is not None:
                bar.update(task, description=job["status"], completed=job["level_count"])
                if job["status"] in FINISHED:
                    return job
            time.sleep(REFRESH_SECONDS)  # the pace of the display; nothing depends on it


def _job(database: Database, account_id: AccountId, snapshot_id: UUID) -> views.Row:
    job = views.snapshot_job(database, account_id, snapshot_id)
    if job is None:
        raise Failure(
            f"Account {account_id} has no snapshot {snapshot_id}: `onhand snapshot list` shows those that it has."
        )
    return job


def _short(job: views.Row) -> views.Row:
    names = ("snapshot_id", "warehouse_id", "status", "product_count", "level_count", "size_bytes", "created_at")
    return {name: job[name] for name in names}
