# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand sync submit`: a file from here or from elsewhere becomes a sync."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from pydantic import ValidationError

from consumers.connections import object_store
from consumers.settings import Settings
from infra.cli.context import (
    Account,
    CustomerAccount,
    RequestedWarehouse,
    load_settings,
    parse_instant,
)
from infra.cli.failures import Failure
from infra.cli.messages import request
from infra.cli.output import AsJson, print_json, print_line, print_note, progress
from infra.cli.syncs.jobs import UserId, Wait
from infra.cli.syncs.shown import show_end
from pipeline.store.syncs import SyncKey
from schemas.jobs import RequestSync, shown_url
from schemas.states import Duplicates, FailurePolicy, Idempotency
from schemas.topics import Topic
from schemas.uploads import IGNORED, SUBMITTED_FOLDER, DecimalMark, RowAction, UploadColumn

_PIECE: Final = 2**20
_NOWHERE: Final = "file:"

_ENCODING: Final = "The file's encoding, as cp1252, where it is neither UTF-8 nor UTF-16 with a byte order mark."
_COLUMN: Final = "What the file calls a column: 'Artikelnummer=sku'; 'Shelf=ignore' leaves one out. Can be repeated."
_DECIMAL: Final = "The decimal mark of the file's numbers, , or . where the numbers do not show it."
_ACTION: Final = "What rows do that have no action of their own."
_SHEET: Final = "Of a workbook, the sheet to read; otherwise the first one that is visible."
_IDEMPOTENCY: Final = "With content, a file that adds, removes or moves units is a repeat on another day, too."
_ON_ERROR: Final = "What to do with rows in error: apply the others, apply none, or stop after --max-errors."
_DUPLICATES: Final = (
    "Several rows about one SKU and location: each is an error, the last one counts, or their sum does."
)
_AS_OF: Final = (
    "When the quantities were true: levels that have changed since are not replaced. ISO 8601, UTC unless it says."
)


def submit(
    source: Annotated[
        str, typer.Argument(metavar="FILE_OR_URL", help="A CSV file or an Excel workbook, or an s3:// or https:// URL.")
    ],
    account: Account,
    warehouse: RequestedWarehouse,
    customer_account: CustomerAccount = None,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help=_ENCODING)] = None,
    column: Annotated[list[str] | None, typer.Option(metavar="NAME=COLUMN", help=_COLUMN)] = None,
    decimal: Annotated[DecimalMark | None, typer.Option(help=_DECIMAL)] = None,
    action: Annotated[RowAction | None, typer.Option(help=_ACTION)] = None,
    sheet: Annotated[str | None, typer.Option(metavar="NAME", help=_SHEET)] = None,
    on_error: Annotated[FailurePolicy, typer.Option(help=_ON_ERROR)] = FailurePolicy.APPLY_GOOD_ROWS,
    max_errors: Annotated[int | None, typer.Option(min=1, help="With --on-error stop_after_errors.")] = None,
    duplicates: Annotated[Duplicates, typer.Option(help=_DUPLICATES)] = Duplicates.ERROR,
    as_of: Annotated[datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help=_AS_OF)] = None,
    idempotency: Annotated[Idempotency, typer.Option(help=_IDEMPOTENCY)] = Idempotency.DELIVERY,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all rows, and change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also if the same file was applied before.")] = False,
    wait: Wait = False,
    user: UserId = None,
    as_json: AsJson = False,
) -> None:
    """Start a sync. A file is uploaded first; each submission is a sync of its own.

    With --wait the exit code says how it ended:
    0: all rows were applied, or the good ones were (`onhand sync errors ID`).
    1: it ended in error, or was aborted.
    3: it is held for a person, and the reason says why: it would take much of
    the stock, lacks many SKUs, has columns with values that are not read and
    may mean something, or rows of the same file were applied before.
    Nothing was applied. `onhand sync approve ID` lets it go on.
    4: it repeats an earlier sync of the same file. Nothing was applied;
    --force applies it all the same.
    """
    settings = load_settings()
    if (on_error is FailurePolicy.STOP_AFTER_ERRORS) != (max_errors is not None):
        raise typer.BadParameter("--max-errors and --on-error stop_after_errors belong together")
    fields = {
        "account_id": account, "warehouse_id": warehouse, "customer_account_id": customer_account, "user_id": user,
        "encoding": encoding, "columns": _columns(column or ()), "on_error": on_error, "max_errors": max_errors,
        "duplicates": duplicates, "as_of": as_of, "dry_run": dry_run, "force": force, "decimal": decimal,
        "action": action, "sheet": sheet, "idempotency": idempotency,
    }  # fmt: skip
    if "://" in source:
        order = _order(fields | {"sync_id": uuid4(), "url": source})
    else:
        order = _uploaded(settings, Path(source), _order(fields | {"sync_id": uuid4(), "url": _NOWHERE}))
    request(settings, Topic.SYNCS, RequestSync.TYPE, str(order.sync_id), order)
    if not wait:
        told = {"sync_id": order.sync_id, "url": shown_url(order.url)}
        print_json(told) if as_json else print_line(str(order.sync_id))
        return
    print_note(f"Submitted as {order.sync_id}; it goes on whatever happens here.")
    show_end(settings, SyncKey(order.account_id, order.sync_id), until_held=True, as_json=as_json)


def _uploaded(settings: Settings, path: Path, order: RequestSync) -> RequestSync:
    """The request, for the file that is in the bucket now."""
    key = f"{order.account_id}/{order.warehouse_id}/{SUBMITTED_FOLDER}/{order.sync_id}/{_key_name(path)}"
    etag = _upload(settings, path, key)
    return order.model_copy(update={"url": f"s3://{settings.s3_uploads_bucket}/{key}", "etag": etag})


def _upload(settings: Settings, path: Path, key: str) -> str:
    """Put the file into the bucket; the ETag of the object."""
    store, bucket = object_store(settings), settings.s3_uploads_bucket
    before = path.stat()

    def pieces() -> Iterator[bytes]:
        size = 0
        for piece in _pieces(path, "Uploading"):
            size += len(piece)
            yield piece
        if (size, path.stat().st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise Failure(f"{path} changes while it is read: submit it again when it is written.")

    store.upload_stream(bucket, key, pieces())
    return store.head(bucket, key).etag


def _pieces(path: Path, doing: str) -> Iterator[bytes]:
    with path.open("rb") as file, progress("bytes") as bar:
        task = bar.add_task(f"{doing} {path.name}", total=path.stat().st_size)
        while piece := file.read(_PIECE):
            yield piece
            bar.advance(task, len(piece))


def _key_name(path: Path) -> str:
    """The file's name as it can stand in a URL that people read."""
    return "".join(c if c.isprintable() else "_" for c in path.name)


def _columns(given: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for text in given:
        name, _, column = text.rpartition("=")
        if not name or column not in {*UploadColumn, IGNORED}:
            known = ", ".join((*UploadColumn, IGNORED))
            raise typer.BadParameter(f"--column {text!r} is not NAME=COLUMN, with one of {known}")
        if columns.setdefault(name, column) != column:
            raise typer.BadParameter(f"--column names {name!r} twice")
    return columns


def _order(fields: dict[str, Any]) -> RequestSync:
    try:
        return RequestSync.model_validate(fields)
    except ValidationError as error:
        problems = (
            f"{problem['loc'][0] if problem['loc'] else 'request'}: {problem['msg']}" for problem in error.errors()
        )
        raise Failure("; ".join(problems)) from None
