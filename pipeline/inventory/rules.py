"""What each stock command does to a level."""

from typing import assert_never

from pipeline.errors import Invalid
from pipeline.inventory.level import Level, StateDelta, changed
from schemas.commands import AddInventory, RemoveInventory, ReplaceInventory, StockCommand
from schemas.errors import ErrorCode
from schemas.identifiers import MAX_LEVEL
from schemas.states import InventoryState


def deltas(level: Level, command: StockCommand) -> dict[InventoryState, int]:
    """The change of each state, in units, that the command asks for.

    A replace sets on_hand, as a count does, and the difference goes to available (ShipHero's inventory_replace,
    Shopify's set of on_hand).
    """
    match command:
        case AddInventory():
            return {InventoryState.AVAILABLE: command.quantity}
        case RemoveInventory():
            return {InventoryState.AVAILABLE: -command.quantity}
        case ReplaceInventory():
            return {InventoryState.AVAILABLE: command.quantity - level.on_hand}
    assert_never(command)


def decide(level: Level, command: StockCommand, *, allow_negative: bool) -> tuple[Level, tuple[StateDelta, ...]]:
    """The level after the command, and the ledger lines (none where nothing changes).

    Raises:
        Invalid: INSUFFICIENT_STOCK, the change would leave a state below zero and the warehouse does not allow that;
            QUANTITY_OUT_OF_RANGE, a state would pass MAX_LEVEL.
    """
    after, lines = changed(level, deltas(level, command))
    for line in lines:
        if line.delta < 0 and line.after < 0 and not allow_negative:
            raise Invalid(
                ErrorCode.INSUFFICIENT_STOCK, f"{line.state} is {line.after - line.delta}, the change is {line.delta}"
            )
        if abs(line.after) > MAX_LEVEL:
            raise Invalid(ErrorCode.QUANTITY_OUT_OF_RANGE, f"{line.state} would be {line.after}")
    return after, lines
