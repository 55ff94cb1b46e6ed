"""What upstream systems say has happened, and the stock that follows from it."""

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import results, states, why

LINE = {"sku": "A", "quantity": 6}


@pytest.fixture
def shop(audited: Database) -> Database:
    """The catalogue of `fill_catalogue`, and 20 of A available in the unassigned bin of w1."""
    fill_catalogue(audited)
    apply_commands([stock("opening", "add", 20)], audited)
    return audited


def tell(database: Database, type_: str, command_id: str = "it", **data: object) -> tuple[str, str | None]:
    """Status and code of one message about warehouse w1 and document D-1."""
    message = {"warehouse_id": "w1", "document": "D-1", "lines": [LINE], **data}
    apply_commands([order(command_id, type_, **message)], database)
    return results(database)[command_id]


def test_a_received_purchase_order_is_available(shop: Database) -> None:
    assert tell(shop, "purchase_order.received", lines=[{**LINE, "location_id": "b1"}]) == ("applied", None)
    assert states(shop, "A", "b1") == {"available": 6}
    assert why(shop, "it") == [("available", 6, "received", "D-1")]


def test_an_adjusted_purchase_order_corrects_the_number_and_sets_damaged_units_apart(shop: Database) -> None:
    tell(shop, "purchase_order.adjusted", lines=[{"sku": "A", "delta": 3, "damaged": 2}])
    assert states(shop, "A") == {"available": 21, "damaged": 2}
    assert [line[:3] for line in why(shop, "it")] == [
        ("available", 3, "correction"), ("available", -2, "damaged"), ("damaged", 2, "damaged")]  # fmt: skip
    tell(shop, "purchase_order.adjusted", "less", lines=[{"sku": "A", "delta": -1}])
    assert states(shop, "A") == {"available": 20, "damaged": 2}


def test_an_order_is_allocated_and_shipped(shop: Database) -> None:
    tell(shop, "order.allocated", "allocated")
    assert states(shop, "A") == {"available": 14, "committed": 6}
    tell(shop, "order.shipped", "shipped")
    assert states(shop, "A") == {"available": 14}
    assert {reason for _, _, reason, _ in why(shop, "allocated")} == {"reservation_created"}
    assert why(shop, "shipped") == [("committed", -6, "shipped", "D-1")]


def test_an_order_that_was_never_allocated_leaves_what_is_available(shop: Database) -> None:
    assert tell(shop, "order.shipped", "short") == ("rejected", ErrorCode.NOTHING_ALLOCATED)
    assert tell(shop, "order.shipped", allocated=False) == ("applied", None)
    assert states(shop, "A") == {"available": 14}


def test_a_cancelled_order_is_available_again(shop: Database) -> None:
    tell(shop, "order.allocated", "allocated")
    tell(shop, "order.cancelled", "cancelled", lines=[{**LINE, "quantity": 2}])
    assert states(shop, "A") == {"available": 16, "committed": 4}
    assert {reason for _, _, reason, _ in why(shop, "cancelled")} == {"reservation_deleted"}


@pytest.mark.parametrize(
    ("state", "reason"), [("available", "restock"), ("damaged", "damaged"), ("quality_control", "quality_control")]
)
def test_a_processed_return_goes_to_the_state_it_is_in(shop: Database, state: str, reason: str) -> None:
    tell(shop, "return.processed", lines=[{**LINE, "location_id": "b1", "state": state}])
    assert states(shop, "A", "b1") == {state: 6}
    assert why(shop, "it") == [(state, 6, reason, "D-1")]


def test_a_cycle_count_computes_the_difference(shop: Database) -> None:
    tell(shop, "order.allocated", "allocated")
    tell(shop, "cycle_count.completed", lines=[{"sku": "A", "counted": 17}, {"sku": "B", "counted": 2}])
    assert (states(shop, "A"), states(shop, "B")) == ({"available": 11, "committed": 6}, {"available": 2})
    assert [line[:3] for line in why(shop, "it")] == [
        ("available", -3, "cycle_count_available"), ("available", 2, "cycle_count_available")]  # fmt: skip


def test_a_cycle_count_can_be_guarded_by_what_the_counter_saw(shop: Database) -> None:
    stale = [{"sku": "A", "counted": 17, "expected_quantity": 19}]
    assert tell(shop, "cycle_count.completed", lines=stale) == ("rejected", ErrorCode.STALE_QUANTITY)


@pytest.mark.parametrize("type_", ["putaway.completed", "replenishment.completed"])
def test_units_are_carried_to_their_bin(shop: Database, type_: str) -> None:
    tell(shop, type_, lines=[{**LINE, "to_location_id": "b1"}])
    assert (states(shop, "A"), states(shop, "A", "b1")) == ({"available": 14}, {"available": 6})
    assert {(reason, document) for _, _, reason, document in why(shop, "it")} == {("movement_received", "D-1")}
    assert tell(shop, type_, "same", lines=[{**LINE, "from_location_id": "b1", "to_location_id": "b1"}]) == (
        "rejected", ErrorCode.SAME_LOCATION)  # fmt: skip


def test_a_message_whose_last_line_cannot_be_done_changes_nothing(shop: Database) -> None:
    lines = [LINE, {**LINE, "sku": "NOPE"}]
    assert tell(shop, "purchase_order.received", lines=lines) == ("rejected", ErrorCode.UNKNOWN_SKU)
    assert states(shop, "A") == {"available": 20}
