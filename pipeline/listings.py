"""Reading: what an account's catalogue, plans and links hold. Every query asks for one account only.

Rows are plain dictionaries of the statements' columns in `queries/listings.sql`, quantities in units. Whoever reads for
a customer must have been let in by `pipeline.commands.access.require_read` before. A `limit` of None means all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import Any, Final

from pipeline.store.database import Database
from pipeline.store.pages import Order, Row, pages
from pipeline.store.statements import statements
from schemas.identifiers import AccountId, LocationId, Sku, WarehouseId
from schemas.reasons import Reason
from schemas.states import ScheduleState

_ORDERS: Final = {
    "warehouses": Order({"warehouse_id": ""}),
    # What is on hand takes a look at all levels of the warehouses for each page: there should be few of them.
    "locations": Order({"warehouse_id": "", "location_id": ""}, page=10_000),
    "products": Order({"sku": ""}),
    "lots": Order({"sku": "", "lot_id": ""}),
    "schedules": Order({"due_at": "-infinity", "schedule_id": ""}),
    "transfers": Order({"transfer_id": "", "line": 0}),
    "channels": Order({"channel": "", "external_location_id": ""}),
    "reasons": Order({"code": ""}),
    "skipped_uploads": Order({"last_seen_at": "infinity", "bucket": "", "key": "", "reason": ""}),
    "links": Order({"role": "", "linked_account_id": ""}),
}


class ScheduleFilter(StrEnum):
    """Which schedules: those in a state, or those that are pending although they are due."""

    PENDING = ScheduleState.PENDING
    APPLIED = ScheduleState.APPLIED
    CANCELLED = ScheduleState.CANCELLED
    OVERDUE = "overdue"


@dataclass(frozen=True)
class Schedules:
    """Which schedules: those that match all that is given."""

    status: ScheduleFilter | None = None
    warehouse_id: WarehouseId | None = None
    sku: Sku | None = None


def warehouses(database: Database, account_id: AccountId, *, limit: int | None = None) -> Iterator[Row]:
    """The account's warehouses by id, with their rules."""
    return _list(database, "warehouses", {"account_id": account_id}, limit)


def locations(
    database: Database,
    account_id: AccountId,
    *,
    warehouse_id: WarehouseId | None = None,
    location_id: LocationId | None = None,
    limit: int | None = None,
) -> Iterator[Row]:
    """The locations of the account's warehouses by warehouse and id, each with the units on hand in it."""
    asked = {"account_id": account_id, "warehouse_id": warehouse_id, "location_id": location_id}
    return _list(database, "locations", asked, limit)


def products(
    database: Database,
    account_id: AccountId,
    *,
    sku: Sku | None = None,
    warehouse_id: WarehouseId | None = None,
    limit: int | None = None,
) -> Iterator[Row]:
    """The account's products by SKU, with their vendors. `warehouse_ids` None: available in every warehouse."""
    asked = {"account_id": account_id, "sku": sku, "warehouse_id": warehouse_id}
    return _list(database, "products", asked, limit)


def lots(
    database: Database, account_id: AccountId, *, sku: Sku | None = None, limit: int | None = None
) -> Iterator[Row]:
    """The account's lots by SKU and lot, each with the units on hand of it in all warehouses."""
    asked = {"account_id": account_id, "sku": sku}
    return _list(database, "lots", asked, limit)


def schedules(
    database: Database, account_id: AccountId, which: Schedules, *, limit: int | None = None
) -> Iterator[Row]:
    """The account's scheduled changes by the time they are due; `overdue` says that one is pending after its time."""
    overdue = which.status is ScheduleFilter.OVERDUE
    asked = {"account_id": account_id, **asdict(which), "status": None if overdue else which.status, "overdue": overdue}
    return _list(database, "schedules", asked, limit)


def transfers(
    database: Database,
    account_id: AccountId,
    *,
    transfer_id: str | None = None,
    only_open: bool = False,
    limit: int | None = None,
) -> Iterator[Row]:
    """The lines of the account's transfers between warehouses by id and line; `open` is what is still on its way."""
    asked = {"account_id": account_id, "transfer_id": transfer_id, "open": only_open}
    return _list(database, "transfers", asked, limit)


def channels(
    database: Database, account_id: AccountId, *, warehouse_id: WarehouseId | None = None, limit: int | None = None
) -> Iterator[Row]:
    """The channel locations that the account has linked, by channel and id, each with its warehouse."""
    asked = {"account_id": account_id, "warehouse_id": warehouse_id}
    return _list(database, "channels", asked, limit)


def reasons(database: Database, account_id: AccountId, *, limit: int | None = None) -> Iterator[Row]:
    """The reasons that a command of the account may give: those that every account has, then its own by code."""
    never: dict[str, Any] = {"created_at": None, "updated_at": None}
    built_in = ({"code": r.value, "description": r.meaning, "built_in": True, **never} for r in Reason)
    own = _list(database, "reasons", {"account_id": account_id}, limit)
    return islice(chain(built_in, ({**row, "built_in": False} for row in own)), limit)


def links(
    database: Database, account_id: AccountId, *, linked_account_id: AccountId | None = None, limit: int | None = None
) -> Iterator[Row]:
    """The account's links by role and account, or those with one account.

    `role` says what the linked account is to this one: a provider may act for it, a customer lets it act.
    """
    asked = {"account_id": account_id, "linked_account_id": linked_account_id}
    return _list(database, "links", asked, limit)


def skipped_uploads(database: Database, account_id: AccountId | None, *, limit: int | None = None) -> Iterator[Row]:
    """Objects in the uploads bucket that started no sync, each with its SkipReason, the latest first.

    None: of all accounts, and those whose key names none.
    """
    return _list(database, "skipped_uploads", {"account_id": account_id}, limit)


def _list(database: Database, name: str, asked: Mapping[str, Any], limit: int | None) -> Iterator[Row]:
    return pages(database, statements("listings")[name], asked, _ORDERS[name], limit=limit)
