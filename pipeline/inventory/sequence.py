"""Carries out rows that touch the same levels one after the other, in memory: moves, and what stands beside them."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import NamedTuple

from pipeline.errors import Invalid
from pipeline.inventory.level import Level
from pipeline.inventory.operations import ON_HAND, Operation, SetTo, Shift, apply
from schemas.errors import ErrorCode
from schemas.states import InventoryState
from schemas.upload_rows import ADD, MOVE, REMOVE

EXPECTED_VERSION = "expected_version"
EXPECTED_QUANTITY = "expected_quantity"


class SequenceRow(NamedTuple):
    """A good row: its action with its quantity in units, its levels by id, and what it expects of the first."""

    row: int
    account_id: str
    action: str
    quantity: int
    level_id: int
    to_level_id: int | None
    wants_quantity: int | None
    wants_version: int | None
    allow_negative: bool


class RowOutcome(NamedTuple):
    """What a row did to its level, and a move to the level that it ends at; or the fault that it met.

    `fault` is an ErrorCode, or the name of the expectation that does not hold. `found` is what the level has instead:
    units, a version, or the time when it was changed. `beside`: the units on hand that are not available.
    """

    row: int
    account_id: str
    level_id: int
    version: int | None = None
    delta: int = 0
    after: int | None = None
    to_level_id: int | None = None
    to_version: int | None = None
    to_after: int | None = None
    fault: str | None = None
    found: str | None = None
    beside: int = 0
    to_beside: int | None = None


def carry_out(
    rows: Iterable[SequenceRow], levels: MutableMapping[int, Level], changed_since: Mapping[int, str]
) -> Iterator[RowOutcome]:
    """Carry out rows in their order, and bring `levels` to what they are then; nothing is said of rows without effect.

    Args:
        rows: in the order of the file.
        levels: by id, all that the rows name.
        changed_since: when each of the levels was changed that have been since the time that the file is of.
    """
    for row in rows:
        before = levels[row.level_id]
        stale = _stale(row, before, changed_since.get(row.level_id))
        if stale is not None:
            yield stale
            continue
        try:
            after, lines = apply(before, _operation(row), allow_negative=row.allow_negative)
            end = _end_of_move(row, levels)
        except Invalid as broken_rule:
            is_short = broken_rule.code is ErrorCode.INSUFFICIENT_STOCK
            yield _failed(row, broken_rule.code, str(before.available) if is_short else None)
            continue
        if not lines:
            continue
        levels[row.level_id] = after
        outcome = RowOutcome(
            row.row, row.account_id, row.level_id, after.version, after.available - before.available, after.available,
            beside=_beside(after),
        )  # fmt: skip
        if end is not None:
            levels[end.level_id] = end
            outcome = outcome._replace(
                to_level_id=end.level_id, to_version=end.version, to_after=end.available, to_beside=_beside(end)
            )
        yield outcome


def _beside(level: Level) -> int:
    return level.on_hand - level.available


def _operation(row: SequenceRow) -> Operation:
    if row.action == ADD:
        return Shift(row.quantity, None, InventoryState.AVAILABLE)
    if row.action in (REMOVE, MOVE):
        return Shift(row.quantity, InventoryState.AVAILABLE, None)
    return SetTo(row.quantity, ON_HAND)


def _end_of_move(row: SequenceRow, levels: Mapping[int, Level]) -> Level | None:
    """The level that a move ends at, with what it brings."""
    if row.to_level_id is None:
        return None
    arrival = Shift(row.quantity, None, InventoryState.AVAILABLE)
    after, _ = apply(levels[row.to_level_id], arrival, allow_negative=row.allow_negative)
    return after


def _stale(row: SequenceRow, level: Level, changed_at: str | None) -> RowOutcome | None:
    """Which expectation does not hold: what is compared is what the row names, on_hand where it replaces that."""
    named = _operation(row).named(level)
    if row.wants_version is not None and row.wants_version != level.version:
        return _failed(row, EXPECTED_VERSION, str(level.version))
    if row.wants_quantity is not None and row.wants_quantity != named:
        return _failed(row, EXPECTED_QUANTITY, str(named))
    if changed_at is not None and row.action not in (ADD, REMOVE, MOVE):
        return _failed(row, ErrorCode.LEVEL_CHANGED_SINCE, changed_at)
    return None


def _failed(row: SequenceRow, fault: str, found: str | None) -> RowOutcome:
    return RowOutcome(row.row, row.account_id, row.level_id, fault=fault, found=found)
