"""How one sync is shown: its state, what is wrong with its rows, and what to do next."""

import shlex
from collections.abc import Iterator
from typing import Any, Final

from consumers.connections import object_store
from consumers.settings import Settings
from infra.cli.context import open_database
from infra.cli.output import print_json, print_line, print_one
from infra.cli.syncs.jobs import can_be_tried_again, changes_in_words, finish, follow, has_ended
from pipeline.store.pages import Row
from pipeline.store.syncs import SyncKey
from pipeline.uploads.keys import workbook_key
from schemas.errors import ErrorCode
from schemas.states import Duplicates, FailurePolicy, SyncState
from schemas.uploads import RowAction

_SHOWN: Final = (
    *("sync_id", "status", "error_code", "error", "held_reason", "abort_reason", "dry_run", "duplicate_of", "confirms"),
    *("reverts", "total_count", "success_count", "error_count", "skipped_count", "aborted_count", "finished_count"),
    *("blank_count", "levels_raised", "levels_lowered", "levels_zeroed", "units_before", "units_after", "account_id"),
    *("customer_account_id", "warehouse_id", "url", "user_id", "on_error", "max_errors", "duplicates", "as_of"),
    *("force", "encoding", "recognised_as", "action", "columns", "created_at", "updated_at", "finished_at"),
    *("rejects_key", "rejects_url", "rejects_xlsx_url"),
)


def show_end(
    settings: Settings, key: SyncKey, *, behind: Row | None = None, until_held: bool = False, as_json: bool
) -> None:
    """Wait for a sync, show how it ended, and exit as it says; see `follow` and `finish`."""
    with open_database(settings) as database:
        job = follow(database, key, behind=behind, until_held=until_held)
    finish(job, lambda ended: print_job(settings, ended, as_json=as_json))


def print_job(settings: Settings, job: Row, *, as_json: bool) -> None:
    """All that is to be said of a sync; `rejects_url` and `rejects_xlsx_url` open its files of rejects for a time."""
    job |= _links(settings, job["rejects_key"])
    steps = list(next_steps(job))
    if as_json:
        print_json(job | {"next": steps})
        return
    print_one({name: _said(job[name]) for name in _SHOWN}, as_json=False)
    if job["finished_at"] is not None and job["total_count"]:
        print_line(f"stock: {'would be ' if job['dry_run'] else ''}{changes_in_words(job)}")
    for warning in job["warnings"]:
        print_line(f"warning: {warning}")
    for code, count in sorted(job["error_counts"].items(), key=lambda counted: (-counted[1], counted[0])):
        print_line(f"{count:>9,}  {code}: {ErrorCode(code).meaning}")
    for step in steps:
        print_line(f"next: {step}")


def _links(settings: Settings, rejects_key: str | None) -> Row:
    """The workbook is written a moment later than the CSV file, and not where there are too many rejects."""
    links: Row = {"rejects_url": None, "rejects_xlsx_url": None}
    if rejects_key is None:
        return links
    store, bucket, seconds = object_store(settings), settings.s3_uploads_bucket, settings.snapshot_link_hours * 3600
    links["rejects_url"] = store.presigned_get(bucket, rejects_key, seconds)
    workbook = workbook_key(rejects_key)
    if store.exists(bucket, workbook):
        links["rejects_xlsx_url"] = store.presigned_get(bucket, workbook, seconds)
    return links


def next_steps(job: Row) -> Iterator[str]:
    """What a person can do now, and how."""
    sync = job["sync_id"]
    if job["status"] == SyncState.HELD:
        yield "the same file submitted with --dry-run tells what it would do to each level"
        yield f"`onhand sync approve {sync}` applies it all the same, `onhand sync abort {sync} --reason …` gives it up"
    if not has_ended(job):
        return
    if job["duplicate_of"] is not None:
        yield f"`onhand sync show {job['duplicate_of']}` shows the sync that this one repeats"
        yield "`onhand sync submit` with --force, or a drop into the folder force/, applies the file all the same"
    if can_be_tried_again(job):
        yield "mend what is wrong, in the file or around it, and submit the file again"
    if job["error_count"]:
        yield f"`onhand sync errors {sync}` explains what is wrong with the rows in error"
    if job["error_count"] and job["on_error"] == FailurePolicy.ALL_OR_NOTHING:
        yield "no row was applied: mend those rows in the file, and submit it again with the same options"
    elif job["error_count"] and job["dry_run"]:
        yield "mend those rows in the file, and submit it with --dry-run again; if it is confirmed, they are left out"
    elif job["error_count"]:
        yield (
            f"mend them: `onhand sync items {sync} --status error --format csv > rejects.csv`, correct that file in a "
            f"spreadsheet, and `onhand sync submit rejects.csv {_again(job)}`; with xlsx for csv it is a workbook"
        )
    if job["aborted_count"] and job["on_error"] != FailurePolicy.ALL_OR_NOTHING:
        yield f"`onhand sync items {sync} --status aborted --format csv` gives the rows that were not applied"
    if job["dry_run"] and job["status"] in {SyncState.SUCCESS, SyncState.PARTIAL}:
        yield f"`onhand sync diff {sync}` shows what would change, `onhand sync confirm {sync}` applies it"


def _again(job: Row) -> str:
    """The options that mean for another file what they meant for this one."""
    options = ["--warehouse", job["warehouse_id"]]
    if job["customer_account_id"] is not None:
        options += ["--customer-account", job["customer_account_id"]]
    for name, column in job["columns"].items():
        options += ["--column", f"{name}={column}"]
    if job["action"] != RowAction.REPLACE:
        options += ["--action", job["action"]]
    if job["duplicates"] != Duplicates.ERROR:
        options += ["--duplicates", job["duplicates"]]
    if job["as_of"] is not None:
        options += ["--as-of", job["as_of"].isoformat()]
    return shlex.join(options)


def _said(value: Any) -> Any:
    return None if value is False else value
