"""Reads, locks and writes levels, and appends to their ledger."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg

from pipeline.inventory.level import Level, LevelKey, StateDelta
from pipeline.store.outbox import Batch
from pipeline.store.statements import joined, statements

_SQL = statements("levels")


class Place(NamedTuple):
    """What the catalogue says about a level key. `slotting` None: there is no such warehouse."""

    slotting: str | None
    allow_negative: bool
    product_exists: bool
    product_in_warehouse: bool
    lot_tracked: bool
    lot_exists: bool
    location_exists: bool
    sellable: bool
    level_exists: bool


class Cause(NamedTuple):
    """Why a level changed, as every ledger line of one step says it. `account_id` owns the level."""

    account_id: str
    reason: str | None
    note: str | None
    document: str | None
    actor: str | None
    provider_account_id: str | None
    origin: str | None
    command_id: str
    command_source: str


class LedgerEntry(NamedTuple):
    """One change of one level by one step of a command, to be appended to the change log."""

    level_id: int
    version: int
    lines: list[StateDelta]
    cause: Cause


def _lists(keys: Iterable[LevelKey]) -> dict[str, str]:
    columns = list(zip(*keys, strict=True)) or [()] * len(LevelKey._fields)
    names = ("account_ids", "warehouse_ids", "skus", "location_ids", "lot_ids")
    return {name: joined(column) for name, column in zip(names, columns, strict=True)}


def places(connection: psycopg.Connection, keys: Sequence[LevelKey]) -> dict[LevelKey, Place]:
    """What the catalogue says about each key."""
    rows = connection.execute(_SQL["places_of_levels"], _lists(keys)).fetchall()
    return {key: Place(*row[1:]) for key, row in zip(keys, rows, strict=True)}


def create_levels(connection: psycopg.Connection, keys: Sequence[LevelKey]) -> None:
    """Create those of the levels that do not exist, empty.

    Every writer creates before it locks, so that a creator never waits for a lock while it is waited for.
    """
    connection.execute(_SQL["create_levels"], _lists(keys))


def open_levels(connection: psycopg.Connection, keys: Sequence[LevelKey]) -> dict[LevelKey, tuple[Place, Level]]:
    """Those of the levels that exist, held until the transaction ends, with what the catalogue says about them."""
    rows = connection.execute(_SQL["open_levels"], _lists(keys)).fetchall()
    return {LevelKey._make(row[:5]): (Place._make(row[14:]), Level._make(row[5:14])) for row in rows}


def levels_of_products(connection: psycopg.Connection, products: Iterable[tuple[str, str, str]]) -> set[LevelKey]:
    """All levels of some products, each by account, warehouse and SKU."""
    columns = list(zip(*products, strict=True))
    names = ("account_ids", "warehouse_ids", "skus")
    parameters = {name: joined(column) for name, column in zip(names, columns, strict=True)}
    return {LevelKey._make(row) for row in connection.execute(_SQL["levels_of_products"], parameters)}


def levels_of_locations(connection: psycopg.Connection, locations: Iterable[tuple[str, str, str]]) -> set[LevelKey]:
    """All levels in some locations, each by account, warehouse and location id."""
    columns = list(zip(*locations, strict=True))
    names = ("account_ids", "warehouse_ids", "location_ids")
    parameters = {name: joined(column) for name, column in zip(names, columns, strict=True)}
    return {LevelKey._make(row) for row in connection.execute(_SQL["levels_of_locations"], parameters)}


def update_levels(connection: psycopg.Connection, levels: Sequence[tuple[str, Level]]) -> None:
    """Write levels (account_id, level), at least one, that this transaction holds."""
    account_ids, new = zip(*levels, strict=True)
    parameters = {name: joined(column) for name, column in zip(Level._fields, zip(*new, strict=True), strict=True)}
    connection.execute(_SQL["update_levels"], parameters | {"account_ids": joined(account_ids)})


def append_ledger(connection: psycopg.Connection, entries: Iterable[LedgerEntry], batches: dict[str, Batch]) -> None:
    """Append to the change log. `batches` gives the batch of each account."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_change_log"]) as copy:
        for level_id, version, lines, cause in entries:
            account_id, *why = cause
            batch_id, recorded_at = batches[account_id]
            for state, delta, after in lines:
                # As plain text: the driver takes twice as long for an enum or a time.
                copy.write_row((account_id, level_id, version, str(state), delta, after, batch_id, recorded_at, *why))
