"""Carries out the catalogue commands of a batch: warehouses, then products, then locations."""

from collections.abc import Sequence

import psycopg

from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.store import catalogue as store
from pipeline.store.catalogue import Warehouse
from pipeline.store.commands import Outcome
from schemas.commands import CreateLocation, UpsertProduct, UpsertWarehouse
from schemas.errors import ErrorCode
from schemas.states import Slotting


def apply_catalogue(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """The outcome of each command. Of several upserts of one thing the last one stands."""
    if not received:
        return []
    return [
        *_upsert_warehouses(connection, [r for r in received if isinstance(r.command, UpsertWarehouse)]),
        *_upsert_products(connection, [r for r in received if isinstance(r.command, UpsertProduct)]),
        *_create_locations(connection, [r for r in received if isinstance(r.command, CreateLocation)]),
    ]


def _upsert_warehouses(connection: psycopg.Connection, received: list[ReceivedCommand]) -> list[Outcome]:
    if not received:
        return []
    commands = [r.command for r in received if isinstance(r.command, UpsertWarehouse)]
    slottings = {
        key: warehouse.slotting
        for key, warehouse in store.warehouses(connection, {(c.account_id, c.warehouse_id) for c in commands}).items()
    }
    outcomes: list[Outcome] = []
    accepted: dict[tuple[str, str], UpsertWarehouse] = {}
    for delivery, command in zip(received, commands, strict=True):
        key = (command.account_id, command.warehouse_id)
        if slottings.setdefault(key, command.slotting) != command.slotting:
            outcomes.append(delivery.rejected(Invalid(ErrorCode.SLOTTING_IS_FIXED, command.warehouse_id)))
        else:
            accepted[key] = command
            outcomes.append(delivery.applied())
    store.upsert_warehouses(connection, list(accepted.values()))
    return outcomes


def _upsert_products(connection: psycopg.Connection, received: list[ReceivedCommand]) -> list[Outcome]:
    if not received:
        return []
    last: dict[tuple[str, str], UpsertProduct] = {}
    for command in (r.command for r in received if isinstance(r.command, UpsertProduct)):
        before = last.get((command.account_id, command.sku))
        name = command.name or (before.name if before else None)  # no name: the one it has, as across batches
        last[command.account_id, command.sku] = command.model_copy(update={"name": name})
    store.upsert_products(connection, list(last.values()))
    return [delivery.applied() for delivery in received]


def _create_locations(connection: psycopg.Connection, received: list[ReceivedCommand]) -> list[Outcome]:
    if not received:
        return []
    commands = [r.command for r in received if isinstance(r.command, CreateLocation)]
    known = store.warehouses(connection, {(c.account_id, c.warehouse_id) for c in commands})
    found = store.taken_locations(connection, commands)
    taken = {
        (t.account_id, t.warehouse_id, kind, text)
        for t in found
        for kind, text in (("id", t.location_id), ("name", t.name))
    }
    outcomes: list[Outcome] = []
    accepted: list[CreateLocation] = []
    for delivery, command in zip(received, commands, strict=True):
        if refusal := _refusal(command, known.get((command.account_id, command.warehouse_id)), taken):
            outcomes.append(delivery.rejected(refusal))
        else:
            taken |= _names(command)
            accepted.append(command)
            outcomes.append(delivery.applied())
    store.insert_locations(connection, accepted)
    return outcomes


def _names(command: CreateLocation) -> set[tuple[str, str, str, str]]:
    place = (command.account_id, command.warehouse_id)
    return {(*place, "id", command.location_id), (*place, "name", command.name)}


def _refusal(
    command: CreateLocation, warehouse: Warehouse | None, taken: set[tuple[str, str, str, str]]
) -> Invalid | None:
    if warehouse is None:
        return Invalid(ErrorCode.UNKNOWN_WAREHOUSE, command.warehouse_id)
    if warehouse.slotting == Slotting.STATIC:
        return Invalid(ErrorCode.LOCATION_NOT_ALLOWED, command.warehouse_id)
    if _names(command) & taken:
        return Invalid(ErrorCode.LOCATION_EXISTS, f"{command.location_id}, {command.name}")
    return None
