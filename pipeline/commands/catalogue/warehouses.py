"""Warehouses: their names and rules."""

from collections.abc import Sequence
from typing import Final

import psycopg

from pipeline.commands.catalogue.kinds import both, of_kind
from pipeline.commands.catalogue.locations import LocationCommand
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.inventory.level import LevelKey
from pipeline.store import catalogue as store
from pipeline.store.catalogue import WarehouseKey
from pipeline.store.commands import Outcome
from schemas.commands.catalogue import UpsertWarehouse
from schemas.errors import ErrorCode

_NAMED: Final = 3


def upsert_warehouses(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Create and change warehouses; of several commands for one the last stands, and the first fixes its slotting.

    Takes hold of all warehouses whose locations the batch changes too: two transactions would otherwise give two
    locations of a warehouse the same name. It is done in one statement, so that nobody waits with a part of them.
    """
    orders = [(WarehouseKey(c.owner, c.warehouse_id), d, c) for d, c in of_kind(received, UpsertWarehouse)]
    keys = {key for key, _, _ in orders} | {
        WarehouseKey(delivery.command.owner, delivery.command.warehouse_id)
        for delivery in received
        if isinstance(delivery.command, LocationCommand)
    }
    if orders:
        first = {key: command for key, _, command in reversed(orders)}
        store.create_warehouses(connection, first)
    held = store.hold_warehouses(connection, keys) if keys else {}
    forbidding = {key for key, _, command in orders if command.allow_negative is False and held[key].allow_negative}
    negative = store.negative_levels(connection, forbidding) if forbidding else {}
    outcomes: list[Outcome] = []
    accepted: dict[WarehouseKey, UpsertWarehouse] = {}
    for key, delivery, command in orders:
        if command.slotting is not None and held[key].slotting != command.slotting:
            outcomes.append(delivery.rejected(Invalid(ErrorCode.SLOTTING_IS_FIXED, command.warehouse_id)))
        elif command.allow_negative is False and key in negative:
            outcomes.append(delivery.rejected(Invalid(ErrorCode.NEGATIVE_STOCK_EXISTS, _some(negative[key]))))
        else:
            accepted[key] = both(accepted.get(key), command)
            outcomes.append(delivery.applied())
    if accepted:
        store.change_warehouses(connection, accepted)
    return outcomes


def _some(negative: Sequence[tuple[LevelKey, int]]) -> str:
    """The first of them: a person begins there."""
    named = [f"{available} of {key.words}" for key, available in negative[:_NAMED]]
    return ", ".join(named) + (" and more" if len(negative) > _NAMED else "")
