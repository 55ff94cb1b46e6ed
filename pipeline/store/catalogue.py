"""Reads and writes the catalogue: warehouses, products with their vendors and lots, reasons."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from pipeline.inventory.level import LevelKey
from pipeline.store.statements import statements
from schemas.commands.catalogue import UpsertWarehouse
from schemas.identifiers import ALL_WAREHOUSES, UNASSIGNED

_SQL = statements("catalogue")


class WarehouseKey(NamedTuple):
    """A warehouse of an account."""

    account_id: str
    warehouse_id: str


class Warehouse(NamedTuple):
    """The rules of a warehouse. Shares for the wipe guard: None where it has none of its own."""

    account_id: str
    warehouse_id: str
    slotting: str
    allow_negative: bool
    location_layout: str | None
    max_zeroed_percent: int | None
    max_missing_percent: int | None

    @property
    def key(self) -> WarehouseKey:
        """Its id."""
        return WarehouseKey(self.account_id, self.warehouse_id)


class ProductKey(NamedTuple):
    """A product of an account."""

    account_id: str
    sku: str


class VendorKey(NamedTuple):
    """A vendor of an account."""

    account_id: str
    vendor_id: str


class LotKey(NamedTuple):
    """A lot of a product."""

    account_id: str
    sku: str
    lot_id: str


class Product(NamedTuple):
    """What a product is to become. Name None: the one it has; vendors (id → their SKU) None: those it has."""

    key: ProductKey
    name: str | None
    warehouse_ids: tuple[str, ...] | None
    lot_tracked: bool
    vendors: Mapping[str, str | None] | None


def warehouses(connection: psycopg.Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Warehouse]:
    """Those of the warehouses (account_id, warehouse_id) that exist."""
    with connection.cursor(row_factory=class_row(Warehouse)) as cursor:
        found = cursor.execute(_SQL["warehouses"], _columns(keys, "account_ids", "warehouse_ids")).fetchall()
    return {w.key: w for w in found}


class GuardShares(NamedTuple):
    """Shares for the wipe guard, in percent: None where there is none."""

    zeroed: int | None
    missing: int | None


def guard_shares(connection: psycopg.Connection, key: WarehouseKey) -> GuardShares:
    """The shares of a warehouse; of ALL_WAREHOUSES, which are judged one by one, the lowest share of missing SKUs."""
    row = connection.execute(_SQL["guard_shares"], {**key._asdict(), "all": ALL_WAREHOUSES}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives one row
    return GuardShares._make(row)


def warehouse_names(connection: psycopg.Connection, key: WarehouseKey) -> tuple[str, ...]:
    """What a warehouse is called: its id and its name."""
    row = connection.execute(_SQL["warehouse_name"], key._asdict()).fetchone()
    return (key.warehouse_id, row[0]) if row else ()


def similar_warehouse(connection: psycopg.Connection, key: WarehouseKey) -> str | None:
    """The id of the warehouse whose id or name is nearly the same as that of a key that does not exist."""
    row = connection.execute(_SQL["similar_warehouse"], key._asdict()).fetchone()
    return row[0] if row else None


def create_warehouses(connection: psycopg.Connection, commands: Mapping[WarehouseKey, UpsertWarehouse]) -> None:
    """Create those of the warehouses that do not exist."""
    parameters = {
        **_columns(commands, "account_ids", "warehouse_ids"),
        "names": [c.name for c in commands.values()],
        "slottings": [c.slotting for c in commands.values()],
    }
    connection.execute(_SQL["create_warehouses"], parameters)


def hold_warehouses(connection: psycopg.Connection, keys: Collection[WarehouseKey]) -> dict[WarehouseKey, Warehouse]:
    """Those of the warehouses that exist; until the transaction ends nobody else changes them or their locations."""
    with connection.cursor(row_factory=class_row(Warehouse)) as cursor:
        found = cursor.execute(_SQL["hold_warehouses"], _columns(keys, "account_ids", "warehouse_ids")).fetchall()
    return {w.key: w for w in found}


def negative_levels(
    connection: psycopg.Connection, keys: Collection[WarehouseKey]
) -> Mapping[WarehouseKey, list[tuple[LevelKey, int]]]:
    """A few levels that have less than nothing available, with what that is, of each warehouse that has such."""
    parameters = _columns(keys, "account_ids", "warehouse_ids")
    found: dict[WarehouseKey, list[tuple[LevelKey, int]]] = {}
    for *place, available in connection.execute(_SQL["negative_levels"], parameters):
        found.setdefault(WarehouseKey(*place[:2]), []).append((LevelKey(*place), available))
    return found


def change_warehouses(connection: psycopg.Connection, commands: Mapping[WarehouseKey, UpsertWarehouse]) -> None:
    """Change warehouses that the transaction holds, and give each its unassigned bin if it has none."""
    keys = _columns(commands, "account_ids", "warehouse_ids")
    parameters = {
        **keys,
        "names": [c.name for c in commands.values()],
        "allow_negatives": [c.allow_negative for c in commands.values()],
        "location_layouts": [c.location_layout for c in commands.values()],
        "max_zeroed_percents": [c.max_zeroed_percent for c in commands.values()],
        "max_missing_percents": [c.max_missing_percent for c in commands.values()],
    }
    connection.execute(_SQL["change_warehouses"], parameters)
    connection.execute(_SQL["insert_unassigned_locations"], {**keys, "unassigned": UNASSIGNED})


def lot_tracking(connection: psycopg.Connection, keys: Iterable[ProductKey]) -> dict[ProductKey, bool]:
    """Whether the products are tracked by lot; a product that does not exist is not in the answer."""
    rows = connection.execute(_SQL["lot_tracking"], _columns(keys, "account_ids", "skus"))
    return {ProductKey(account_id, sku): tracked for account_id, sku, tracked in rows}


def upsert_products(connection: psycopg.Connection, products: Sequence[Product]) -> int:
    """Create or change products, each named once; how many that were.

    They are fewer than were given when another transaction has created one meanwhile whose lot tracking is another.
    """
    parameters = {
        **_columns([p.key for p in products], "account_ids", "skus"),
        "names": [p.name for p in products],
        "warehouse_ids": [None if p.warehouse_ids is None else json.dumps(p.warehouse_ids) for p in products],
        "lot_tracked": [p.lot_tracked for p in products],
    }
    return connection.execute(_SQL["upsert_products"], parameters).rowcount


def replace_product_vendors(connection: psycopg.Connection, products: Iterable[Product]) -> None:
    """Give products, which the transaction holds, the vendors that are said; those without any word keep theirs."""
    described = {p.key: p.vendors for p in products if p.vendors is not None}
    if not described:
        return
    connection.execute(_SQL["delete_product_vendors"], _columns(described, "account_ids", "skus"))
    rows = [(*key, vendor_id, sku) for key, vendors in described.items() for vendor_id, sku in vendors.items()]
    if rows:
        connection.execute(
            _SQL["insert_product_vendors"], _columns(rows, "account_ids", "skus", "vendor_ids", "vendor_skus")
        )


def known_vendors(connection: psycopg.Connection, keys: Iterable[VendorKey]) -> set[VendorKey]:
    """Those of the vendors that exist."""
    return {VendorKey(*row) for row in connection.execute(_SQL["vendors"], _columns(keys, "account_ids", "vendor_ids"))}


def upsert_vendors(connection: psycopg.Connection, names: Mapping[VendorKey, str]) -> None:
    """Create vendors or change their names."""
    parameters = {**_columns(names, "account_ids", "vendor_ids"), "names": list(names.values())}
    connection.execute(_SQL["upsert_vendors"], parameters)


def upsert_lots(connection: psycopg.Connection, expiries: Mapping[LotKey, date | None]) -> None:
    """Create lots of existing products, or change their expiry; None leaves it as it is."""
    parameters = {**_columns(expiries, "account_ids", "skus", "lot_ids"), "expiries": list(expiries.values())}
    connection.execute(_SQL["upsert_lots"], parameters)


def upsert_reasons(connection: psycopg.Connection, descriptions: Mapping[tuple[str, str], str]) -> None:
    """Register reasons (account_id, code), or change their descriptions."""
    parameters = {**_columns(descriptions, "account_ids", "codes"), "descriptions": list(descriptions.values())}
    connection.execute(_SQL["upsert_reasons"], parameters)


def _columns(rows: Iterable[tuple[object, ...]], *names: str) -> dict[str, list[object]]:
    """Rows as one list for each column."""
    listed = list(rows)
    return {name: [row[n] for row in listed] for n, name in enumerate(names)}
