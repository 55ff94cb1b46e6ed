"""A level: the stock of one SKU in one location, in every state."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from schemas.states import InventoryState


class LevelKey(NamedTuple):
    """What names a level to the outside."""

    account_id: str
    warehouse_id: str
    sku: str
    location_id: str


@dataclass(frozen=True, slots=True)
class Level:
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


@dataclass(frozen=True, slots=True)
class StateDelta:
    """One line of the ledger: `state` of the level changed by `delta` units and is `after` now. Never zero."""

    state: InventoryState
    delta: int
    after: int


def changed(level: Level, deltas: dict[InventoryState, int]) -> tuple[Level, tuple[StateDelta, ...]]:
    """The level with the deltas added as its next version, and the ledger lines; the same where all are zero."""
    lines = tuple(StateDelta(state, delta, getattr(level, state) + delta) for state, delta in deltas.items() if delta)
    if not lines:
        return level, ()
    return replace(level, version=level.version + 1, **{line.state: line.after for line in lines}), lines
