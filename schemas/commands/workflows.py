"""What happened in the warehouse, as upstream systems tell it; onhand derives the changes of stock.

Source of the list: ShipHero's workflows that move stock. Each keeps the number of its document in the change log.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.commands.base import MAX_LINES, Command, Contract, DocumentNumber, Lines, Note
from schemas.commands.stock import Guards
from schemas.identifiers import (
    MAX_QUANTITY,
    DocumentId,
    LocationIdField,
    LotIdField,
    PositiveQuantity,
    Quantity,
    SkuField,
    WarehouseIdField,
)


class Workflow(Command):
    """What every workflow message says."""

    note: Note | None = None


class Documented(Workflow):
    """A workflow in one warehouse, under the number that its document has in the sender's system."""

    warehouse_id: WarehouseIdField
    document: DocumentNumber


class WorkflowLine(Contract):
    """Units of a SKU in a location; no location: the unassigned bin."""

    sku: SkuField
    location_id: LocationIdField | None = None
    lot_id: LotIdField | None = None
    quantity: PositiveQuantity


class PurchaseOrderReceived(Documented):
    """Goods arrived and are available. Reason: received."""

    TYPE = "purchase_order.received"

    lines: Lines[WorkflowLine]


class PurchaseOrderAdjustment(Contract):
    """A correction of what was received: `delta` units more or fewer, then `damaged` of them found damaged."""

    sku: SkuField
    location_id: LocationIdField | None = None
    lot_id: LotIdField | None = None
    delta: int = Field(0, strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY)
    damaged: Quantity = 0

    @model_validator(mode="after")
    def _says_something(self) -> "PurchaseOrderAdjustment":
        if not self.delta and not self.damaged:
            raise ValueError("delta and damaged are both 0")
        return self


class PurchaseOrderAdjusted(Documented):
    """More or less arrived than was recorded (reason correction), or some is damaged (reason damaged)."""

    TYPE = "purchase_order.adjusted"

    lines: Lines[PurchaseOrderAdjustment]


class OrderAllocated(Documented):
    """Units are set aside for an order: available → committed. Reason: reservation_created."""

    TYPE = "order.allocated"

    lines: Lines[WorkflowLine]


class OrderShipped(Documented):
    """An order was packed and labelled: its units leave. Reason: shipped.

    They leave committed, or available where `allocated` is false: the order was never allocated.
    """

    TYPE = "order.shipped"

    allocated: bool = True
    lines: Lines[WorkflowLine]


class OrderCancelled(Documented):
    """An allocated order is not shipped: committed → available. Reason: reservation_deleted."""

    TYPE = "order.cancelled"

    lines: Lines[WorkflowLine]


class ReturnedLine(WorkflowLine):
    """Units that came back, and the state that they go to."""

    state: Literal["available", "damaged", "quality_control"] = "available"


class ReturnProcessed(Documented):
    """A customer's return was processed. Reason: restock, damaged or quality_control, as the line's state."""

    TYPE = "return.processed"

    lines: Lines[ReturnedLine]


class CountedLine(Guards):
    """A location was counted and holds `counted` units of a SKU, in all states together."""

    sku: SkuField
    location_id: LocationIdField | None = None
    lot_id: LotIdField | None = None
    counted: Quantity


class CycleCountCompleted(Documented):
    """Locations were counted; the difference goes to available. Reason: cycle_count_available."""

    TYPE = "cycle_count.completed"

    lines: Lines[CountedLine]


class BinMove(Contract):
    """Units that were carried from one location of the warehouse to another."""

    sku: SkuField
    lot_id: LotIdField | None = None
    from_location_id: LocationIdField | None = None
    to_location_id: LocationIdField
    quantity: PositiveQuantity


class PutawayCompleted(Documented):
    """Received goods were put into their bins, from the unassigned bin or another. Reason: movement_received."""

    TYPE = "putaway.completed"

    lines: Lines[BinMove]


class ReplenishmentCompleted(Documented):
    """Pickable bins were filled from the reserve. Reason: movement_received."""

    TYPE = "replenishment.completed"

    lines: Lines[BinMove]


class ShippedLine(Contract):
    """Units that left one warehouse for another; `to_location_id` is where they will be expected."""

    sku: SkuField
    lot_id: LotIdField | None = None
    from_location_id: LocationIdField | None = None
    to_location_id: LocationIdField | None = None
    quantity: PositiveQuantity


class TransferShipped(Workflow):
    """Goods left for another warehouse: they are incoming there. Reason: movement_created."""

    TYPE = "transfer.shipped"

    transfer_id: DocumentId
    document: DocumentNumber | None = None
    from_warehouse_id: WarehouseIdField
    to_warehouse_id: WarehouseIdField
    lines: Lines[ShippedLine]


class ReceivedLine(Contract):
    """Units that arrived. `location_id` is where they were put; without one, where they were expected."""

    sku: SkuField
    lot_id: LotIdField | None = None
    location_id: LocationIdField | None = None
    quantity: PositiveQuantity


class TransferReceived(Workflow):
    """Goods of a transfer arrived: incoming → available. Reason: movement_received.

    Without lines all that is on its way arrived. `complete` says that no more will: the rest is no longer incoming
    (reason shrinkage). `complete` with an empty list of lines: nothing arrived, and nothing will.
    """

    TYPE = "transfer.received"

    transfer_id: DocumentId
    lines: Annotated[tuple[ReceivedLine, ...], Field(max_length=MAX_LINES)] | None = None
    complete: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> "TransferReceived":
        if self.lines == () and not self.complete:
            raise ValueError("an empty list of lines says nothing without complete")
        return self


WORKFLOWS: tuple[type[Command], ...] = (
    PurchaseOrderReceived, PurchaseOrderAdjusted, OrderAllocated, OrderShipped, OrderCancelled, ReturnProcessed,
    CycleCountCompleted, PutawayCompleted, ReplenishmentCompleted, TransferShipped, TransferReceived,
)  # fmt: skip
