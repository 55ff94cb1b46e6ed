"""Committed units by document: an order can be shipped or cancelled as far as units were allocated to it."""

import shlex
from collections.abc import Mapping
from typing import Final

from pipeline.errors import Invalid
from pipeline.inventory.level import Level, LevelKey
from pipeline.inventory.steps import Step
from schemas.errors import ErrorCode
from schemas.states import InventoryState

_MOST_PLACES: Final = 3


def allocated(step: Step, level: Level, held: Mapping[LevelKey, int]) -> int:
    """The units of the level that are open for the document of a step after it.

    Args:
        step: one that allocates units to a document, or takes some of those.
        level: the level before it.
        held: the document's open units by level, as far as they are known.

    Raises:
        Invalid: NOTHING_ALLOCATED, ALLOCATION_EXCEEDED.
    """
    had, change = held.get(step.key, 0), step.operation.deltas(level)[InventoryState.COMMITTED]
    if had + change >= 0:
        return had + change
    code = ErrorCode.ALLOCATION_EXCEEDED if had else ErrorCode.NOTHING_ALLOCATED
    frees = step.operation.deltas(level).get(InventoryState.AVAILABLE, 0) > 0
    advice = _nothing_to_cancel(step.allocates or "") if frees and not had else None
    detail = f"{step.allocates} has {had} of {-change} units of {step.key.words}{_elsewhere(step.key, held)}"
    raise Invalid(code, detail, advice)


def _nothing_to_cancel(document: str) -> str:
    return (
        "Nothing is open to cancel. If it was shipped or cancelled before "
        f"(`onhand log --document {shlex.quote(document)}`), nothing has to be done."
    )


def _elsewhere(key: LevelKey, held: Mapping[LevelKey, int]) -> str:
    places = [f"{units} of {other.words}" for other, units in sorted(held.items()) if units and other != key]
    more = " and more" if len(places) > _MOST_PLACES else ""
    return f"; it has {', '.join(places[:_MOST_PLACES])}{more}" if places else ""
