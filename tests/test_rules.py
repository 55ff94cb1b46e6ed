"""What a stock command does to a level, for every level and command that there can be."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.inventory.level import Level
from pipeline.inventory.rules import decide
from schemas.commands import AddInventory, RemoveInventory, ReplaceInventory, StockCommand
from schemas.errors import ErrorCode
from schemas.identifiers import MAX_LEVEL, MAX_QUANTITY
from schemas.states import InventoryState

ON_HAND = set(InventoryState) - {InventoryState.INCOMING}
PLACE = {"account_id": "acme", "warehouse_id": "w1", "sku": "A"}


def add(quantity: int) -> StockCommand:
    return AddInventory.model_validate({**PLACE, "quantity": quantity})


def remove(quantity: int) -> StockCommand:
    return RemoveInventory.model_validate({**PLACE, "quantity": quantity})


def count(quantity: int) -> StockCommand:
    return ReplaceInventory.model_validate({**PLACE, "quantity": quantity})


quantities = st.integers(0, 50) | st.integers(0, MAX_QUANTITY)
levels = st.builds(Level, st.just(1), version=st.integers(0, 9), **dict.fromkeys(map(str, InventoryState), quantities))
commands = st.builds(count, quantities) | st.builds(add, quantities.map(lambda q: q or 1)) | st.builds(
    remove, quantities.map(lambda q: q or 1))  # fmt: skip


def state(level: Level, name: InventoryState) -> int:
    return int(getattr(level, name))


def test_a_level_has_a_quantity_for_each_state() -> None:
    assert {f.name for f in fields(Level)} == {"level_id", "version", *InventoryState}


@given(levels, commands, st.booleans())
def test_on_hand_is_the_sum_of_its_states_and_every_step_is_in_the_ledger(
    level: Level, command: StockCommand, allow_negative: bool
) -> None:
    try:
        after, lines = decide(level, command, allow_negative=allow_negative)
    except Invalid:
        return
    assert after.on_hand == sum(state(after, name) for name in ON_HAND)
    assert after.version == level.version + bool(lines)
    for name in InventoryState:
        assert state(after, name) == state(level, name) + sum(line.delta for line in lines if line.state is name)
    for line in lines:
        assert line.delta != 0
        assert line.after == state(after, line.state)


@given(levels, commands)
def test_no_state_falls_below_zero_where_that_is_not_allowed(level: Level, command: StockCommand) -> None:
    try:
        after, _ = decide(level, command, allow_negative=False)
    except Invalid as error:
        assert error.code is ErrorCode.INSUFFICIENT_STOCK
        forced, _ = decide(level, command, allow_negative=True)
        assert forced.available < 0
    else:
        assert min(state(after, name) for name in InventoryState) >= 0


@given(levels, st.integers(0, MAX_QUANTITY))
def test_a_replace_sets_on_hand_and_a_second_one_changes_nothing(level: Level, quantity: int) -> None:
    after, _ = decide(level, count(quantity), allow_negative=True)
    assert after.on_hand == quantity
    assert replace(after, available=level.available, version=level.version) == level
    assert decide(after, count(quantity), allow_negative=False) == (after, ())


@given(levels, st.integers(1, MAX_QUANTITY))
def test_a_remove_takes_back_what_an_add_brought(level: Level, quantity: int) -> None:
    more, _ = decide(level, add(quantity), allow_negative=False)
    assert more.on_hand == level.on_hand + quantity
    back, _ = decide(more, remove(quantity), allow_negative=False)
    assert back == replace(level, version=level.version + 2)


def test_a_negative_level_may_be_raised_though_it_stays_negative() -> None:
    after, _ = decide(Level(1, available=-10), add(3), allow_negative=False)
    assert after.available == -7


def test_committed_stock_cannot_be_counted_away() -> None:
    with pytest.raises(Invalid) as refused:
        decide(Level(1, available=2, committed=5), count(4), allow_negative=False)
    assert refused.value.code is ErrorCode.INSUFFICIENT_STOCK


@pytest.mark.parametrize(("available", "command"), [(MAX_LEVEL, add(1)), (-MAX_LEVEL, remove(1))])
def test_a_level_has_a_largest_quantity_in_both_directions(available: int, command: StockCommand) -> None:
    with pytest.raises(Invalid) as refused:
        decide(Level(1, available=available), command, allow_negative=True)
    assert refused.value.code is ErrorCode.QUANTITY_OUT_OF_RANGE
