# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand sync errors`, `items` and `diff`: what became of the rows of a sync."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Final

import typer

from infra.cli.context import Account, load_settings, open_database
from infra.cli.failures import Failure
from infra.cli.output import AsJson, Limit, print_bytes, print_csv, print_line, print_note, print_rows
from infra.cli.syncs.jobs import SyncIdArgument, changes_in_words, has_ended, require_job
from pipeline import sync_views
from pipeline.store.database import Database
from pipeline.store.pages import Row
from schemas.errors import ErrorCode, RowError
from schemas.states import ItemStatus, SyncState

ITEM_COLUMNS: Final = (
    *("row", "sku", "quantity", "action", "reason", "location", "to_location", "lot", "note", "expected_quantity"),
    *("expected_version", "customer_account_id", "warehouse", "status", "version", "to_version", "merged_into", "line"),
    *("byte_offset", "errors", "created_at"),
)
DIFF_COLUMNS: Final = (
    *("row", "owner_account_id", "warehouse_id", "sku", "location_id", "lot_id", "before", "after", "delta"),
)
_WITH_BYTES: Final = (ItemStatus.ERROR, ItemStatus.ABORTED)


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class ItemFormat(StrEnum):
    """How the rows of a sync are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


_ITEM_FORM: Final = "CSV and JSON give all rows; xlsx is the file of rejects as a workbook."
Form = Annotated[Format, typer.Option("--format", help="CSV and JSON give all rows.")]


@dataclass(frozen=True)
class _Header:
    names: tuple[str, ...]
    delimiter: str
    from_rejects: bool
    columns: tuple[str | None, ...]
    quoting: bool


def errors(sync_id: SyncIdArgument, account: Account, as_json: AsJson = False) -> None:
    """What is wrong with the rows of a sync: each error with its number of rows, what to do, and the first rows.

    A row with two errors counts under both. Rows that were skipped, as the request wanted it, stand at the end. Where
    the sync failed as a whole, that error comes first.
    """
    with open_database(load_settings()) as database:
        job = require_job(database, account, sync_id)
        found = sync_views.sync_errors(database, account, sync_id)
    failure = _failure(job)
    if as_json:
        print_rows(found, as_json=True, limit=None)
        if failure is not None:
            print_note(failure)
        return
    if failure is not None:
        print_line(failure)
    elif not found:
        print_line("No row is in error." if has_ended(job) else f"No row is known to be in error yet: {job['status']}.")
    for each in found:
        rows = f"{each['rows']:,} {'row' if each['rows'] == 1 else 'rows'}"
        print_line(f"{each['code']}: {rows} {'skipped' if each['status'] == ItemStatus.SKIPPED else 'in error'}")
        print_line(f"  {each['meaning']} {each['hint']}")
        for example in each["examples"]:
            advice = RowError.model_validate({"code": each["code"], **example}).advice
            print_line(f"  {_example(example)}" + (f". {advice}" if advice else ""))
        if each["rows"] > len(each["examples"]):
            print_line(f"  … `onhand sync items {sync_id} --code {each['code']}` shows all of them")


def items(
    sync_id: SyncIdArgument,
    account: Account,
    status: Annotated[ItemStatus | None, typer.Option(help="Only rows that ended so.")] = None,
    code: Annotated[ErrorCode | None, typer.Option(help="Only rows with this error code.", metavar="CODE")] = None,
    sku: Annotated[str | None, typer.Option(help="Only rows of this SKU.")] = None,
    after: Annotated[int, typer.Option(min=0, metavar="ROW", help="Only rows after this one.")] = 0,
    limit: Limit = None,
    form: Annotated[ItemFormat, typer.Option("--format", help=_ITEM_FORM)] = ItemFormat.TABLE,
    as_json: AsJson = False,
) -> None:
    """What became of each row of a sync, in file order.

    With --format csv or xlsx and --status error (or aborted) this is the file of rejects: the columns of the upload as
    they were, and behind them what is wrong. Fix it, and submit it.
    """
    which = sync_views.Items(status=status, code=code, sku=sku, after=after)
    form = ItemFormat.JSON if as_json else form
    if form is ItemFormat.XLSX and status not in _WITH_BYTES:
        raise typer.BadParameter("--format xlsx is the file of rejects: add --status error, or --status aborted")
    if form is ItemFormat.XLSX and sys.stdout.isatty():
        raise Failure("A workbook is nothing to read on a screen: write it to a file, as in … > rejects.xlsx")
    with open_database(load_settings()) as database:
        job = require_job(database, account, sync_id)
        if form in {ItemFormat.CSV, ItemFormat.XLSX} and status in _WITH_BYTES:
            _print_rejects(database, job, which, limit, as_workbook=form is ItemFormat.XLSX)
            return
        rows = sync_views.sync_items(database, account, sync_id, which)
        _print(rows if form is ItemFormat.JSON else map(_item, rows), ITEM_COLUMNS, Format(form), limit)


def diff(
    sync_id: SyncIdArgument,
    account: Account,
    limit: Limit = None,
    form: Form = Format.TABLE,
    as_json: AsJson = False,
) -> None:
    """What a dry run would change: each level with its units on hand before and after, in the order of the file."""
    form = Format.JSON if as_json else form
    with open_database(load_settings()) as database:
        job = require_job(database, account, sync_id)
        if not job["dry_run"]:
            raise Failure(f"Sync {sync_id} is no dry run; `onhand sync items {sync_id}` shows what it did.")
        if not has_ended(job):
            raise Failure(f"Sync {sync_id} is still running: {job['status']}. Look again when it has ended.")
        rows = sync_views.sync_diffs(database, account, sync_id)
        _print(rows, DIFF_COLUMNS, form, limit)
        if (failure := _failure(job)) is not None:
            print_note(failure)
        else:
            print_note(f"Would be {changes_in_words(job)}.")
        if job["error_count"]:
            print_note(
                f"{job['error_count']:,} of {job['total_count']:,} rows are in error and would not be applied: "
                f"`onhand sync errors {sync_id}` explains them."
            )


def _failure(job: Row) -> str | None:
    """Why a sync failed as a whole, where not only its rows are wrong: its file or its request is."""
    if job["status"] != SyncState.ERROR or job["error_code"] is None:
        return None
    return f"The sync is in error, and no row was applied. {job['error_code']}: {job['error']}"


def _print(rows: Iterable[Row], columns: tuple[str, ...], form: Format, limit: int | None) -> None:
    if form is Format.JSON:
        print_rows(rows, as_json=True, limit=limit)
        return
    short = ({name: row[name] for name in columns} for row in rows)
    if form is Format.CSV:
        print_csv(islice(short, limit), columns)
    else:
        print_rows(short, as_json=False, limit=limit)


def _print_rejects(
    database: Database, job: Row, which: sync_views.Items, limit: int | None, *, as_workbook: bool
) -> None:
    from pipeline.uploads.rejects import rejects_file  # noqa: PLC0415 - brings Polars with it
    from pipeline.uploads.rejects_workbook import fits, rejects_workbook  # noqa: PLC0415

    if job["header"] is None:
        raise Failure(f"The file of sync {job['sync_id']} was not read: it is {job['status']}, and has no rows.")
    header = _Header(**{field.name: job["header"][field.name] for field in fields(_Header)})
    rejects = sync_views.rejects(database, job["account_id"], job["sync_id"], which, limit=limit)
    if not as_workbook:
        print_bytes(rejects_file(header, rejects))
        return
    count = job[f"{which.status}_count"] if which.code is None else job["error_counts"].get(which.code, 0)
    if not fits(header, min(count, limit or count)):
        raise Failure(f"A workbook has no room for these {count:,} rows: ask for --format csv, or for fewer (--limit).")
    print_bytes(rejects_workbook(header, rejects))


def _item(row: Row) -> Row:
    """Errors as words; the columns of a file that has none of a kind are left out of a table."""
    told = "; ".join(f"{error['field']}: {error['code']}: {error['message']}" for error in row["errors"] or ())
    return row | {"errors": told or None}


def _example(example: dict[str, Any]) -> str:
    where = f"row {example['row']:,} (line {example['line']:,})" if example["line"] else f"row {example['row']:,}"
    value = f"{example['field']} {example['value']!r}" if example["value"] else example["field"]
    value += f" (is {example['suggestion']!r} meant?)" if example["suggestion"] else ""
    value += f", found {example['found']}" if example["found"] else ""
    return f"{where}: {value}" if example["field"] == "sku" else f"{where}, SKU {example['sku']!r}: {value}"
