"""Reading: what an account may see of its syncs. A sync is its sender's, whosever stock it changes.

Rows are plain dictionaries of the statements' columns in `queries/sync_views.sql`. A `limit` of None means all. What is
read of the rows of a sync raises `Invalid`: UNKNOWN_SYNC, or SYNC_ITEMS_NOT_KEPT where they were dropped for their age.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from pipeline.errors import Invalid
from pipeline.store.database import Database
from pipeline.store.pages import Order, Row, pages
from pipeline.store.statements import statements
from pipeline.uploads.reject import Reject
from schemas.errors import ErrorCode, RowError
from schemas.identifiers import AccountId, WarehouseId
from schemas.jobs import shown_url
from schemas.states import ItemStatus, SyncState

_NEWEST_FIRST: Final = Order({"created_at": "infinity", "sync_id": UUID(int=2**128 - 1)})


@dataclass(frozen=True)
class Jobs:
    """Which syncs: those that match all that is given. `customer_account_id`: those about this customer's stock."""

    warehouse_id: WarehouseId | None = None
    customer_account_id: AccountId | None = None
    status: SyncState | None = None
    sync_id: UUID | None = None


@dataclass(frozen=True)
class Items:
    """Which rows of a sync: those that match all that is given, from the one after row `after`."""

    status: ItemStatus | None = None
    code: str | None = None
    sku: str | None = None
    after: int = 0


ALL: Final = Items()


def sync_jobs(database: Database, account_id: AccountId, jobs: Jobs, *, limit: int | None = None) -> Iterator[Row]:
    """The account's syncs, newest first, each with its counts and its options; its URL as it may be shown."""
    asked = {"account_id": account_id, **asdict(jobs)}
    found = pages(database, statements("sync_views")["sync_jobs"], asked, _NEWEST_FIRST, limit=limit)
    return (row | {"url": shown_url(row["url"])} for row in found)


def sync_job(database: Database, account_id: AccountId, sync_id: UUID) -> Row | None:
    """One sync; None where the account has no such sync."""
    return next(sync_jobs(database, account_id, Jobs(sync_id=sync_id), limit=1), None)


def sync_items(
    database: Database, account_id: AccountId, sync_id: UUID, items: Items = ALL, *, limit: int | None = None
) -> Iterator[Row]:
    """The rows of a sync in file order; `errors` None or a list, each error with its message."""
    rows = _rows(database, "sync_items", (account_id, sync_id), _asked(items), limit)
    return (row | {"errors": [_told(error) for error in row["errors"] or ()] or None} for row in rows)


def rejects(
    database: Database, account_id: str, sync_id: UUID, items: Items = ALL, *, limit: int | None = None
) -> Iterator[Reject]:
    """The rows that were not applied, with their bytes, in file order."""
    rows = _rows(database, "rejects", (account_id, sync_id), _asked(items), limit)
    return (Reject(row["raw"], [RowError.model_validate(error) for error in row["errors"] or ()]) for row in rows)


def sync_errors(database: Database, account_id: AccountId, sync_id: UUID, *, examples: int = 3) -> list[Row]:
    """The codes that rows of a sync have, of rows in error first and then of skipped ones, most frequent first.

    Each with its `rows`, meaning and hint, and the first rows as `examples`: row, line, sku, and the field, value,
    message, suggestion and found of the error. A row with two codes counts under both.
    """
    parameters = {**_kept(database, account_id, sync_id), "examples": examples}
    with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statements("sync_views")["sync_errors"], parameters).fetchall()
    return [_explained(row) for row in rows]


def sync_diffs(database: Database, account_id: AccountId, sync_id: UUID, *, limit: int | None = None) -> Iterator[Row]:
    """What a dry run would have changed, in file order: levels with their units on hand before and after.

    `lot_id` None: the product has no lots. `leg` 2 is the other end of a move.
    """
    order = Order({"row": 0, "leg": 0})
    rows = _rows(database, "sync_diffs", (account_id, sync_id), ({}, order), limit)
    return (row | {"lot_id": row["lot_id"] or None} for row in rows)


_Asked = tuple[Mapping[str, Any], Order]


def _asked(items: Items) -> _Asked:
    return {"status": items.status, "code": items.code, "sku": items.sku}, Order({"row": items.after})


def _rows(database: Database, name: str, key: tuple[str, UUID], asked: _Asked, limit: int | None) -> Iterator[Row]:
    filters, order = asked
    parameters = {**_kept(database, *key), **filters}
    return pages(database, statements("sync_views")[name], parameters, order, limit=limit)


def _kept(database: Database, account_id: str, sync_id: UUID) -> dict[str, Any]:
    """The parameters that name a sync and the one partition that has its rows."""
    key = {"account_id": account_id, "sync_id": sync_id}
    with database.transaction() as connection:
        found: tuple[date, bool] | None = connection.execute(statements("sync_views")["items_of"], key).fetchone()
    if found is None:
        raise Invalid(ErrorCode.UNKNOWN_SYNC, str(sync_id))
    month, kept = found
    if not kept:
        raise Invalid(ErrorCode.SYNC_ITEMS_NOT_KEPT, f"sync {sync_id} is of {month:%Y-%m}")
    return key | {"month": month}


def _told(error: Mapping[str, Any]) -> Row:
    read = RowError.model_validate(error)
    return read.model_dump(mode="json") | {"message": read.message}


def _explained(row: Row) -> Row:
    code = ErrorCode(row["code"])
    examples = [
        {name: example[name] for name in ("row", "line", "sku")}
        | {name: value for name, value in _told(example["error"]).items() if name != "code"}
        for example in row["examples"] or ()
    ]
    counted = {"code": code.value, "status": row["status"], "rows": row["rows"]}
    return counted | {"meaning": code.meaning, "hint": code.hint, "examples": examples}
