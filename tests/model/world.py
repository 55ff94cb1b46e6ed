"""What the model knows: the catalogue, the levels, and what is on its way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

UNASSIGNED = "unassigned"
STATES = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control", "incoming")
MOVABLE = {"available", "reserved", "damaged", "safety_stock", "quality_control"}


class Key(NamedTuple):
    """A level."""

    warehouse: str
    sku: str
    location: str
    lot: str


class Level(NamedTuple):
    """Its version and its states; a state that is not there is 0."""

    version: int
    states: Mapping[str, int]

    def of(self, state: str) -> int:
        """Units in a state, or on hand."""
        if state == "on_hand":
            return sum(units for name, units in self.states.items() if name != "incoming")
        return self.states.get(state, 0)


class Step(NamedTuple):
    """One change of one level. `reason` "" is one that the contract does not name."""

    key: Key
    version: int
    deltas: Mapping[str, int]
    reason: str | None
    document: str | None


class Warehouse(NamedTuple):
    """The rules of a warehouse."""

    static: bool = False
    negative: bool = False
    layout: str = ""


class Product(NamedTuple):
    """Its lots, None where it is not tracked by lot; its warehouses, None for all."""

    lots: frozenset[str] | None = None
    warehouses: frozenset[str] | None = None


class Schedule(NamedTuple):
    """Units that are expected."""

    key: Key
    quantity: int
    due_at: str
    status: str = "pending"


class Shipment(NamedTuple):
    """A line of a transfer: where its units are expected, and how many have not come."""

    key: Key
    open: int


class Link(NamedTuple):
    """A channel's location and what it is linked to."""

    warehouse: str
    master: bool = False


class Refused(Exception):  # noqa: N818 - what happened to the command
    """The command breaks a rule, and there is no point in looking for more that is wrong with it."""

    def __init__(self, *codes: str) -> None:
        self.codes = frozenset(codes)
        super().__init__(", ".join(sorted(codes)))


@dataclass
class World:
    """Everything of one account. Values are never changed in place, so that a copy is cheap."""

    warehouses: dict[str, Warehouse] = field(default_factory=dict)
    sellable: dict[tuple[str, str], bool] = field(default_factory=dict)
    """The locations (warehouse, location), and whether what lies there can be sold."""
    products: dict[str, Product] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    levels: dict[Key, Level] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    transfers: dict[str, tuple[Shipment, ...]] = field(default_factory=dict)
    allocations: dict[tuple[str, Key], int] = field(default_factory=dict)
    """Open units by document and level; none that are 0."""
    channels: dict[tuple[str, str], Link] = field(default_factory=dict)
    """The linked locations of channels."""
    scope: str | None = None
    """What the provider may do."""
    requests: tuple[tuple[str, str, str], ...] = ()
    """Channel locations that were asked for their counts, with their warehouses."""
    steps: list[Step] = field(default_factory=list)
    """What the command that is being carried out has done so far."""
    codes: set[str] = field(default_factory=set)
    """What is wrong with it. With one of them it has no effect; which of several is told is not in the contract."""

    def copy(self) -> "World":
        """The same, for one command to be tried on."""
        return World(
            dict(self.warehouses), dict(self.sellable), dict(self.products), set(self.reasons), dict(self.levels),
            dict(self.schedules), dict(self.transfers), dict(self.allocations), dict(self.channels), self.scope,
            self.requests,
        )  # fmt: skip

    def level(self, key: Key) -> Level:
        """A level as it is now."""
        return self.levels.get(key, Level(0, {}))

    def faults(self, key: Key) -> set[str]:
        """What is wrong with a place, by the catalogue."""
        warehouse, product = self.warehouses.get(key.warehouse), self.products.get(key.sku)
        found = set()
        if warehouse is None:
            found.add("UNKNOWN_WAREHOUSE")
        elif warehouse.static and key.location != UNASSIGNED:
            found.add("LOCATION_NOT_ALLOWED")
        elif (key.warehouse, key.location) not in self.sellable:
            found.add("UNKNOWN_LOCATION")
        if product is None:
            found.add("UNKNOWN_SKU")
            return found
        if warehouse and product.warehouses is not None and key.warehouse not in product.warehouses:
            found.add("SKU_NOT_IN_WAREHOUSE")
        if product.lots is None and key.lot:
            found.add("LOT_NOT_ALLOWED")
        if product.lots is not None and not key.lot:
            found.add("LOT_REQUIRED")
        if product.lots is not None and key.lot and key.lot not in product.lots:
            found.add("UNKNOWN_LOT")
        return found

    def check(self, *keys: Key) -> None:
        """Note what the catalogue has against places."""
        self.codes.update(*map(self.faults, keys))

    def guard(self, key: Key, state: str, line: Mapping[str, Any]) -> None:
        """Refuse where the level is not what the sender believes."""
        level = self.level(key)
        if line.get("expected_quantity") not in {None, level.of(state)}:
            raise Refused("STALE_QUANTITY")
        if line.get("expected_version") not in {None, level.version}:
            raise Refused("STALE_QUANTITY")

    def allocate(self, key: Key, document: str | None, units: int) -> None:
        """Units are set aside for a document, or taken from what it has."""
        had = self.allocations.pop((document or "", key), 0)
        if had + units < 0:
            self.codes.add("ALLOCATION_EXCEEDED" if had else "NOTHING_ALLOCATED")
        elif had + units:
            self.allocations[document or "", key] = had + units

    def change(self, key: Key, reason: str | None, document: str | None, **deltas: int) -> None:
        """One step: change states of a level. None may fall below zero, but available where the warehouse allows it."""
        found = {state: delta for state, delta in deltas.items() if delta}
        if not found:
            return
        level = self.level(key)
        states = {name: level.of(name) + found.get(name, 0) for name in STATES}
        debt_is_fine = self.warehouses.get(key.warehouse, Warehouse()).negative
        for state, delta in found.items():
            if delta < 0 and states[state] < 0 and not (debt_is_fine and state == "available"):
                self.codes.add("INSUFFICIENT_STOCK")
        self.levels[key] = Level(level.version + 1, states)
        self.steps.append(Step(key, level.version + 1, found, reason, document))
