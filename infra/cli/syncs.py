# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand sync …`: submit CSV files, watch them, and read what became of each row."""

import time
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import typer

from consumers.connections import object_store
from consumers.settings import Settings
from infra.cli.context import (
    Account,
    RequiredWarehouse,
    Warehouse,
    load_settings,
    open_database,
)
from infra.cli.failures import Failure
from infra.cli.messages import request
from infra.cli.output import (
    AsJson,
    Limit,
    print_csv,
    print_json,
    print_line,
    print_note,
    print_one,
    print_rows,
    progress,
    rows_to_ask,
)
from pipeline import views
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from schemas.identifiers import AccountId, WarehouseId
from schemas.jobs import AbortSync, RequestSync, sync_id_of_object
from schemas.states import ItemStatus, SyncState
from schemas.topics import Topic

app = typer.Typer(no_args_is_help=True, help="CSV syncs.")

FINISHED: Final = (SyncState.SUCCESS, SyncState.PARTIAL, SyncState.ERROR, SyncState.ABORTED)
FAILED: Final = (SyncState.ERROR, SyncState.ABORTED)
REFRESH_SECONDS: Final = 0.5
UPLOAD_CHUNK_BYTES: Final = 2**20
ITEM_COLUMNS: Final = (
    "row", "sku", "quantity", "action", "reason", "location", "status", "version", "errors", "created_at",
)  # fmt: skip

SyncIdArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The sync's id.")]


class ItemFormat(StrEnum):
    """How the rows of a sync are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def submit(
    source: Annotated[str, typer.Argument(metavar="FILE_OR_URL", help="A CSV file, or an s3:// or https:// URL.")],
    account: Account,
    warehouse: RequiredWarehouse,
    wait: Annotated[bool, typer.Option("--wait", help="Show the counts until the sync has finished.")] = False,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Who submits it, for the records.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start a sync. A file is uploaded first; the same file under the same name again is the same sync.

    With --wait the exit code is 1 where the sync ends in error or is aborted. A sync of which some rows failed ends
    partial with exit code 0: `onhand sync items ID --status error` lists them.
    """
    settings = load_settings()
    fields = {"account_id": account, "warehouse_id": warehouse, "user_id": user}
    if "://" in source:
        order = RequestSync.model_validate(fields | {"sync_id": uuid4(), "url": source})
    else:
        order = RequestSync.model_validate(fields | _upload(settings, Path(source), f"{account}/{warehouse}"))
    request(settings, Topic.SYNCS, RequestSync.TYPE, str(order.sync_id), order)
    if not wait:
        print_json({"sync_id": order.sync_id, "url": order.url}) if as_json else print_line(str(order.sync_id))
        return
    print_note(f"Submitted as {order.sync_id}; it goes on whatever happens here.")
    with open_database(settings) as database:
        job = _follow(database, order.account_id, order.sync_id)
    print_one(job, as_json=as_json)
    if job["status"] in FAILED:
        raise typer.Exit(1)


@app.command("list")
def list_(
    account: Account,
    warehouse: Warehouse = None,
    status: Annotated[SyncState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The account's syncs, newest first."""
    with open_database(load_settings()) as database:
        jobs = views.sync_jobs(
            database,
            AccountId(account),
            warehouse_id=WarehouseId(warehouse) if warehouse else None,
            status=status,
            limit=rows_to_ask(limit, as_json=as_json),
        )
    print_rows(jobs if as_json else [_short(job) for job in jobs], as_json=as_json, limit=limit)


@app.command()
def show(sync_id: SyncIdArgument, account: Account, as_json: AsJson = False) -> None:
    """One sync: its state, its counts, and how many rows have which error."""
    with open_database(load_settings()) as database:
        job = _job(database, AccountId(account), sync_id)
        errors = views.sync_errors(database, AccountId(account), sync_id)
    print_one(job | {"error_counts": errors}, as_json=as_json)


@app.command()
def items(
    sync_id: SyncIdArgument,
    account: Account,
    status: Annotated[ItemStatus | None, typer.Option(help="Only rows that ended so.")] = None,
    code: Annotated[ErrorCode | None, typer.Option(help="Only rows with this error code.", metavar="CODE")] = None,
    sku: Annotated[str | None, typer.Option(help="Only rows of this SKU.")] = None,
    after: Annotated[int, typer.Option(min=0, metavar="ROW", help="Only rows after this one.")] = 0,
    limit: Limit = None,
    form: Annotated[ItemFormat, typer.Option("--format", help="CSV and JSON give all rows.")] = ItemFormat.TABLE,
    as_json: AsJson = False,
) -> None:
    """What became of each row of a sync, in file order."""
    with open_database(load_settings()) as database:
        _job(database, AccountId(account), sync_id)
        asked = views.Items(status=status, code=code, sku=sku, after=after)
        rows = views.sync_items(database, AccountId(account), sync_id, asked)
        if form is ItemFormat.CSV and not as_json:
            print_csv(islice(rows, limit), ITEM_COLUMNS)
        else:
            print_rows(rows, as_json=as_json or form is ItemFormat.JSON, limit=limit)


@app.command()
def abort(
    sync_id: SyncIdArgument,
    account: Account,
    reason: Annotated[str, typer.Option(help="Why, for the records.")],
    as_json: AsJson = False,
) -> None:
    """Stop a sync at its next chunk. Rows that were applied stay applied."""
    settings = load_settings()
    with open_database(settings) as database:
        job = _job(database, AccountId(account), sync_id)
    if job["status"] in FINISHED:
        raise Failure(f"Sync {sync_id} has finished already: {job['status']}.")
    order = AbortSync(account_id=AccountId(account), sync_id=sync_id, reason=reason)
    request(settings, Topic.SYNCS, AbortSync.TYPE, str(sync_id), order)
    print_json({"sync_id": sync_id, "requested": "abort"}) if as_json else print_line(f"Asked sync {sync_id} to stop.")


def _upload(settings: Settings, path: Path, prefix: str) -> dict[str, Any]:
    store, bucket, key = object_store(settings), settings.s3_uploads_bucket, f"{prefix}/{path.stem}.csv"
    with path.open("rb") as file, progress("bytes") as bar:
        task = bar.add_task(f"Uploading {path.name}", total=path.stat().st_size)

        def chunks() -> Iterator[bytes]:
            while chunk := file.read(UPLOAD_CHUNK_BYTES):
                yield chunk
                bar.advance(task, len(chunk))

        store.upload_stream(bucket, key, chunks())
    etag = store.head(bucket, key).etag
    return {"sync_id": sync_id_of_object(bucket, key, etag), "url": f"s3://{bucket}/{key}", "etag": etag}


def _follow(database: Database, account_id: AccountId, sync_id: UUID) -> views.Row:
    """The job when it has finished; until then its counts as a bar."""
    with progress("rows") as bar:
        task = bar.add_task("Waiting for a worker", total=None)
        while True:
            job = views.sync_job(database, account_id, sync_id)
            if job is not None:
                done, total = job["finished_count"], job["total_count"] or None
                label = f"{job['status']}: {job['success_count']} applied, {job['error_count']} in error"
                bar.update(task, description=label, completed=done, total=total)
                if job["status"] in FINISHED:
                    return job
            time.sleep(REFRESH_SECONDS)  # the pace of the display; nothing depends on it


def _job(database: Database, account_id: AccountId, sync_id: UUID) -> views.Row:
    job = views.sync_job(database, account_id, sync_id)
    if job is None:
        raise Failure(f"Account {account_id} has no sync {sync_id}: `onhand sync list` shows those that it has.")
    return job


def _short(job: views.Row) -> views.Row:
    names = ("sync_id", "warehouse_id", "status", "total_count", "success_count", "error_count", "created_at", "url")
    return {name: job[name] for name in names}
