"""Reading: what an account may see of its levels, ledger, syncs and snapshots. Every query asks for one account only.

Rows are plain dictionaries of the statements' columns in `queries/views.sql`. Long answers are iterators that fetch a
page at a time by key, each in a transaction of its own, so that a slow reader holds no snapshot of the database. A
`limit` of None means all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from pipeline.store.database import Database
from pipeline.store.statements import statements
from schemas.errors import RowError
from schemas.identifiers import AccountId, LocationId, Sku, WarehouseId
from schemas.states import ItemStatus, SnapshotState, SyncState

Row = dict[str, Any]

_PAGE: Final = 1_000


@dataclass(frozen=True)
class Stock:
    """Which levels: those that match all that is given."""

    warehouse_id: WarehouseId | None = None
    sku: Sku | None = None
    location_id: LocationId | None = None


@dataclass(frozen=True)
class Items:
    """Which rows of a sync: those that match all that is given, from the one after row `after`."""

    status: ItemStatus | None = None
    code: str | None = None
    sku: str | None = None
    after: int = 0


def levels(database: Database, account_id: AccountId, stock: Stock, *, limit: int | None = None) -> Iterator[Row]:
    """The account's levels by warehouse, SKU and location, in units."""
    key = ("warehouse_id", "sku", "location_id")
    asked = {"account_id": account_id, **asdict(stock)} | {f"after_{name}": "" for name in key}
    rows = _pages(database, "levels", asked, lambda last: {f"after_{name}": last[name] for name in key})
    return islice(rows, limit)


def change_log(database: Database, account_id: AccountId, stock: Stock, *, limit: int | None = None) -> Iterator[Row]:
    """The account's ledger, newest first: one row for each state that a change touched, in units."""
    place = ("batch_id", "level_id", "version", "state")
    asked = {"account_id": account_id, **asdict(stock)} | {f"before_{name}": None for name in place}
    rows = _pages(database, "change_log", asked, lambda last: {f"before_{name}": last[name] for name in place})
    hidden = ("batch_id", "level_id")
    return islice(({name: row[name] for name in row if name not in hidden} for row in rows), limit)


def sync_jobs(
    database: Database,
    account_id: AccountId,
    *,
    warehouse_id: WarehouseId | None = None,
    status: SyncState | None = None,
    limit: int | None = None,
) -> list[Row]:
    """The account's syncs, newest first."""
    asked = {"account_id": account_id, "sync_id": None, "warehouse_id": warehouse_id, "status": status}
    return _fetch(database, "sync_jobs", asked | {"limit": limit})


def sync_job(database: Database, account_id: AccountId, sync_id: UUID) -> Row | None:
    """One sync with its counts; None where the account has no such sync."""
    asked = {"account_id": account_id, "sync_id": sync_id, "warehouse_id": None, "status": None, "limit": 1}
    return next(iter(_fetch(database, "sync_jobs", asked)), None)


def sync_errors(database: Database, account_id: AccountId, sync_id: UUID) -> dict[str, int]:
    """How many rows of a sync have each error code, most frequent first. A row with two codes counts under both."""
    rows = _fetch(database, "sync_errors", {"account_id": account_id, "sync_id": sync_id})
    return {row["code"]: row["rows"] for row in rows}


def sync_items(
    database: Database, account_id: AccountId, sync_id: UUID, items: Items, *, limit: int | None = None
) -> Iterator[Row]:
    """The rows of a sync in file order; each error of a row with its message."""
    asked = {"account_id": account_id, "sync_id": sync_id, "status": items.status, "code": items.code}
    start = {"sku": items.sku, "after_row": items.after}
    pages = _pages(database, "sync_items", asked | start, lambda last: {"after_row": last["row"]})
    return (_with_messages(row) for row in islice(pages, limit))


def _with_messages(row: Row) -> Row:
    errors = [RowError.model_validate(error) for error in row["errors"] or ()]
    return row | {"errors": [error.model_dump(mode="json") | {"message": error.message} for error in errors] or None}


def snapshot_jobs(
    database: Database,
    account_id: AccountId,
    *,
    warehouse_id: WarehouseId | None = None,
    status: SnapshotState | None = None,
    limit: int | None = None,
) -> list[Row]:
    """The account's snapshots, newest first."""
    asked = {"account_id": account_id, "snapshot_id": None, "warehouse_id": warehouse_id, "status": status}
    return _fetch(database, "snapshot_jobs", asked | {"limit": limit})


def snapshot_job(database: Database, account_id: AccountId, snapshot_id: UUID) -> Row | None:
    """One snapshot; None where the account has no such snapshot."""
    asked = {"account_id": account_id, "snapshot_id": snapshot_id, "warehouse_id": None, "status": None, "limit": 1}
    return next(iter(_fetch(database, "snapshot_jobs", asked)), None)


def _pages(
    database: Database, name: str, parameters: Mapping[str, Any], go_on: Callable[[Row], dict[str, Any]]
) -> Iterator[Row]:
    asked = dict(parameters) | {"limit": _PAGE}
    while True:
        rows = _fetch(database, name, asked)
        yield from rows
        if len(rows) < _PAGE:
            return
        asked |= go_on(rows[-1])


def _fetch(database: Database, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statements("views")[name], parameters).fetchall()
