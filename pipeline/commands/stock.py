"""Decides the stock commands of a batch: in order per level, on levels that the transaction holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.inventory.level import Level, LevelKey
from pipeline.inventory.rules import decide
from pipeline.store import levels as store
from pipeline.store.commands import Outcome
from pipeline.store.levels import LedgerEntry, Place
from schemas.commands import StockCommand
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.states import Slotting


@dataclass
class StockWork:
    """What is to be written: the levels as they end, each change on the way there, and an outcome for each command."""

    levels: list[tuple[str, Level]] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


def decide_stock(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> StockWork:
    """Lock the levels of all commands, then let one command after the other change them in memory."""
    work = StockWork()
    if not received:
        return work
    orders = [(delivery, _order(delivery)) for delivery in received]
    places = store.places(connection, list({key for _, (key, _) in orders}))
    refusals = {key: _refusal(key, place) for key, place in places.items()}
    before = _lock(connection, {key: place for key, place in places.items() if refusals[key] is None})
    now = dict(before)
    for delivery, (key, command) in orders:
        refusal = refusals[key]
        if refusal is None:
            _carry_out(work, now, delivery, key, command, places[key])
        else:
            work.outcomes.append(delivery.rejected(refusal))
    work.levels = [(key.account_id, level) for key, level in now.items() if level is not before[key]]
    return work


def _order(delivery: ReceivedCommand) -> tuple[LevelKey, StockCommand]:
    command = delivery.command
    assert isinstance(command, StockCommand)  # noqa: S101 - deduplicate() has sorted the kinds
    return LevelKey(command.account_id, command.warehouse_id, command.sku, command.location_id or UNASSIGNED), command


def _refusal(key: LevelKey, place: Place) -> Invalid | None:
    if place.slotting is None:
        return Invalid(ErrorCode.UNKNOWN_WAREHOUSE, key.warehouse_id)
    if not place.product_exists:
        return Invalid(ErrorCode.UNKNOWN_SKU, key.sku)
    if not place.product_in_warehouse:
        return Invalid(ErrorCode.SKU_NOT_IN_WAREHOUSE, f"{key.sku} in {key.warehouse_id}")
    if place.slotting == Slotting.STATIC and key.location_id != UNASSIGNED:
        return Invalid(ErrorCode.LOCATION_NOT_ALLOWED, key.location_id)
    if not place.location_exists:
        return Invalid(ErrorCode.UNKNOWN_LOCATION, key.location_id)
    return None


def _lock(connection: psycopg.Connection, places: dict[LevelKey, Place]) -> dict[LevelKey, Level]:
    """The levels of these places, held; one that was never stocked is created first."""
    missing = [key for key, place in places.items() if not place.level_exists]
    if missing:
        store.create_levels(connection, missing)
    return store.lock_levels(connection, list(places))


def _carry_out(  # noqa: PLR0913, PLR0917 - the state of the loop above, in one call a command
    work: StockWork,
    now: dict[LevelKey, Level],
    delivery: ReceivedCommand,
    key: LevelKey,
    command: StockCommand,
    place: Place,
) -> None:
    before = now[key]
    try:
        after, lines = decide(before, command, allow_negative=place.allow_negative)
    except Invalid as broken_rule:
        work.outcomes.append(delivery.rejected(broken_rule))
        return
    now[key] = after
    work.entries.extend(
        LedgerEntry(
            key.account_id, after.level_id, after.version, line, command.reason, command.actor, delivery.command_id
        )
        for line in lines
    )
    touched: dict[str, object] = {
        "warehouse_id": key.warehouse_id,
        "sku": key.sku,
        "location_id": key.location_id,
        "version": after.version,
        "on_hand": after.on_hand,
        "available": after.available,
        "delta": after.on_hand - before.on_hand,
    }
    work.outcomes.append(delivery.applied((touched,)))
