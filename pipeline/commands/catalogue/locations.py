"""Locations: creating, changing and renaming them, in the order given."""

from collections.abc import Mapping, Sequence

import psycopg

from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.store import catalogue as warehouse_store
from pipeline.store import locations as store
from pipeline.store.catalogue import Warehouse
from pipeline.store.commands import Outcome
from pipeline.store.locations import Location, LocationKey
from schemas.commands.catalogue import CreateLocation, RenameLocation, UpdateLocation
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.states import Slotting

LocationCommand = CreateLocation | UpdateLocation | RenameLocation

_SEPARATOR = " - "


def keep_locations(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Create, change and rename locations. The three are one kind: a name may be given away and taken in one batch."""
    orders = [(d, d.command) for d in received if isinstance(d.command, LocationCommand)]
    if not orders:
        return []
    warehouses = warehouse_store.warehouses(connection, {(c.owner, c.warehouse_id) for _, c in orders})
    asked = {(_key(c), None if isinstance(c, UpdateLocation) else c.name) for _, c in orders}
    stored = store.locations(connection, asked)
    plan = _Plan(warehouses, stored)
    outcomes: list[Outcome] = []
    for delivery, command in orders:
        try:
            plan.carry_out(command)
        except Invalid as broken_rule:
            outcomes.append(delivery.rejected(broken_rule))
        else:
            outcomes.append(delivery.applied())
    _write(connection, {location.key: location for location in stored}, plan.locations)
    return outcomes


class _Plan:
    """The locations that a batch is about, as its commands leave them one after the other."""

    def __init__(self, warehouses: Mapping[tuple[str, str], Warehouse], stored: Sequence[Location]) -> None:
        self.locations = {location.key: location for location in stored}
        self._warehouses = warehouses
        self._owners = {location.name_key: location.key for location in stored}

    def carry_out(self, command: LocationCommand) -> None:
        """Carry out one command.

        Raises:
            Invalid: it breaks a rule, and has changed nothing.
        """
        warehouse = self._warehouses.get((command.owner, command.warehouse_id))
        if warehouse is None:
            raise Invalid(ErrorCode.UNKNOWN_WAREHOUSE, command.warehouse_id)
        match command:
            case CreateLocation():
                self._create(command, warehouse)
            case UpdateLocation():
                self._update(command)
            case RenameLocation():
                self._rename(command, warehouse)

    def _create(self, command: CreateLocation, warehouse: Warehouse) -> None:
        _check_bins(warehouse)
        _check_layout(command.name, warehouse)
        key = _key(command)
        if key in self.locations:
            raise Invalid(ErrorCode.LOCATION_EXISTS, f"{command.location_id}, {command.name}")
        self._put(Location(*key, command.name, command.zone, command.type, command.pickable, command.sellable))

    def _update(self, command: UpdateLocation) -> None:
        location = self._known(command)
        if command.location_id == UNASSIGNED and command.sellable is False:
            # What a channel counts goes there when no bin is named: it must be in what channels are told.
            raise Invalid(ErrorCode.LOCATION_IS_BUILT_IN, command.location_id)
        said = command.model_dump(include={"zone", "type", "pickable", "sellable"}, exclude_none=True)
        self._put(location._replace(**said))

    def _rename(self, command: RenameLocation, warehouse: Warehouse) -> None:
        if command.location_id == UNASSIGNED:
            raise Invalid(ErrorCode.LOCATION_IS_BUILT_IN, command.location_id)
        _check_bins(warehouse)
        location = self._known(command)
        _check_layout(command.name, warehouse)
        self._put(location._replace(name=command.name))
        if location.name != command.name:
            del self._owners[location.name_key]

    def _known(self, command: LocationCommand) -> Location:
        location = self.locations.get(_key(command))
        if location is None:
            raise Invalid(ErrorCode.UNKNOWN_LOCATION, command.location_id)
        return location

    def _put(self, location: Location) -> None:
        if self._owners.setdefault(location.name_key, location.key) != location.key:
            raise Invalid(ErrorCode.LOCATION_EXISTS, f"{location.location_id}, {location.name}")
        self.locations[location.key] = location


def _key(command: LocationCommand) -> LocationKey:
    return LocationKey(command.owner, command.warehouse_id, command.location_id)


def _check_bins(warehouse: Warehouse) -> None:
    if warehouse.slotting == Slotting.STATIC:
        raise Invalid(ErrorCode.LOCATION_NOT_ALLOWED, warehouse.warehouse_id)


def _check_layout(name: str, warehouse: Warehouse) -> None:
    if warehouse.location_layout is None:
        return
    parts = name.split(_SEPARATOR)
    is_complete = len(parts) == len(warehouse.location_layout.split(_SEPARATOR))
    if not is_complete or any(part != part.strip() or not part for part in parts):
        raise Invalid(ErrorCode.LOCATION_NAME_LAYOUT, f"{name} where the layout is {warehouse.location_layout}")


def _write(
    connection: psycopg.Connection, before: Mapping[LocationKey, Location], after: Mapping[LocationKey, Location]
) -> None:
    changed = [location for key, location in after.items() if key in before and location != before[key]]
    renamed = [location.key for location in changed if location.name != before[location.key].name]
    created = [location for key, location in after.items() if key not in before]
    if renamed:
        store.free_location_names(connection, renamed)
    if changed:
        store.change_locations(connection, changed)
    if created:
        store.insert_locations(connection, created)
