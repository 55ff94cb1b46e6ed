"""Reads and writes the catalogue: warehouses, products, locations."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from pipeline.store.statements import statements
from schemas.commands import CreateLocation, UpsertProduct, UpsertWarehouse
from schemas.identifiers import UNASSIGNED

_SQL = statements("catalogue")


class Warehouse(NamedTuple):
    """The rules of a warehouse."""

    account_id: str
    warehouse_id: str
    slotting: str
    allow_negative: bool


class TakenLocation(NamedTuple):
    """An id and a name that a warehouse uses already."""

    account_id: str
    warehouse_id: str
    location_id: str
    name: str


def warehouses(connection: psycopg.Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Warehouse]:
    """Those of the warehouses (account_id, warehouse_id) that exist."""
    asked = list(keys)
    parameters = {"account_ids": [a for a, _ in asked], "warehouse_ids": [w for _, w in asked]}
    with connection.cursor(row_factory=class_row(Warehouse)) as cursor:
        found = cursor.execute(_SQL["warehouses"], parameters).fetchall()
    return {(w.account_id, w.warehouse_id): w for w in found}


def upsert_warehouses(connection: psycopg.Connection, commands: Sequence[UpsertWarehouse]) -> None:
    """Create or change warehouses, each named once, and give each its unassigned bin."""
    parameters = {
        "account_ids": [c.account_id for c in commands],
        "warehouse_ids": [c.warehouse_id for c in commands],
        "names": [c.name for c in commands],
        "slottings": [c.slotting for c in commands],
        "allow_negatives": [c.allow_negative for c in commands],
    }
    connection.execute(_SQL["upsert_warehouses"], parameters)
    connection.execute(_SQL["insert_unassigned_locations"], {**parameters, "unassigned": UNASSIGNED})


def upsert_products(connection: psycopg.Connection, commands: Sequence[UpsertProduct]) -> None:
    """Create or change products, each named once."""
    parameters = {
        "account_ids": [c.account_id for c in commands],
        "skus": [c.sku for c in commands],
        "names": [c.name for c in commands],
        "warehouse_ids": [None if c.warehouse_ids is None else json.dumps(c.warehouse_ids) for c in commands],
    }
    connection.execute(_SQL["upsert_products"], parameters)


def taken_locations(connection: psycopg.Connection, commands: Sequence[CreateLocation]) -> list[TakenLocation]:
    """The locations that stand in the way of creating these: same warehouse, same id or same name."""
    parameters = {
        "account_ids": [c.account_id for c in commands],
        "warehouse_ids": [c.warehouse_id for c in commands],
        "location_ids": [c.location_id for c in commands],
        "names": [c.name for c in commands],
    }
    with connection.cursor(row_factory=class_row(TakenLocation)) as cursor:
        return cursor.execute(_SQL["taken_locations"], parameters).fetchall()


def insert_locations(connection: psycopg.Connection, commands: Sequence[CreateLocation]) -> None:
    """Create locations.

    Raises:
        psycopg.errors.UniqueViolation: another transaction created one of them meanwhile.
    """
    parameters = {
        "account_ids": [c.account_id for c in commands],
        "warehouse_ids": [c.warehouse_id for c in commands],
        "location_ids": [c.location_id for c in commands],
        "names": [c.name for c in commands],
        "zones": [c.zone for c in commands],
        "types": [c.type for c in commands],
        "pickables": [c.pickable for c in commands],
        "sellables": [c.sellable for c in commands],
    }
    connection.execute(_SQL["insert_locations"], parameters)
