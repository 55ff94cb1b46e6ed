"""What can be done to a level. Every command and every workflow comes down to these."""

from typing import Final, NamedTuple, TypeAlias

from pipeline.errors import Invalid
from pipeline.inventory.level import Level, StateDelta, changed
from pipeline.inventory.shortage import Shortage
from schemas.errors import ErrorCode
from schemas.identifiers import MAX_LEVEL
from schemas.states import InventoryState

ON_HAND: Final = "on_hand"


class Shift(NamedTuple):
    """`quantity` units go from one state to another. No `source`: they come in; no `target`: they go out."""

    quantity: int
    source: InventoryState | None
    target: InventoryState | None

    def deltas(self, _: Level) -> dict[InventoryState, int]:
        """The change of each state, in units."""
        if self.source is None:
            return {self.target: self.quantity} if self.target is not None else {}
        if self.target is None:
            return {self.source: -self.quantity}
        return {self.source: -self.quantity, self.target: self.quantity}

    def named(self, level: Level) -> int:
        """What a sender compares with `expected_quantity`: the source, or the target where there is no source."""
        state = self.source or self.target
        return level.quantity(state) if state is not None else 0


class SetTo(NamedTuple):
    """`state` (available or on_hand) becomes `quantity`; the difference goes to available.

    A count finds what is there, whatever is promised of it: a set of on_hand leaves the other states alone (Shopify,
    and ShipHero's inventory_replace).
    """

    quantity: int
    state: str

    def deltas(self, level: Level) -> dict[InventoryState, int]:
        """The change of each state, in units."""
        return {InventoryState.AVAILABLE: self.quantity - self.named(level)}

    def named(self, level: Level) -> int:
        """What a sender compares with `expected_quantity`: the state that is set."""
        return level.on_hand if self.state == ON_HAND else level.available


class Empty(NamedTuple):
    """Everything that is on hand goes out."""

    def deltas(self, level: Level) -> dict[InventoryState, int]:
        """The change of each state, in units."""
        return {state: -level.quantity(state) for state in InventoryState if state is not InventoryState.INCOMING}

    def named(self, level: Level) -> int:
        """What is on hand."""
        return level.on_hand


Operation: TypeAlias = Shift | SetTo | Empty


def apply(level: Level, operation: Operation, *, allow_negative: bool) -> tuple[Level, list[StateDelta]]:
    """The level after the operation, and the ledger lines (none where nothing changes).

    Raises:
        Shortage: the change would leave a state below zero; only what is available may be, where the warehouse allows
            it.
        Invalid: QUANTITY_OUT_OF_RANGE, a state would pass MAX_LEVEL.
    """
    after, lines = changed(level, operation.deltas(level))
    for state, delta, quantity in lines:
        if delta < 0 and quantity < 0 and not (allow_negative and state is InventoryState.AVAILABLE):
            if isinstance(operation, SetTo):
                raise Shortage((level,), operation.quantity, state, counted=True)
            raise Shortage((level,), -delta, state)
        if abs(quantity) > MAX_LEVEL:
            raise Invalid(ErrorCode.QUANTITY_OUT_OF_RANGE, f"{state} would be {quantity}")
    return after, lines
