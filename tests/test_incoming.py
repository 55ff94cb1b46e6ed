"""Stock that is on its way: schedules, and transfers in two steps."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pipeline.commands.due import apply_due
from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import levels, outbox_results, results, states, why

A = {"warehouse_id": "w1", "sku": "A"}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def shop(audited: Database) -> Database:
    """The catalogue of `fill_catalogue`, and 20 of A available in the unassigned bin of w1."""
    fill_catalogue(audited)
    apply_commands([stock("opening", "add", 20)], audited)
    return audited


def codes(database: Database, *command_ids: str) -> list[str | None]:
    return [results(database)[i][1] for i in command_ids]


# Schedules ------------------------------------------------------------------------------------------------------------


def schedule(command_id: str, quantity: int = 5, due_at: datetime = NOON, **data: object) -> object:
    return order(command_id, "inventory.schedule", **A, quantity=quantity, due_at=due_at.isoformat(), **data)


def test_what_is_scheduled_is_incoming_until_it_is_due_and_then_available(shop: Database) -> None:
    apply_commands([schedule("s", document="PO-7", reason="received")], shop)
    assert states(shop, "A") == {"available": 20, "incoming": 5}
    assert apply_due(shop, NOON - timedelta(seconds=1)) == 0
    assert apply_due(shop, NOON) == 1
    assert apply_due(shop, NOON) == 0
    assert states(shop, "A") == {"available": 25}
    assert why(shop, "onhand:due:s") == [("available", 5, "received", "PO-7"), ("incoming", -5, "received", "PO-7")]


def test_a_schedule_that_is_cancelled_is_no_longer_incoming_and_never_applied(shop: Database) -> None:
    apply_commands(
        [schedule("s", schedule_id="PO-7"), order("c", "inventory.cancel-schedule", schedule_id="PO-7")], shop
    )
    assert (apply_due(shop, NOON), states(shop, "A")) == (0, {"available": 20})
    apply_commands([order("again", "inventory.cancel-schedule", schedule_id="PO-7")], shop)
    assert codes(shop, "s", "c", "again") == [None, None, "SCHEDULE_CLOSED"]


def test_lines_of_a_schedule_are_named_by_their_number(shop: Database) -> None:
    line = {**A, "quantity": 2, "due_at": NOON.isoformat()}
    apply_commands([order("s", "inventory.schedule", lines=[line, {**line, "location_id": "b1"}])], shop)
    apply_commands([order("c", "inventory.cancel-schedule", schedule_id="s:2")], shop)
    assert (states(shop, "A"), states(shop, "A", "b1")) == ({"available": 20, "incoming": 2}, {})


def test_schedules_that_do_not_fit_are_refused(shop: Database) -> None:
    apply_commands([schedule("1", schedule_id="S"), schedule("2", schedule_id="S"),
                    order("3", "inventory.cancel-schedule", schedule_id="NOPE")], shop)  # fmt: skip
    apply_commands([schedule("4", schedule_id="S")], shop)
    assert codes(shop, "1", "2", "3", "4") == [None, "SCHEDULE_EXISTS", "UNKNOWN_SCHEDULE", "SCHEDULE_EXISTS"]
    assert states(shop, "A")["incoming"] == 5


def test_another_account_cannot_cancel(shop: Database) -> None:
    apply_commands([schedule("s"), order("c", "inventory.cancel-schedule", schedule_id="s", account_id="other")], shop)
    assert results(shop, "other")["c"] == ("rejected", ErrorCode.UNKNOWN_SCHEDULE)


def test_two_schedulers_apply_each_schedule_once(shop: Database) -> None:
    apply_commands([schedule(f"s{n}", 1) for n in range(200)], shop)
    start = threading.Barrier(2)

    def scheduler() -> None:
        start.wait()
        while True:
            try:
                if not apply_due(shop, NOON):
                    return
            except TryLater:
                continue

    threads = [threading.Thread(target=scheduler) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(shop, "A") == {"available": 220}
    assert {r["status"] for r in outbox_results(shop)} <= {"duplicate"}


def test_a_due_schedule_that_does_not_fit_stays_due_until_it_does(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_commands([schedule("s")], shop)
    monkeypatch.setattr("pipeline.inventory.operations.MAX_LEVEL", 24)
    assert apply_due(shop, NOON) == 0
    assert states(shop, "A") == {"available": 20, "incoming": 5}
    monkeypatch.undo()
    assert apply_due(shop, NOON) == 1
    assert states(shop, "A") == {"available": 25}


@pytest.mark.parametrize("due_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 1893456000, "2027-01-01"])
def test_an_instant_that_not_every_part_can_hold_is_no_valid_message(due_at: object) -> None:
    with pytest.raises(ValidationError, match="due_at"):
        order("s", "inventory.schedule", **A, quantity=1, due_at=due_at)


def test_two_spellings_of_an_instant_are_one_order() -> None:
    one, other = (
        order("s", "inventory.schedule", **A, quantity=1, due_at=due_at)
        for due_at in ("2027-01-01T00:00:00Z", "2027-01-01T01:00:00+01:00")
    )
    assert one.body_hash == other.body_hash


def test_a_schedule_can_be_guarded_by_what_is_incoming(shop: Database) -> None:
    apply_commands([schedule("1", expected_quantity=0), schedule("2", expected_quantity=0),
                    schedule("3", expected_version=2)], shop)  # fmt: skip
    assert codes(shop, "1", "2", "3") == [None, "STALE_QUANTITY", None]


def test_a_providers_schedules_do_not_meet_the_customers(shop: Database) -> None:
    apply_commands([order("l", "account.link", provider_account_id="tpl"), schedule("1")], shop)
    apply_commands([schedule("1", account_id="tpl", customer_account_id="acme")], shop)
    assert results(shop, "tpl")["1"] == ("applied", None)
    apply_commands([order("x", "inventory.cancel-schedule", schedule_id="tpl:1")], shop)
    assert states(shop, "A")["incoming"] == 5


def test_what_is_on_its_way_arrives_though_the_product_has_left_the_warehouse_since(shop: Database) -> None:
    apply_commands([schedule("s"), order("p", "product.upsert", sku="A", warehouse_ids=["w2"])], shop)
    apply_commands([stock("late", "add", 1)], shop)
    assert results(shop)["late"] == ("rejected", ErrorCode.SKU_NOT_IN_WAREHOUSE)
    assert apply_due(shop, NOON) == 1
    assert states(shop, "A") == {"available": 25}


# Transfers ------------------------------------------------------------------------------------------------------------


def ship(command_id: str = "ship", quantity: int = 8, **data: object) -> object:
    head = {"transfer_id": "T1", "document": "TR-1", "from_warehouse_id": "w1", "to_warehouse_id": "w2"}
    return order(command_id, "transfer.shipped", **{**head, "lines": [{"sku": "A", "quantity": quantity}], **data})


def receive(command_id: str, quantity: int | None = None, **data: object) -> object:
    lines = None if quantity is None else [{"sku": "A", "quantity": quantity}]
    return order(command_id, "transfer.received", **{"transfer_id": "T1", "lines": lines, **data})


def test_a_shipped_transfer_is_incoming_at_its_target_until_it_is_received(shop: Database) -> None:
    apply_commands([ship()], shop)
    assert (states(shop, "A"), states(shop, "A", warehouse_id="w2")) == ({"available": 12}, {"incoming": 8})
    apply_commands([receive("r1", 3)], shop)
    assert states(shop, "A", warehouse_id="w2") == {"available": 3, "incoming": 5}
    apply_commands([receive("r2")], shop)
    assert states(shop, "A", warehouse_id="w2") == {"available": 8}
    assert why(shop, "r1") == [
        ("available", 3, "movement_received", "TR-1"),
        ("incoming", -3, "movement_received", "TR-1"),
    ]


def test_a_transfer_can_be_shipped_and_received_in_one_batch(shop: Database) -> None:
    apply_commands([ship(), receive("r1", 3), receive("r2", 5), receive("r3")], shop)
    assert codes(shop, "ship", "r1", "r2", "r3") == [None, None, None, "TRANSFER_CLOSED"]
    assert states(shop, "A", warehouse_id="w2") == {"available": 8}


def test_goods_can_be_put_elsewhere_than_they_were_expected(shop: Database) -> None:
    apply_commands([stock("w2", "add", 9, warehouse_id="w2"), ship(from_warehouse_id="w2", to_warehouse_id="w1")], shop)
    apply_commands([receive("r", lines=[{"sku": "A", "quantity": 8, "location_id": "b1"}])], shop)
    assert (states(shop, "A"), states(shop, "A", "b1")) == ({"available": 20}, {"available": 8})


def test_a_transfer_that_is_complete_loses_what_did_not_arrive(shop: Database) -> None:
    apply_commands([ship(), receive("r", 5, complete=True), receive("late", 1)], shop)
    assert states(shop, "A", warehouse_id="w2") == {"available": 5}
    assert why(shop, "r")[-1] == ("incoming", -3, "shrinkage", "TR-1")
    assert codes(shop, "late") == ["TRANSFER_CLOSED"]


def test_a_transfer_that_is_lost_altogether_is_closed_with_no_lines(shop: Database) -> None:
    apply_commands([ship(), receive("r", lines=[], complete=True)], shop)
    assert states(shop, "A", warehouse_id="w2") == {}
    with pytest.raises(ValidationError, match="without complete"):
        receive("r2", lines=[])


def test_lines_of_one_sku_are_received_in_their_order(shop: Database) -> None:
    apply_commands([stock("w2", "add", 9, warehouse_id="w2")], shop)
    lines = [{"sku": "A", "quantity": 2, "to_location_id": "b1"}, {"sku": "A", "quantity": 4}]
    apply_commands([ship(from_warehouse_id="w2", to_warehouse_id="w1", lines=lines), receive("r", 3)], shop)
    assert (states(shop, "A", "b1"), states(shop, "A")) == ({"available": 2}, {"available": 21, "incoming": 3})


def test_transfers_that_do_not_fit_are_refused_whole(shop: Database) -> None:
    apply_commands(
        [
            receive("early"), ship("short", 21), ship(), ship("again"), receive("much", 9),
            receive("other", lines=[{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}]),
            receive("where", lines=[{"sku": "A", "quantity": 1, "location_id": "b1"}]),
            ship("same", transfer_id="T2", to_warehouse_id="w1"),
        ],
        shop,
    )  # fmt: skip
    assert codes(shop, "early", "short", "ship", "again", "much", "other", "where", "same") == [
        "UNKNOWN_TRANSFER", "INSUFFICIENT_STOCK", None, "TRANSFER_EXISTS", "TRANSFER_EXCEEDED", "TRANSFER_EXCEEDED",
        "LOCATION_NOT_ALLOWED", "SAME_LOCATION"]  # fmt: skip
    assert (states(shop, "A"), states(shop, "A", warehouse_id="w2")) == ({"available": 12}, {"incoming": 8})


# Locations that stock is on its way to --------------------------------------------------------------------------------


def test_a_location_that_stock_is_on_its_way_to_is_not_deleted(shop: Database) -> None:
    apply_commands([schedule("s", location_id="b1")], shop)
    delete = {"warehouse_id": "w1", "location_id": "b1", "remove_inventory": True}
    apply_commands([order("1", "location.delete", **delete)], shop)
    apply_commands(
        [order("c", "inventory.cancel-schedule", schedule_id="s"), order("2", "location.delete", **delete)], shop
    )
    assert codes(shop, "1", "2") == ["LOCATION_NOT_EMPTY", None]
    assert ("w1", "A", "b1") in levels(shop)  # its ledger stays
