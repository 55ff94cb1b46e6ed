"""Reads and writes the locations of warehouses."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from pipeline.store.statements import statements

_SQL = statements("locations")


class LocationKey(NamedTuple):
    """A location by its id, which is unique in its warehouse."""

    account_id: str
    warehouse_id: str
    location_id: str


class Location(NamedTuple):
    """A location and what is known of it."""

    account_id: str
    warehouse_id: str
    location_id: str
    name: str
    zone: str | None
    type: str | None
    pickable: bool
    sellable: bool

    @property
    def key(self) -> LocationKey:
        """Its id."""
        return LocationKey(self.account_id, self.warehouse_id, self.location_id)

    @property
    def name_key(self) -> tuple[str, str, str]:
        """Account, warehouse and name: another key of it."""
        return self.account_id, self.warehouse_id, self.name


def locations(connection: psycopg.Connection, asked: Iterable[tuple[LocationKey, str | None]]) -> list[Location]:
    """The locations that have one of the ids asked for, or one of the names beside them in the same warehouse."""
    pairs = list(asked)
    parameters = {**_keys([key for key, _ in pairs]), "names": [name for _, name in pairs]}
    with connection.cursor(row_factory=class_row(Location)) as cursor:
        return cursor.execute(_SQL["locations"], parameters).fetchall()


def insert_locations(connection: psycopg.Connection, created: Collection[Location]) -> None:
    """Create locations in warehouses that the transaction holds; their ids and names must be free."""
    connection.execute(_SQL["insert_locations"], _fields(created))


def change_locations(connection: psycopg.Connection, changed: Collection[Location]) -> None:
    """Make locations what is said here. A new name must be free: see free_location_names."""
    connection.execute(_SQL["change_locations"], _fields(changed))


def free_location_names(connection: psycopg.Connection, renamed: Collection[LocationKey]) -> None:
    """Let others take the names of these locations, which must get new ones in the same transaction."""
    connection.execute(_SQL["free_location_names"], _keys(renamed))


def existing_locations(connection: psycopg.Connection, keys: Collection[LocationKey]) -> set[LocationKey]:
    """Those of the locations that exist."""
    return {LocationKey._make(row) for row in connection.execute(_SQL["existing_locations"], _keys(keys))}


def delete_locations(connection: psycopg.Connection, keys: Collection[LocationKey]) -> None:
    """Delete locations. Their warehouses must be held exclusively."""
    connection.execute(_SQL["delete_locations"], _keys(keys))


def _fields(described: Collection[Location]) -> dict[str, list[object]]:
    return {
        **_keys([location.key for location in described]),
        "names": [location.name for location in described],
        "zones": [location.zone for location in described],
        "types": [location.type for location in described],
        "pickables": [location.pickable for location in described],
        "sellables": [location.sellable for location in described],
    }


def _keys(keys: Collection[LocationKey]) -> dict[str, list[object]]:
    return {
        "account_ids": [key.account_id for key in keys],
        "warehouse_ids": [key.warehouse_id for key in keys],
        "location_ids": [key.location_id for key in keys],
    }
