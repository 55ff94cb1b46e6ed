"""What a command asks for, step by step: which operation on which level."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from pipeline.errors import Invalid
from pipeline.inventory.level import LevelKey
from pipeline.inventory.operations import ON_HAND, Operation, SetTo, Shift
from schemas.commands import stock
from schemas.commands.base import Command
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.states import MOVABLE, InventoryState

AVAILABLE: Final = InventoryState.AVAILABLE


class Step(NamedTuple):
    """One operation on one level. `reason` None: the command's."""

    key: LevelKey
    operation: Operation
    reason: str | None = None
    expected_quantity: int | None = None
    expected_version: int | None = None
    allocates: str | None = None
    """The document whose allocation the operation, a Shift to or from committed, changes; None: it changes none."""


class Total(NamedTuple):
    """A SKU's quantity in a whole warehouse, to be spread over its levels (see pipeline.inventory.spread)."""

    key: LevelKey
    """The level in the unassigned bin."""
    operation: SetTo
    includes_non_sellable: bool
    reason: str | None = None
    expected_quantity: int | None = None


Steps: TypeAlias = list[Step | Total]
CommandSteps: TypeAlias = Callable[[Any], Steps]
"""What a command comes to. Raises Invalid where that cannot be done whatever the levels hold."""


def level_key(account_id: str, place: stock.Place) -> LevelKey:
    """The level that a line names."""
    return LevelKey(account_id, place.warehouse_id, place.sku, place.location_id or UNASSIGNED, place.lot_id or "")


def _shift(account_id: str, line: Any, source: InventoryState | None, target: InventoryState | None) -> list[Step]:
    operation = Shift(line.quantity, source, target)
    return [Step(level_key(account_id, line), operation, None, line.expected_quantity, line.expected_version)]


def _add(account_id: str, line: stock.AddLine) -> list[Step]:
    return _shift(account_id, line, None, AVAILABLE)


def _remove(account_id: str, line: stock.RemoveLine) -> list[Step]:
    return _shift(account_id, line, AVAILABLE, None)


def _replace(account_id: str, line: stock.ReplaceLine) -> Steps:
    return _set_to(account_id, line, SetTo(line.quantity, ON_HAND))


def _set(account_id: str, line: stock.SetLine) -> Steps:
    return _set_to(account_id, line, SetTo(line.quantity, line.state))


def _set_to(account_id: str, line: stock.CountedPlace, operation: SetTo) -> Steps:
    key = level_key(account_id, line)
    if line.whole_warehouse:
        return [Total(key, operation, line.includes_non_sellable, None, line.expected_quantity)]
    return [Step(key, operation, None, line.expected_quantity, line.expected_version)]


def _adjust(account_id: str, line: stock.AdjustLine) -> list[Step]:
    if line.state not in MOVABLE:
        raise Invalid(ErrorCode.STATE_NOT_ADJUSTABLE, line.state)
    up = line.delta > 0
    operation = Shift(abs(line.delta), None if up else line.state, line.state if up else None)
    return [Step(level_key(account_id, line), operation, None, line.expected_quantity, line.expected_version)]


def _move(account_id: str, line: stock.MoveLine) -> list[Step]:
    if not {line.from_state, line.to_state} <= MOVABLE or line.from_state == line.to_state:
        raise Invalid(ErrorCode.MOVE_NOT_ALLOWED, f"{line.from_state} to {line.to_state}")
    return _shift(account_id, line, line.from_state, line.to_state)


def _transfer(account_id: str, line: stock.TransferLine) -> list[Step]:
    if line.state not in MOVABLE:
        raise Invalid(ErrorCode.MOVE_NOT_ALLOWED, f"{line.state} units cannot be transferred")
    lot = line.lot_id or ""
    source = LevelKey(account_id, line.from_warehouse_id, line.sku, line.from_location_id or UNASSIGNED, lot)
    target = LevelKey(account_id, line.to_warehouse_id, line.sku, line.to_location_id or UNASSIGNED, lot)
    return carried(source, target, line.quantity, line.state, guards=line)


def carried(  # noqa: PLR0913 - what is carried, and why
    source: LevelKey,
    target: LevelKey,
    quantity: int,
    state: InventoryState = AVAILABLE,
    *,
    reason: str | None = None,
    guards: stock.Guards | None = None,
) -> list[Step]:
    """Units are carried from one level to another, in the state they are in: two legs.

    Raises:
        Invalid: SAME_LOCATION.
    """
    if source == target:
        raise Invalid(ErrorCode.SAME_LOCATION, source.location_id)
    quantity_seen, version_seen = (guards.expected_quantity, guards.expected_version) if guards else (None, None)
    return [
        Step(source, Shift(quantity, state, None), reason, quantity_seen, version_seen),
        Step(target, Shift(quantity, None, state), reason),
    ]


LineSteps: TypeAlias = Callable[[str, Any], list[Step] | Steps]

_STEPS_OF_LINE: Final[dict[type, LineSteps]] = {
    stock.AddLine: _add,
    stock.RemoveLine: _remove,
    stock.ReplaceLine: _replace,
    stock.SetLine: _set,
    stock.AdjustLine: _adjust,
    stock.MoveLine: _move,
    stock.TransferLine: _transfer,
}


def _of_one_line(steps: LineSteps) -> CommandSteps:
    return lambda command: list(steps(command.owner, command))


def _of_lines(command: Any) -> Steps:
    account_id = command.owner
    steps: Steps = []
    for line in command.lines:
        steps += _STEPS_OF_LINE[type(line)](account_id, line)
    return steps


def steps_by_command() -> dict[type[Command], CommandSteps]:
    """How each of add, remove, replace, set, adjust, move and transfer is translated into steps, in both forms.

    A translation raises Invalid: STATE_NOT_ADJUSTABLE, MOVE_NOT_ALLOWED, SAME_LOCATION.
    """
    translations: dict[type[Command], CommandSteps] = {}
    for line, steps in _STEPS_OF_LINE.items():
        commands: Sequence[type[Command]] = line.__subclasses__()
        for command in commands:
            translations[command] = _of_one_line(steps)
            if command.LINES_FORM is not None:
                translations[command.LINES_FORM] = _of_lines
    return translations
