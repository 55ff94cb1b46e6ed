"""What can be done to a level. Every command and every workflow comes down to these."""

from typing import Final, NamedTuple, TypeAlias, assert_never

from pipeline.errors import Invalid
from pipeline.inventory.level import Level, StateDelta, changed
from schemas.errors import ErrorCode
from schemas.identifiers import MAX_LEVEL
from schemas.states import InventoryState

ON_HAND: Final = "on_hand"


class Shift(NamedTuple):
    """`quantity` units go from one state to another. No `source`: they come in; no `target`: they go out."""

    quantity: int
    source: InventoryState | None
    target: InventoryState | None


class SetTo(NamedTuple):
    """`state` (available or on_hand) becomes `quantity`; the difference goes to available.

    A count finds what is there, whatever is promised of it: a set of on_hand leaves the other states alone (Shopify,
    and ShipHero's inventory_replace).
    """

    quantity: int
    state: str


class Empty(NamedTuple):
    """Everything that is on hand goes out."""


Operation: TypeAlias = Shift | SetTo | Empty


def deltas(level: Level, operation: Operation) -> dict[InventoryState, int]:
    """The change of each state, in units."""
    match operation:
        case Shift(quantity, source, target):
            changes = {} if source is None else {source: -quantity}
            if target is not None:
                changes[target] = quantity
            return changes
        case SetTo(quantity, state):
            return {InventoryState.AVAILABLE: quantity - (level.on_hand if state == ON_HAND else level.available)}
        case Empty():
            return {state: -level.quantity(state) for state in InventoryState if state is not InventoryState.INCOMING}
    assert_never(operation)


def expected(level: Level, operation: Operation) -> int:
    """The quantity that a sender compares with `expected_quantity`: of the state that the operation names first."""
    match operation:
        case Shift(_, source, target):
            state = source or target
            return level.quantity(state) if state is not None else 0
        case SetTo(_, state):
            return level.on_hand if state == ON_HAND else level.available
        case Empty():
            return level.on_hand
    assert_never(operation)


def apply(level: Level, operation: Operation, *, allow_negative: bool) -> tuple[Level, list[StateDelta]]:
    """The level after the operation, and the ledger lines (none where nothing changes).

    Raises:
        Invalid: INSUFFICIENT_STOCK, the change would leave a state below zero; only what is available may be, where the
            warehouse allows it. QUANTITY_OUT_OF_RANGE, a state would pass MAX_LEVEL.
    """
    after, lines = changed(level, deltas(level, operation))
    for state, delta, quantity in lines:
        if delta < 0 and quantity < 0 and not (allow_negative and state is InventoryState.AVAILABLE):
            raise Invalid(ErrorCode.INSUFFICIENT_STOCK, f"{state} is {quantity - delta}, the change is {delta}")
        if abs(quantity) > MAX_LEVEL:
            raise Invalid(ErrorCode.QUANTITY_OUT_OF_RANGE, f"{state} would be {quantity}")
    return after, lines
