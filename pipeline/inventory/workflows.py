"""What happened in the warehouse, as steps on levels, each with its reason (the messages' docstrings say which)."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from pipeline.inventory.level import LevelKey
from pipeline.inventory.operations import ON_HAND, SetTo, Shift
from pipeline.inventory.steps import AVAILABLE, CommandSteps, Step, carried
from schemas.commands import workflows as messages
from schemas.commands.base import Command
from schemas.identifiers import UNASSIGNED
from schemas.reasons import Reason
from schemas.states import InventoryState

COMMITTED: Final = InventoryState.COMMITTED
DAMAGED: Final = InventoryState.DAMAGED

_REASON_OF_RETURN: Final[dict[str, Reason]] = {
    "available": Reason.RESTOCK,
    "damaged": Reason.DAMAGED,
    "quality_control": Reason.QUALITY_CONTROL,
}
Translation: TypeAlias = Callable[[Any], Iterator[Step]]


def _key(message: messages.Documented, line: Any) -> LevelKey:
    location = line.location_id or UNASSIGNED
    return LevelKey(message.owner, message.warehouse_id, line.sku, location, line.lot_id or "")


def _shifts(source: InventoryState | None, target: InventoryState | None, reason: Reason) -> Translation:
    """Every line shifts its quantity the same way."""

    def steps(message: Any) -> Iterator[Step]:
        document = message.document if COMMITTED in (source, target) else None
        return (
            Step(_key(message, line), Shift(line.quantity, source, target), reason, allocates=document)
            for line in message.lines
        )

    return steps


def _purchase_order_adjusted(message: messages.PurchaseOrderAdjusted) -> Iterator[Step]:
    for line in message.lines:
        key = _key(message, line)
        if line.delta > 0:
            yield Step(key, Shift(line.delta, None, AVAILABLE), Reason.CORRECTION)
        elif line.delta < 0:
            yield Step(key, Shift(-line.delta, AVAILABLE, None), Reason.CORRECTION)
        if line.damaged:
            yield Step(key, Shift(line.damaged, AVAILABLE, DAMAGED), Reason.DAMAGED)


def _order_shipped(message: messages.OrderShipped) -> Iterator[Step]:
    return _shifts(COMMITTED if message.allocated else AVAILABLE, None, Reason.SHIPPED)(message)


def _return_processed(message: messages.ReturnProcessed) -> Iterator[Step]:
    for line in message.lines:
        operation = Shift(line.quantity, None, InventoryState(line.state))
        yield Step(_key(message, line), operation, _REASON_OF_RETURN[line.state])


def _cycle_count_completed(message: messages.CycleCountCompleted) -> Iterator[Step]:
    for line in message.lines:
        operation = SetTo(line.counted, ON_HAND)
        yield Step(
            _key(message, line), operation, Reason.CYCLE_COUNT_AVAILABLE, line.expected_quantity, line.expected_version
        )


def _bin_move(message: messages.PutawayCompleted | messages.ReplenishmentCompleted) -> Iterator[Step]:
    for line in message.lines:
        lot = line.lot_id or ""
        source, target = (
            LevelKey(message.owner, message.warehouse_id, line.sku, location or UNASSIGNED, lot)
            for location in (line.from_location_id, line.to_location_id)
        )
        yield from carried(source, target, line.quantity, reason=Reason.MOVEMENT_RECEIVED)


def _listed(translate: Translation) -> CommandSteps:
    return lambda message: list(translate(message))


def steps_by_workflow() -> dict[type[Command], CommandSteps]:
    """How each workflow message is translated into steps.

    transfer.shipped and transfer.received are not here: what they do depends on the transfer. A translation raises
    Invalid: SAME_LOCATION.
    """
    translations: dict[type[Command], Translation] = {
        messages.PurchaseOrderReceived: _shifts(None, AVAILABLE, Reason.RECEIVED),
        messages.PurchaseOrderAdjusted: _purchase_order_adjusted,
        messages.OrderAllocated: _shifts(AVAILABLE, COMMITTED, Reason.RESERVATION_CREATED),
        messages.OrderShipped: _order_shipped,
        messages.OrderCancelled: _shifts(COMMITTED, AVAILABLE, Reason.RESERVATION_DELETED),
        messages.ReturnProcessed: _return_processed,
        messages.CycleCountCompleted: _cycle_count_completed,
        messages.PutawayCompleted: _bin_move,
        messages.ReplenishmentCompleted: _bin_move,
    }
    return {message: _listed(translate) for message, translate in translations.items()}
