"""Deletes locations whose stock is gone."""

from collections.abc import Iterable

import psycopg

from pipeline.store.statements import statements

LocationKey = tuple[str, str, str]
"""Account, warehouse and location id."""


def existing_locations(connection: psycopg.Connection, locations: Iterable[LocationKey]) -> list[LocationKey]:
    """Those of the locations that exist."""
    return connection.execute(statements("location_removal")["existing_locations"], _lists(locations)).fetchall()


def delete_locations(connection: psycopg.Connection, locations: Iterable[LocationKey]) -> None:
    """Delete locations. Their warehouses must be held exclusively."""
    connection.execute(statements("location_removal")["delete_locations"], _lists(locations))


def _lists(locations: Iterable[LocationKey]) -> dict[str, list[str]]:
    asked = list(locations)
    return {
        "account_ids": [account_id for account_id, _, _ in asked],
        "warehouse_ids": [warehouse_id for _, warehouse_id, _ in asked],
        "location_ids": [location_id for _, _, location_id in asked],
    }
