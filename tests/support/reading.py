"""Reads back what the store holds, in the fewest words."""

from typing import Any

from pipeline.store.database import Database


def levels(database: Database, account_id: str = "acme") -> dict[tuple[str, str, str], tuple[int, int]]:
    """(warehouse, SKU, location) → (on_hand, version), for levels that have ever changed."""
    query = "SELECT warehouse_id, sku, location_id, on_hand, version FROM levels WHERE account_id = %s AND version > 0"
    with database.transaction() as connection:
        return {(w, s, loc): (q, v) for w, s, loc, q, v in connection.execute(query, [account_id])}


def change_log(database: Database, account_id: str = "acme") -> list[tuple[int, str, int, int, str | None]]:
    """Version, state, delta, after and command id, in order."""
    query = """SELECT version, state, delta, after, command_id FROM change_log WHERE account_id = %s
               ORDER BY level_id, version, state"""
    with database.transaction() as connection:
        return connection.execute(query, [account_id]).fetchall()


def results(database: Database, account_id: str = "acme") -> dict[str, tuple[str, str | None]]:
    """Command id → status and code."""
    query = "SELECT command_id, status, code FROM commands WHERE account_id = %s"
    with database.transaction() as connection:
        return {i: (s, c) for i, s, c in connection.execute(query, [account_id])}


def outbox_results(database: Database) -> list[dict[str, Any]]:
    """The command results that wait in the outbox as documents: answers to repeats."""
    query = """SELECT m -> 'data' FROM outbox, jsonb_array_elements(messages) AS m
               WHERE m ->> 'topic' = 'command-results' ORDER BY batch_id"""
    with database.transaction() as connection:
        return [data for (data,) in connection.execute(query)]


def states(database: Database, sku: str, location_id: str = "unassigned", warehouse_id: str = "w1") -> dict[str, int]:
    """The states of a SKU's levels in a location of account acme that are not 0, over all lots."""
    query = """SELECT sum(available), sum(committed), sum(reserved), sum(damaged), sum(safety_stock),
                      sum(quality_control), sum(incoming)
               FROM levels WHERE account_id = 'acme' AND (warehouse_id, sku, location_id) = (%s, %s, %s)"""
    names = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control", "incoming")
    with database.transaction() as connection:
        row = connection.execute(query, [warehouse_id, sku, location_id]).fetchone()
    return {name: int(quantity) for name, quantity in zip(names, row or (), strict=True) if quantity}


def touched(database: Database, command_id: str) -> list[tuple[str, int, dict[str, int]]]:
    """Location, version and deltas of each step in a command's result."""
    with database.transaction() as connection:
        row = connection.execute("SELECT levels FROM commands WHERE command_id = %s", [command_id]).fetchone()
    return [(level["location_id"], level["version"], level["deltas"]) for level in (row or ([],))[0]]


def why(database: Database, command_id: str) -> list[tuple[str, int, str | None, str | None]]:
    """State, delta, reason and document of each ledger line of a command."""
    query = """SELECT state, delta, reason, document FROM change_log WHERE command_id = %s
               ORDER BY batch_id, level_id, version, state"""
    with database.transaction() as connection:
        return connection.execute(query, [command_id]).fetchall()
