"""Reading: what an account may see of its levels and snapshots. Every query asks for one account only.

Rows are plain dictionaries of the statements' columns in `queries/views.sql`. A `limit` of None means all.
`pipeline/sync_views.py` has the syncs, `pipeline/history.py` the change log, `pipeline/listings.py` the catalogue.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from pipeline.store.database import Database
from pipeline.store.pages import Order, pages
from pipeline.store.statements import statements
from schemas.identifiers import AccountId, LocationId, LotId, Sku, WarehouseId
from schemas.states import SnapshotState

Row = dict[str, Any]

_BY_PLACE: Final = Order({"warehouse_id": "", "sku": "", "location_id": "", "lot_id": ""})


@dataclass(frozen=True)
class Stock:
    """Which levels: those that match all that is given."""

    warehouse_id: WarehouseId | None = None
    sku: Sku | None = None
    location_id: LocationId | None = None
    lot_id: LotId | None = None


def levels(database: Database, account_id: AccountId, stock: Stock, *, limit: int | None = None) -> Iterator[Row]:
    """The account's levels by warehouse, SKU, location and lot, in units. `lot_id` None: the product has no lots."""
    asked = {"account_id": account_id, **asdict(stock)}
    rows = pages(database, statements("views")["levels"], asked, _BY_PLACE, limit=limit)
    return (row | {"lot_id": row["lot_id"] or None} for row in rows)


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
