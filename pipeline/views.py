"""Reading: what an account may see of its levels, syncs and snapshots. Every query asks for one account only.

Rows are plain dictionaries of the statements' columns in `queries/views.sql`. A `limit` of None means all.
`pipeline/history.py` has the change log, `pipeline/listings.py` the catalogue.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from pipeline.store.database import Database
from pipeline.store.pages import Order, pages
from pipeline.store.statements import statements
from schemas.errors import RowError
from schemas.identifiers import AccountId, LocationId, LotId, Sku, WarehouseId
from schemas.states import ItemStatus, SnapshotState, SyncState

Row = dict[str, Any]

_BY_PLACE: Final = Order({"warehouse_id": "", "sku": "", "location_id": "", "lot_id": ""})


@dataclass(frozen=True)
class Stock:
    """Which levels: those that match all that is given."""

    warehouse_id: WarehouseId | None = None
    sku: Sku | None = None
    location_id: LocationId | None = None
    lot_id: LotId | None = None


@dataclass(frozen=True)
class Items:
    """Which rows of a sync: those that match all that is given, from the one after row `after`."""

    status: ItemStatus | None = None
    code: str | None = None
    sku: str | None = None
    after: int = 0


def levels(database: Database, account_id: AccountId, stock: Stock, *, limit: int | None = None) -> Iterator[Row]:
    """The account's levels by warehouse, SKU, location and lot, in units. `lot_id` None: the product has no lots."""
    asked = {"account_id": account_id, **asdict(stock)}
    rows = pages(database, statements("views")["levels"], asked, _BY_PLACE, limit=limit)
    return (row | {"lot_id": row["lot_id"] or None} for row in rows)


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
    asked = {"account_id": account_id, "sync_id": sync_id, **asdict(items)}
    order = Order({"row": items.after})
    rows = pages(database, statements("views")["sync_items"], asked, order, limit=limit)
    return map(_with_messages, rows)


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


def _fetch(database: Database, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statements("views")[name], parameters).fetchall()
