"""A level: the stock of one SKU in one location, in every state."""

from typing import Final, NamedTuple

from schemas.states import InventoryState


class LevelKey(NamedTuple):
    """What names a level to the outside. `lot_id` is empty where the product is not tracked by lot."""

    account_id: str
    warehouse_id: str
    sku: str
    location_id: str
    lot_id: str = ""

    @property
    def words(self) -> str:
        """The level for a person, who knows the account."""
        lot = f" lot {self.lot_id}" if self.lot_id else ""
        return f"{self.sku}{lot} in {self.location_id} of {self.warehouse_id}"


class Level(NamedTuple):
    """Quantities are in units. `version` counts the changes of the level, from 0 for one that was never stocked."""

    level_id: int
    version: int = 0
    available: int = 0
    committed: int = 0
    reserved: int = 0
    damaged: int = 0
    safety_stock: int = 0
    quality_control: int = 0
    incoming: int = 0

    @property
    def on_hand(self) -> int:
        """The units that are physically there: every state but incoming."""
        return self.available + self.committed + self.reserved + self.damaged + self.safety_stock + self.quality_control

    def quantity(self, state: InventoryState) -> int:
        """The units in a state."""
        return self[_POSITION[state]]


_POSITION: Final = {state: Level._fields.index(state) for state in InventoryState}


class StateDelta(NamedTuple):
    """One line of the ledger: `state` of the level changed by `delta` units and is `after` now. Never zero."""

    state: InventoryState
    delta: int
    after: int


def changed(level: Level, deltas: dict[InventoryState, int]) -> tuple[Level, list[StateDelta]]:
    """The level with the deltas added as its next version, and the ledger lines; the same where all are zero."""
    values = list(level)
    lines = []
    for state, delta in deltas.items():
        if delta:
            values[_POSITION[state]] += delta
            lines.append(StateDelta(state, delta, values[_POSITION[state]]))
    if not lines:
        return level, lines
    values[1] += 1
    return Level._make(values), lines
