"""Reads, locks and writes levels, and appends to their ledger."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg

from pipeline.inventory.level import Level, LevelKey, StateDelta
from pipeline.store.statements import joined, statements

_SQL = statements("levels")


class Place(NamedTuple):
    """What the catalogue says about a level key. `slotting` None: there is no such warehouse."""

    slotting: str | None
    allow_negative: bool
    product_exists: bool
    product_in_warehouse: bool
    location_exists: bool
    level_exists: bool


class LedgerEntry(NamedTuple):
    """One change of one level by one command, to be appended to the change log."""

    account_id: str
    level_id: int
    version: int
    line: StateDelta
    reason: str | None
    actor: str | None
    command_id: str


def _lists(keys: Sequence[LevelKey]) -> dict[str, str]:
    return {
        "account_ids": joined(key.account_id for key in keys),
        "warehouse_ids": joined(key.warehouse_id for key in keys),
        "skus": joined(key.sku for key in keys),
        "location_ids": joined(key.location_id for key in keys),
    }


def places(connection: psycopg.Connection, keys: Sequence[LevelKey]) -> dict[LevelKey, Place]:
    """What the catalogue says about each key."""
    rows = connection.execute(_SQL["places_of_levels"], _lists(keys)).fetchall()
    return {key: Place(*row[1:]) for key, row in zip(keys, rows, strict=True)}


def create_levels(connection: psycopg.Connection, keys: Sequence[LevelKey]) -> None:
    """Create those of the levels that do not exist, empty.

    Every writer creates before it locks, so that a creator never waits for a lock while it is waited for.
    """
    connection.execute(_SQL["create_levels"], _lists(keys))


def lock_levels(connection: psycopg.Connection, keys: Sequence[LevelKey]) -> dict[LevelKey, Level]:
    """Those of the levels that exist, held until the transaction ends."""
    rows = connection.execute(_SQL["lock_levels"], _lists(keys)).fetchall()
    return {LevelKey(*row[:4]): Level(*row[4:]) for row in rows}


def update_levels(connection: psycopg.Connection, levels: Iterable[tuple[str, Level]]) -> None:
    """Write levels (account_id, level) that this transaction holds."""
    new = list(levels)
    states = ("version", "available", "committed", "reserved", "damaged", "safety_stock", "quality_control", "incoming")
    parameters = {
        "account_ids": joined(account_id for account_id, _ in new),
        "level_ids": joined(level.level_id for _, level in new),
    }
    for state in states:
        parameters[state] = joined(getattr(level, state) for _, level in new)
    connection.execute(_SQL["update_levels"], parameters)


def append_ledger(connection: psycopg.Connection, entries: Iterable[LedgerEntry], batch_ids: dict[str, int]) -> None:
    """Append to the change log. `batch_ids` gives the batch of each account."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_change_log"]) as copy:
        for entry in entries:
            state, delta, after = entry.line.state, entry.line.delta, entry.line.after
            copy.write_row(
                (
                    entry.account_id,
                    entry.level_id,
                    entry.version,
                    state,
                    delta,
                    after,
                    batch_ids[entry.account_id],
                    entry.reason,
                    entry.actor,
                    entry.command_id,
                )
            )
