"""Commands that change stock. Each can be one line (its fields in the body) or several (`lines`), all applied or none.

Guards (`expected_quantity`, `expected_version`) make a command compare-and-set: where the level does not hold what the
sender saw, it is rejected with STALE_QUANTITY. The expected quantity is that of the state the line names: on_hand for a
replace, the state that is set or adjusted, the state that is taken from for a move or a transfer, incoming for a
schedule, else available.
"""

from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from schemas.commands.base import Command, Contract, Lines, StockOrder
from schemas.identifiers import (
    MAX_ID_LENGTH,
    PRINTABLE_PATTERN,
    Delta,
    Instant,
    LevelQuantity,
    LocationIdField,
    LotIdField,
    PositiveQuantity,
    Quantity,
    SkuField,
    Version,
    WarehouseIdField,
)
from schemas.states import InventoryState


class Guards(Contract):
    """What the sender believes of the level; None: whatever it is."""

    expected_quantity: LevelQuantity | None = None
    expected_version: Version | None = None


class Place(Contract):
    """A level. No location: the warehouse's unassigned bin. A lot where the product is tracked by lot, else none."""

    warehouse_id: WarehouseIdField
    sku: SkuField
    location_id: LocationIdField | None = None
    lot_id: LotIdField | None = None


class AddLine(Place, Guards):
    """Add `quantity` units to what is available."""

    quantity: PositiveQuantity


class AddInventory(AddLine, StockOrder):
    """Add `quantity` units to what is available."""

    TYPE = "inventory.add"


class AddInventoryLines(StockOrder):
    """Several additions, all or none."""

    TYPE = "inventory.add"

    lines: Lines[AddLine]


class RemoveLine(Place, Guards):
    """Take `quantity` units from what is available."""

    quantity: PositiveQuantity


class RemoveInventory(RemoveLine, StockOrder):
    """Take `quantity` units from what is available."""

    TYPE = "inventory.remove"


class RemoveInventoryLines(StockOrder):
    """Several removals, all or none."""

    TYPE = "inventory.remove"

    lines: Lines[RemoveLine]


class CountedPlace(Place, Guards):
    """Where a quantity is set.

    With `whole_warehouse` the quantity is that of the SKU in all sellable locations of the warehouse, with
    `includes_non_sellable` in all locations: more goes to the unassigned bin, less is taken from there and then from
    the other locations in the order of their ids. The unassigned bin always takes part. Without `whole_warehouse`,
    `includes_non_sellable` means nothing.
    """

    whole_warehouse: bool = False
    includes_non_sellable: bool = False

    @model_validator(mode="after")
    def _names_one_place(self) -> "CountedPlace":
        if self.whole_warehouse and self.location_id is not None:
            raise ValueError("whole_warehouse and location_id exclude each other")
        if self.whole_warehouse and self.expected_version is not None:
            raise ValueError("a warehouse has no version: use expected_quantity with whole_warehouse")
        return self


class ReplaceLine(CountedPlace):
    """The location was counted and holds `quantity` units: on_hand becomes it, the difference goes to available."""

    quantity: Quantity


class ReplaceInventory(ReplaceLine, StockOrder):
    """The location was counted and holds `quantity` units: on_hand becomes it, the difference goes to available."""

    TYPE = "inventory.replace"


class ReplaceInventoryLines(StockOrder):
    """Several counted locations, all or none."""

    TYPE = "inventory.replace"

    lines: Lines[ReplaceLine]


class SetLine(CountedPlace):
    """Bring `state` to `quantity` units. For on_hand the difference goes to available, as with a replace."""

    state: Literal["available", "on_hand"]
    quantity: Quantity


class SetInventory(SetLine, StockOrder):
    """Bring `state` to `quantity` units. For on_hand the difference goes to available, as with a replace."""

    TYPE = "inventory.set"


class SetInventoryLines(StockOrder):
    """Several quantities to set, all or none."""

    TYPE = "inventory.set"

    lines: Lines[SetLine]


class AdjustLine(Place, Guards):
    """Change `state` by `delta` units, up or down. Not committed and incoming: those follow orders and transfers."""

    state: InventoryState = InventoryState.AVAILABLE
    delta: Delta


class AdjustInventory(AdjustLine, StockOrder):
    """Change `state` by `delta` units, up or down: available, damaged, quality_control, reserved or safety_stock."""

    TYPE = "inventory.adjust"


class AdjustInventoryLines(StockOrder):
    """Several adjustments, all or none."""

    TYPE = "inventory.adjust"

    lines: Lines[AdjustLine]


class MoveLine(Place, Guards):
    """Move `quantity` units of a level from one state to another; on_hand stays the same."""

    from_state: InventoryState
    to_state: InventoryState
    quantity: PositiveQuantity


class MoveInventory(MoveLine, StockOrder):
    """Move units of a level between available, reserved, damaged, safety_stock and quality_control."""

    TYPE = "inventory.move"


class MoveInventoryLines(StockOrder):
    """Several moves between states, all or none."""

    TYPE = "inventory.move"

    lines: Lines[MoveLine]


class TransferLine(Guards):
    """Bring units of a SKU, in the state they are in, to another location of the same or another warehouse, at once.

    The guards are about the level that is taken from.
    """

    sku: SkuField
    lot_id: LotIdField | None = None
    from_warehouse_id: WarehouseIdField
    from_location_id: LocationIdField | None = None
    to_warehouse_id: WarehouseIdField
    to_location_id: LocationIdField | None = None
    state: InventoryState = InventoryState.AVAILABLE
    quantity: PositiveQuantity


class TransferInventory(TransferLine, StockOrder):
    """Bring units to another location at once. For goods that are on their way for a while: `transfer.shipped`."""

    TYPE = "inventory.transfer"


class TransferInventoryLines(StockOrder):
    """Several transfers, all or none."""

    TYPE = "inventory.transfer"

    lines: Lines[TransferLine]


ScheduleId = Annotated[
    str, StringConstraints(min_length=1, max_length=2 * MAX_ID_LENGTH + 10, pattern=PRINTABLE_PATTERN)
]
"""By default made of a command's id, which may hold more than other ids."""


class ScheduleLine(Place, Guards):
    """`quantity` units are expected: they are incoming now and become available at `due_at`.

    `schedule_id` names them for a cancellation. Without one it is the command's id, or for the n-th of several lines
    `{command id}:{n}`; where a provider acts for a customer, the provider's account id and a colon stand before it.
    """

    schedule_id: ScheduleId | None = None
    quantity: PositiveQuantity
    due_at: Instant


class ScheduleInventory(ScheduleLine, StockOrder):
    """`quantity` units are expected: they are incoming now and become available at `due_at`."""

    TYPE = "inventory.schedule"


class ScheduleInventoryLines(StockOrder):
    """Several expected quantities, all or none."""

    TYPE = "inventory.schedule"

    lines: Lines[ScheduleLine]


class CancelSchedule(StockOrder):
    """What was expected does not come: it is no longer incoming."""

    TYPE = "inventory.cancel-schedule"

    schedule_id: ScheduleId


class ApplySchedule(StockOrder):
    """What was expected is due. The scheduler gives this order; it is on no topic."""

    TYPE = "inventory.apply-schedule"

    schedule_id: ScheduleId


AddInventory.LINES_FORM = AddInventoryLines
RemoveInventory.LINES_FORM = RemoveInventoryLines
ReplaceInventory.LINES_FORM = ReplaceInventoryLines
SetInventory.LINES_FORM = SetInventoryLines
AdjustInventory.LINES_FORM = AdjustInventoryLines
MoveInventory.LINES_FORM = MoveInventoryLines
TransferInventory.LINES_FORM = TransferInventoryLines
ScheduleInventory.LINES_FORM = ScheduleInventoryLines

STOCK_COMMANDS: tuple[type[Command], ...] = (
    AddInventory, RemoveInventory, ReplaceInventory, SetInventory, AdjustInventory, MoveInventory, TransferInventory,
    ScheduleInventory, CancelSchedule,
)  # fmt: skip
