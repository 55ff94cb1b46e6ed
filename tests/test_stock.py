"""The commands that change stock, in all their forms, on the real store."""

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from schemas.states import MOVABLE, InventoryState
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import levels, results, states, touched, why

A = {"warehouse_id": "w1", "sku": "A"}


@pytest.fixture
def shop(audited: Database) -> Database:
    """The catalogue of `fill_catalogue`, and 20 of A available in the unassigned bin; the audit holds afterwards."""
    fill_catalogue(audited)
    apply_commands([stock("opening", "add", 20)], audited)
    return audited


def carry_out(database: Database, type_: str, **data: object) -> tuple[str, str | None]:
    """Status and code of one command."""
    apply_commands([order("it", type_, **data)], database)
    return results(database)["it"]


# States ---------------------------------------------------------------------------------------------------------------


def test_a_set_of_available_says_the_difference(shop: Database) -> None:
    assert carry_out(shop, "inventory.set", **A, state="available", quantity=26) == ("applied", None)
    assert touched(shop, "it") == [("unassigned", 2, {"available": 6, "on_hand": 6})]


def test_a_set_of_on_hand_changes_available_and_leaves_the_other_states_alone(shop: Database) -> None:
    apply_commands([order("m", "inventory.move", **A, from_state="available", to_state="damaged", quantity=5)], shop)
    carry_out(shop, "inventory.set", **A, state="on_hand", quantity=30)
    assert states(shop, "A") == {"available": 25, "damaged": 5}
    assert touched(shop, "it") == [("unassigned", 3, {"available": 10, "on_hand": 10})]


@pytest.mark.parametrize("state", sorted(MOVABLE))
def test_five_states_can_be_adjusted_up_and_down(shop: Database, state: InventoryState) -> None:
    apply_commands([order("up", "inventory.adjust", **A, state=state, delta=3)], shop)
    carry_out(shop, "inventory.adjust", **A, state=state, delta=-2)
    assert states(shop, "A")[state] == (21 if state == "available" else 1)


@pytest.mark.parametrize("state", ["committed", "incoming"])
def test_committed_and_incoming_cannot_be_adjusted(shop: Database, state: str) -> None:
    refused = carry_out(shop, "inventory.adjust", **A, state=state, delta=1)
    assert refused == ("rejected", ErrorCode.STATE_NOT_ADJUSTABLE)


@pytest.mark.parametrize("source", sorted(InventoryState))
@pytest.mark.parametrize("target", sorted(InventoryState))
def test_units_move_between_the_five_states_and_no_others(shop: Database, source: str, target: str) -> None:
    if source in MOVABLE:
        apply_commands([order("fill", "inventory.adjust", **A, state=source, delta=4)], shop)
    before = levels(shop)["w1", "A", "unassigned"][0]
    answer = carry_out(shop, "inventory.move", **A, from_state=source, to_state=target, quantity=4)
    if {source, target} <= MOVABLE and source != target:
        assert answer == ("applied", None)
        assert touched(shop, "it")[0][2] == {source: -4, target: 4}
    else:
        assert answer == ("rejected", ErrorCode.MOVE_NOT_ALLOWED)
    assert levels(shop)["w1", "A", "unassigned"][0] == before


def test_more_than_a_state_holds_cannot_be_moved(shop: Database) -> None:
    refused = carry_out(shop, "inventory.move", **A, from_state="damaged", to_state="available", quantity=1)
    assert refused == ("rejected", ErrorCode.INSUFFICIENT_STOCK)


# Lines ----------------------------------------------------------------------------------------------------------------


def test_several_lines_are_carried_out_in_their_order(shop: Database) -> None:
    lines = [{**A, "quantity": 15}, {**A, "quantity": 5}, {**A, "sku": "B", "location_id": "b1", "quantity": 1}]
    apply_commands([order("b", "inventory.add", **{**A, "sku": "B"}, location_id="b1", quantity=1)], shop)
    assert carry_out(shop, "inventory.remove", lines=lines) == ("applied", None)
    assert touched(shop, "it") == [
        ("unassigned", 2, {"available": -15, "on_hand": -15}), ("unassigned", 3, {"available": -5, "on_hand": -5}),
        ("b1", 2, {"available": -1, "on_hand": -1})]  # fmt: skip


def test_where_one_line_cannot_be_done_none_is(shop: Database) -> None:
    lines = [{**A, "quantity": 15}, {**A, "quantity": 6}]
    assert carry_out(shop, "inventory.remove", lines=lines) == ("rejected", ErrorCode.INSUFFICIENT_STOCK)
    assert levels(shop) == {("w1", "A", "unassigned"): (20, 1)}
    assert touched(shop, "it") == []


def test_a_rejected_command_leaves_nothing_to_the_commands_behind_it(shop: Database) -> None:
    apply_commands(
        [
            order("1", "inventory.remove", lines=[{**A, "quantity": 15}, {**A, "sku": "NOPE", "quantity": 1}]),
            order("2", "inventory.remove", lines=[{**A, "quantity": 20}]),
        ],
        shop,
    )
    assert [results(shop)[i] for i in "12"] == [("rejected", ErrorCode.UNKNOWN_SKU), ("applied", None)]
    assert levels(shop)["w1", "A", "unassigned"] == (0, 2)


# Guards ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "data", "seen"),
    [
        ("add", {"quantity": 1}, 13),
        ("remove", {"quantity": 1}, 13),
        ("replace", {"quantity": 1 + 7}, 20),
        ("set", {"state": "available", "quantity": 1}, 13),
        ("set", {"state": "on_hand", "quantity": 8}, 20),
        ("adjust", {"state": "reserved", "delta": -1}, 7),
        ("adjust", {"delta": 1}, 13),
        ("move", {"from_state": "reserved", "to_state": "available", "quantity": 1}, 7),
    ],
)
def test_an_expected_quantity_is_that_of_the_state_that_is_named(
    shop: Database, type_: str, data: dict[str, object], seen: int
) -> None:
    apply_commands([order("m", "inventory.move", **A, from_state="available", to_state="reserved", quantity=7)], shop)
    apply_commands([order("stale", f"inventory.{type_}", **A, **data, expected_quantity=seen + 1)], shop)
    assert results(shop)["stale"] == ("rejected", ErrorCode.STALE_QUANTITY)
    assert carry_out(shop, f"inventory.{type_}", **A, **data, expected_quantity=seen) == ("applied", None)


def test_an_expected_version_is_the_levels(shop: Database) -> None:
    apply_commands(
        [stock("1", "add", 1, expected_version=0), stock("2", "add", 1, expected_version=1),
         stock("3", "add", 1, expected_version=1), stock("4", "add", 1, sku="B", expected_version=0)],
        shop,
    )  # fmt: skip
    assert [results(shop)[i][1] for i in "1234"] == ["STALE_QUANTITY", None, "STALE_QUANTITY", None]


# A whole warehouse ----------------------------------------------------------------------------------------------------


@pytest.fixture
def aisles(shop: Database) -> Database:
    """20 of A in the unassigned bin, 10 in b1, 5 in the non-sellable b2."""
    apply_commands(
        [
            order("b2", "location.create", warehouse_id="w1", location_id="b2", name="A-02", sellable=False),
            stock("1", "add", 10, location_id="b1"), stock("2", "add", 5, location_id="b2"),
        ],
        shop,
    )  # fmt: skip
    return shop


@pytest.mark.parametrize(
    ("quantity", "includes_non_sellable", "left"),
    [
        (33, False, {"unassigned": 23, "b1": 10, "b2": 5}),
        (8, False, {"unassigned": 0, "b1": 8, "b2": 5}),
        (33, True, {"unassigned": 18, "b1": 10, "b2": 5}),
        (3, True, {"unassigned": 0, "b1": 0, "b2": 3}),
        (30, False, {"unassigned": 20, "b1": 10, "b2": 5}),
    ],
)
def test_a_replace_of_the_whole_warehouse_spreads_the_difference(
    aisles: Database, quantity: int, includes_non_sellable: bool, left: dict[str, int]
) -> None:
    place = {**A, "whole_warehouse": True, "includes_non_sellable": includes_non_sellable}
    assert carry_out(aisles, "inventory.replace", **place, quantity=quantity) == ("applied", None)
    assert {location: on_hand for (_, _, location), (on_hand, _) in levels(aisles).items()} == left


def test_what_is_not_available_cannot_be_counted_away_from_a_warehouse(aisles: Database) -> None:
    apply_commands([order("o", "order.allocated", warehouse_id="w1", document="O-1",
                          lines=[{"sku": "A", "location_id": "b1", "quantity": 10}])], aisles)  # fmt: skip
    refused = carry_out(aisles, "inventory.replace", **A, quantity=9, whole_warehouse=True)
    assert refused == ("rejected", ErrorCode.INSUFFICIENT_STOCK)


def test_the_expected_quantity_of_a_whole_warehouse_is_its_total(aisles: Database) -> None:
    stale = {**A, "quantity": 1, "whole_warehouse": True, "expected_quantity": 20}
    apply_commands([order("stale", "inventory.replace", **stale)], aisles)
    assert results(aisles)["stale"] == ("rejected", ErrorCode.STALE_QUANTITY)
    assert carry_out(aisles, "inventory.replace", **{**stale, "expected_quantity": 30}) == ("applied", None)


def test_a_command_of_the_same_batch_that_fills_a_new_bin_counts_too(shop: Database) -> None:
    apply_commands(
        [
            stock("1", "add", 4, location_id="b1"),
            order("2", "inventory.replace", **A, quantity=3, whole_warehouse=True),
        ],
        shop,
    )
    assert {key[2]: on_hand for key, (on_hand, _) in levels(shop).items()} == {"unassigned": 0, "b1": 3}


# Transfers at once ----------------------------------------------------------------------------------------------------


def test_a_transfer_has_two_legs_under_one_id(shop: Database) -> None:
    answer = carry_out(
        shop, "inventory.transfer", sku="A", from_warehouse_id="w1", to_warehouse_id="w2", quantity=4,
        reason="movement_received", document="TR-1",
    )  # fmt: skip
    assert answer == ("applied", None)
    assert {key: on_hand for key, (on_hand, _) in levels(shop).items()} == {
        ("w1", "A", "unassigned"): 16, ("w2", "A", "unassigned"): 4}  # fmt: skip
    assert why(shop, "it") == [
        ("available", -4, "movement_received", "TR-1"), ("available", 4, "movement_received", "TR-1")]  # fmt: skip


def test_units_are_carried_in_the_state_that_they_are_in(shop: Database) -> None:
    apply_commands([order("d", "inventory.adjust", **A, state="damaged", delta=2)], shop)
    places = {"from_warehouse_id": "w1", "to_warehouse_id": "w1", "to_location_id": "b1"}
    assert carry_out(shop, "inventory.transfer", sku="A", **places, state="damaged", quantity=2) == ("applied", None)
    assert (states(shop, "A"), states(shop, "A", "b1")) == ({"available": 20}, {"damaged": 2})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": 21}, ErrorCode.INSUFFICIENT_STOCK),
        ({"to_warehouse_id": "w1"}, ErrorCode.SAME_LOCATION),
        ({"to_warehouse_id": "w9"}, ErrorCode.UNKNOWN_WAREHOUSE),
        ({"to_location_id": "b1"}, ErrorCode.LOCATION_NOT_ALLOWED),
        ({"state": "committed"}, ErrorCode.MOVE_NOT_ALLOWED),
        ({"expected_quantity": 19}, ErrorCode.STALE_QUANTITY),
    ],
)
def test_a_transfer_that_breaks_a_rule_moves_nothing(shop: Database, changes: dict[str, object], code: str) -> None:
    good = {"sku": "A", "from_warehouse_id": "w1", "to_warehouse_id": "w2", "quantity": 4}
    assert carry_out(shop, "inventory.transfer", **{**good, **changes}) == ("rejected", code)
    assert levels(shop) == {("w1", "A", "unassigned"): (20, 1)}


# Why ------------------------------------------------------------------------------------------------------------------


def test_reasons_are_the_known_ones_and_the_accounts_own(shop: Database) -> None:
    apply_commands([stock("1", "add", 1, reason="restock"), stock("2", "add", 1, reason="spring_cleaning")], shop)
    apply_commands([order("r", "reason.upsert", code="spring_cleaning", description="Found while cleaning")], shop)
    apply_commands([stock("3", "add", 1, reason="spring_cleaning", note="behind the shelf", document="N-1")], shop)
    assert [results(shop)[i][1] for i in "123"] == [None, "UNKNOWN_REASON", None]
    assert why(shop, "3") == [("available", 1, "spring_cleaning", "N-1")]
    with shop.transaction() as connection:
        row = connection.execute("SELECT note FROM change_log WHERE command_id = '3'").fetchone()
    assert row == ("behind the shelf",)


# Lots -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dairy(shop: Database) -> Database:
    """A product MILK that is tracked by lot, with the lot L1."""
    apply_commands(
        [order("p", "product.upsert", sku="MILK", lot_tracked=True),
         order("l", "lot.upsert", sku="MILK", lot_id="L1", expires_on="2027-01-31")],
        shop,
    )  # fmt: skip
    return shop


def test_a_product_that_is_tracked_by_lot_has_a_level_for_each(dairy: Database) -> None:
    apply_commands([order("l2", "lot.upsert", sku="MILK", lot_id="L2")], dairy)
    apply_commands([stock("1", "add", 3, sku="MILK", lot_id="L1"), stock("2", "add", 4, sku="MILK", lot_id="L2"),
                    stock("3", "remove", 4, sku="MILK", lot_id="L1")], dairy)  # fmt: skip
    assert results(dairy)["3"] == ("rejected", ErrorCode.INSUFFICIENT_STOCK)
    assert states(dairy, "MILK") == {"available": 7}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"sku": "MILK"}, ErrorCode.LOT_REQUIRED),
        ({"sku": "MILK", "lot_id": "L9"}, ErrorCode.UNKNOWN_LOT),
        ({"sku": "A", "lot_id": "L1"}, ErrorCode.LOT_NOT_ALLOWED),
    ],
)
def test_a_lot_is_named_exactly_where_the_product_has_lots(dairy: Database, data: dict[str, object], code: str) -> None:
    assert carry_out(dairy, "inventory.add", warehouse_id="w1", quantity=1, **data) == ("rejected", code)
