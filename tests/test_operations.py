"""What an operation does to a level, for every level and operation that there can be."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.inventory.level import Level, LevelKey
from pipeline.inventory.operations import Empty, Operation, SetTo, Shift, apply
from pipeline.inventory.spread import Share, spread, total
from pipeline.inventory.steps import AVAILABLE
from schemas.errors import ErrorCode
from schemas.identifiers import MAX_LEVEL, MAX_QUANTITY
from schemas.states import InventoryState

ON_HAND = set(InventoryState) - {InventoryState.INCOMING}

quantities = st.integers(0, 50) | st.integers(0, MAX_QUANTITY)
positive = quantities.map(lambda q: q or 1)
states = st.sampled_from(InventoryState)
levels = st.builds(Level, st.just(1), version=st.integers(0, 9), **dict.fromkeys(map(str, InventoryState), quantities))
shifts = st.builds(Shift, positive, st.none() | states, st.none() | states).filter(lambda s: s.source != s.target)
operations = shifts | st.builds(SetTo, quantities, st.sampled_from(["available", "on_hand"])) | st.just(Empty())


def add(quantity: int) -> Shift:
    return Shift(quantity, None, AVAILABLE)


def remove(quantity: int) -> Shift:
    return Shift(quantity, AVAILABLE, None)


def count(quantity: int) -> SetTo:
    return SetTo(quantity, "on_hand")


def test_a_level_has_a_quantity_for_each_state() -> None:
    assert set(Level._fields) == {"level_id", "version", *InventoryState}


@given(levels, operations, st.booleans())
def test_on_hand_is_the_sum_of_its_states_and_every_change_is_in_the_ledger(
    level: Level, operation: Operation, allow_negative: bool
) -> None:
    try:
        after, lines = apply(level, operation, allow_negative=allow_negative)
    except Invalid:
        return
    assert after.on_hand == sum(after.quantity(state) for state in ON_HAND)
    assert after.version == level.version + bool(lines)
    for state in InventoryState:
        assert after.quantity(state) == level.quantity(state) + sum(line.delta for line in lines if line.state is state)
    for line in lines:
        assert line.delta != 0
        assert line.after == after.quantity(line.state)


@given(levels, operations)
def test_no_state_falls_below_zero_where_that_is_not_allowed(level: Level, operation: Operation) -> None:
    try:
        after, _ = apply(level, operation, allow_negative=False)
    except Invalid as error:
        assert error.code is ErrorCode.INSUFFICIENT_STOCK
        assert any(level.quantity(state) + delta < 0 for state, delta in operation.deltas(level).items())
    else:
        assert min(after[2:]) >= 0


@given(levels, operations)
def test_nothing_but_what_is_available_falls_below_zero_where_that_is_allowed(
    level: Level, operation: Operation
) -> None:
    try:
        after, _ = apply(level, operation, allow_negative=True)
    except Invalid as error:
        assert error.code is ErrorCode.INSUFFICIENT_STOCK
        short = {state for state, delta in operation.deltas(level).items() if level.quantity(state) + delta < 0}
        assert short - {AVAILABLE}
    else:
        assert min(after[3:]) >= 0


@given(levels, st.builds(Shift, positive, states, states).filter(lambda s: s.source != s.target))
def test_a_shift_between_states_keeps_the_sum_of_all_states(level: Level, shift: Shift) -> None:
    source = shift.source or AVAILABLE
    enough = level._replace(**{source: level.quantity(source) + shift.quantity})
    after, lines = apply(enough, shift, allow_negative=False)
    level = enough
    assert sum(after[2:]) == sum(level[2:])
    assert len(lines) == 2


@given(levels, quantities, st.sampled_from(["available", "on_hand"]))
def test_a_set_reaches_its_quantity_by_available_alone_and_a_second_one_changes_nothing(
    level: Level, quantity: int, state: str
) -> None:
    after, _ = apply(level, SetTo(quantity, state), allow_negative=True)
    assert SetTo(0, state).named(after) == quantity
    assert after._replace(available=level.available, version=level.version) == level
    assert apply(after, SetTo(quantity, state), allow_negative=False) == (after, [])


@given(levels, positive)
def test_a_remove_takes_back_what_an_add_brought(level: Level, quantity: int) -> None:
    more, _ = apply(level, add(quantity), allow_negative=False)
    assert more.on_hand == level.on_hand + quantity
    back, _ = apply(more, remove(quantity), allow_negative=False)
    assert back == level._replace(version=level.version + 2)


@given(levels)
def test_an_emptied_level_has_nothing_on_hand_and_keeps_what_is_on_its_way(level: Level) -> None:
    after, _ = apply(level, Empty(), allow_negative=False)
    assert (after.on_hand, after.incoming) == (0, level.incoming)


def test_a_negative_level_may_be_raised_though_it_stays_negative() -> None:
    after, _ = apply(Level(1, available=-10), add(3), allow_negative=False)
    assert after.available == -7


def test_committed_stock_cannot_be_counted_away() -> None:
    with pytest.raises(Invalid) as refused:
        apply(Level(1, available=2, committed=5), count(4), allow_negative=False)
    assert refused.value.code is ErrorCode.INSUFFICIENT_STOCK


@pytest.mark.parametrize(("available", "operation"), [(MAX_LEVEL, add(1)), (-MAX_LEVEL, remove(1))])
def test_a_level_has_a_largest_quantity_in_both_directions(available: int, operation: Operation) -> None:
    with pytest.raises(Invalid) as refused:
        apply(Level(1, available=available), operation, allow_negative=True)
    assert refused.value.code is ErrorCode.QUANTITY_OUT_OF_RANGE


# A whole warehouse ----------------------------------------------------------------------------------------------------


@dataclass
class Floor:
    """The levels of a SKU in a warehouse, by location."""

    levels: dict[str, Level]

    @property
    def shares(self) -> list[Share]:
        return [Share(self.key(location), level) for location, level in self.levels.items()]

    def key(self, location: str) -> LevelKey:
        return LevelKey("acme", "w1", "A", location)

    def set_to(self, operation: SetTo, *, allow_negative: bool = False) -> None:
        shifts = list(spread(self.shares, operation, self.key("unassigned"), allow_negative=allow_negative))
        for key, shift in shifts:
            before = self.levels.get(key.location_id, Level(9))
            self.levels[key.location_id], _ = apply(before, shift, allow_negative=allow_negative)


floors = st.dictionaries(st.sampled_from(["unassigned", "b1", "b2", "b3"]), levels).map(Floor)


@given(floors, st.builds(SetTo, quantities, st.sampled_from(["available", "on_hand"])), st.booleans())
def test_a_counted_warehouse_holds_the_count_or_less_was_available_than_had_to_go(
    floor: Floor, operation: SetTo, allow_negative: bool
) -> None:
    to_go = total(floor.shares, operation) - operation.quantity
    available = sum(share.level.available for share in floor.shares)
    try:
        floor.set_to(operation, allow_negative=allow_negative)
    except Invalid as refused:
        assert refused.code is ErrorCode.INSUFFICIENT_STOCK
        assert to_go > available
        assert not allow_negative
    else:
        assert total(floor.shares, operation) == operation.quantity


def test_more_goes_to_the_unassigned_bin_and_less_comes_from_there_first_then_from_the_bins_in_their_order() -> None:
    floor = Floor({"b2": Level(1, available=5), "b1": Level(2, available=5), "unassigned": Level(3, available=1)})
    floor.set_to(SetTo(13, "available"))
    assert {name: level.available for name, level in floor.levels.items()} == {"b2": 5, "b1": 5, "unassigned": 3}
    floor.set_to(SetTo(6, "available"))
    assert {name: level.available for name, level in floor.levels.items()} == {"b2": 5, "b1": 1, "unassigned": 0}
