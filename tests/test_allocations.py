"""Committed units belong to the document of an order: nobody ships or cancels what is committed to another one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import results, states

APPLIED = ("applied", None)
NOTHING = ("rejected", "NOTHING_ALLOCATED")
EXCEEDED = ("rejected", "ALLOCATION_EXCEEDED")
NFD, NFC = "SO-e\u0301", "SO-\u00e9"


@pytest.fixture
def shop(audited: Database) -> Database:
    """20 of A in the unassigned bin of w1 and 5 in its bin b1; afterwards the audit finds nothing."""
    fill_catalogue(audited)
    apply_commands([stock("opening", "add", 20), stock("bin", "add", 5, location_id="b1")], audited)
    return audited


def told(event: str, document: str, *quantities: int, command_id: str | None = None, **more: object) -> ReceivedCommand:
    """A message about A in w1, with a line for each quantity unless `more` has lines."""
    lines = [{"sku": "A", "quantity": quantity} for quantity in quantities]
    name = command_id or f"{event} {document}"
    return order(name, f"order.{event}", **{"warehouse_id": "w1", "document": document, "lines": lines, **more})


def give(database: Database, *batch: ReceivedCommand) -> list[tuple[str, str | None]]:
    """What became of each command of one batch."""
    apply_commands(batch, database)
    found = results(database)
    return [found[each.command_id] for each in batch]


def one_by_one(database: Database, *batch: ReceivedCommand) -> list[tuple[str, str | None]]:
    return [outcome for each in batch for outcome in give(database, each)]


def held(database: Database) -> dict[tuple[str, str], int]:
    """Document and location → open units."""
    query = "SELECT document, location_id, quantity FROM allocations JOIN levels USING (account_id, level_id)"
    with database.transaction() as connection:
        return {(document, location): quantity for document, location, quantity in connection.execute(query)}


def message(database: Database, command_id: str) -> str:
    with database.transaction() as connection:
        row = connection.execute("SELECT message FROM commands WHERE command_id = %s", [command_id]).fetchone()
    assert row is not None
    return str(row[0])


Given = Callable[..., list[tuple[str, str | None]]]
both_ways = pytest.mark.parametrize("given", [give, one_by_one], ids=["in one batch", "one by one"])


@both_ways
def test_an_order_that_is_cancelled_twice_frees_no_unit_of_another_order(shop: Database, given: Given) -> None:
    outcomes = given(
        shop, told("allocated", "SO-1", 3), told("allocated", "SO-2", 3), told("cancelled", "SO-1", 3),
        told("cancelled", "SO-1", 3, command_id="again"), told("shipped", "SO-2", 3),
    )  # fmt: skip
    assert outcomes == [APPLIED, APPLIED, APPLIED, NOTHING, APPLIED]
    assert states(shop, "A") == {"available": 17}
    assert held(shop) == {}


@both_ways
def test_an_order_that_was_shipped_is_not_cancelled(shop: Database, given: Given) -> None:
    outcomes = given(
        shop, told("allocated", "SO-3", 2), told("allocated", "SO-4", 2), told("shipped", "SO-3", 2),
        told("cancelled", "SO-3", 2),
    )  # fmt: skip
    assert outcomes == [APPLIED, APPLIED, APPLIED, NOTHING]
    assert states(shop, "A") == {"available": 16, "committed": 2}
    assert held(shop) == {("SO-4", "unassigned"): 2}


@both_ways
def test_a_shipment_that_comes_before_its_allocation_can_be_sent_again_after_it(shop: Database, given: Given) -> None:
    outcomes = given(
        shop, told("allocated", "SO-8", 5), told("shipped", "SO-9", 2), told("allocated", "SO-9", 2),
        told("shipped", "SO-9", 2, command_id="again"),
    )  # fmt: skip
    assert outcomes == [APPLIED, NOTHING, APPLIED, APPLIED]
    assert states(shop, "A") == {"available": 13, "committed": 5}


def test_a_shipment_without_an_allocation_is_told_what_is_missing_and_what_to_do(shop: Database) -> None:
    assert give(shop, told("shipped", "SO-9", 2)) == [NOTHING]
    words = message(shop, "shipped SO-9")
    assert "SO-9 has 0 of 2 units of A in unassigned of w1." in words
    assert "Send order.allocated first" in words
    assert "allocated: false" in words
    assert give(shop, told("shipped", "SO-9", 2, command_id="so", allocated=False)) == [APPLIED]
    assert states(shop, "A") == {"available": 18}


def test_a_cancellation_that_comes_twice_is_told_that_nothing_has_to_be_done(shop: Database) -> None:
    first, again = told("cancelled", "SO 9", 2), told("cancelled", "SO 9", 2, command_id="again")
    assert give(shop, told("allocated", "SO 9", 2), first, again) == [APPLIED, APPLIED, NOTHING]
    words = message(shop, "again")
    assert "SO 9 has 0 of 2 units of A in unassigned of w1." in words
    assert "`onhand log --document 'SO 9'`), nothing has to be done." in words
    assert "order.allocated" not in words


def test_an_order_can_be_shipped_and_cancelled_in_parts_and_never_beyond_what_is_open(shop: Database) -> None:
    give(shop, told("allocated", "SO-1", 6))
    parts = [
        told("shipped", "SO-1", 2), told("cancelled", "SO-1", 1), told("shipped", "SO-1", 4, command_id="more"),
        told("shipped", "SO-1", 3, command_id="rest"), told("shipped", "SO-1", 1, command_id="none"),
    ]  # fmt: skip
    assert give(shop, *parts) == [APPLIED, APPLIED, EXCEEDED, APPLIED, NOTHING]
    assert "SO-1 has 3 of 4 units of A in unassigned of w1" in message(shop, "more")
    assert states(shop, "A") == {"available": 15}


def test_what_is_allocated_in_two_messages_is_one_allocation(shop: Database) -> None:
    one_by_one(shop, told("allocated", "SO-1", 2), told("allocated", "SO-1", 3, command_id="more"))
    assert held(shop) == {("SO-1", "unassigned"): 5}
    assert give(shop, told("shipped", "SO-1", 5)) == [APPLIED]


@both_ways
def test_two_lines_on_one_level_take_from_the_same_units(shop: Database, given: Given) -> None:
    outcomes = given(
        shop, told("allocated", "SO-1", 3, 2), told("cancelled", "SO-1", 3, 3),
        told("cancelled", "SO-1", 1, 4, command_id="x"),
    )  # fmt: skip
    assert outcomes == [APPLIED, EXCEEDED, APPLIED]
    assert held(shop) == {}
    assert states(shop, "A") == {"available": 20}


@both_ways
def test_where_one_line_cannot_be_done_no_allocation_changes(shop: Database, given: Given) -> None:
    there, gone = {"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 2}
    outcomes = given(
        shop, told("allocated", "SO-1", 2), told("allocated", "SO-1", command_id="too much", lines=[there, gone]),
        told("cancelled", "SO-1", command_id="not there", lines=[there, gone]), told("shipped", "SO-1", 2),
    )  # fmt: skip
    assert outcomes == [APPLIED, ("rejected", "INSUFFICIENT_STOCK"), NOTHING, APPLIED]
    assert held(shop) == {}


def test_a_failed_allocation_of_one_line_leaves_nothing_open(shop: Database) -> None:
    outcomes = give(shop, told("allocated", "SO-1", 99), told("shipped", "SO-1", 1))
    assert outcomes == [("rejected", "INSUFFICIENT_STOCK"), NOTHING]
    assert held(shop) == {}


def test_units_are_allocated_level_by_level_and_the_answer_says_where_the_document_has_some(shop: Database) -> None:
    in_bin = [{"sku": "A", "quantity": 2, "location_id": "b1"}]
    assert give(shop, told("allocated", "SO-1", lines=in_bin)) == [APPLIED]
    assert give(shop, told("shipped", "SO-1", 2)) == [NOTHING]
    assert "SO-1 has 0 of 2 units of A in unassigned of w1; it has 2 of A in b1 of w1." in message(shop, "shipped SO-1")
    assert give(shop, told("shipped", "SO-1", command_id="right", lines=in_bin)) == [APPLIED]


def test_an_answer_names_few_of_many_other_levels(audited: Database) -> None:
    fill_catalogue(audited, skus=12)
    skus = [f"S{n}" for n in range(12)]
    apply_commands([stock(sku, "add", 1, sku=sku) for sku in skus], audited)
    lines = [{"sku": sku, "quantity": 1} for sku in skus]
    assert give(audited, told("allocated", "SO-1", lines=lines)) == [APPLIED]
    assert give(audited, told("shipped", "SO-1", 1)) == [NOTHING]
    assert message(audited, "shipped SO-1").count("1 of S") == 3
    assert "and more" in message(audited, "shipped SO-1")
    assert give(audited, told("shipped", "SO-1", command_id="right", lines=lines)) == [APPLIED]


def test_a_document_is_of_the_account_whose_stock_it_is(shop: Database) -> None:
    provider = {"account_id": "3pl", "customer_account_id": "acme"}
    apply_commands([order("link", "account.link", provider_account_id="3pl")], shop)
    apply_commands([told("allocated", "SO-1", 3, **provider)], shop)
    assert give(shop, told("cancelled", "SO-1", 1)) == [APPLIED]
    apply_commands([told("shipped", "SO-1", 2, **provider)], shop)
    assert results(shop, "3pl")["shipped SO-1"] == APPLIED
    other = {"account_id": "other"}
    apply_commands(
        [
            order("w", "warehouse.upsert", warehouse_id="w1", name="One", **other),
            order("p", "product.upsert", sku="A", **other), stock("s", "add", 5, **other),
            told("allocated", "SO-1", 3), told("shipped", "SO-1", 3, command_id="theirs", **other),
        ],
        shop,
    )  # fmt: skip
    assert results(shop, "other")["theirs"] == NOTHING


def test_lots_are_levels_of_their_own(shop: Database) -> None:
    milk = {"sku": "MILK", "quantity": 2}
    apply_commands([order("p", "product.upsert", sku="MILK", lot_tracked=True)], shop)
    apply_commands([order(lot, "lot.upsert", sku="MILK", lot_id=lot) for lot in ("l1", "l2")], shop)
    apply_commands([stock(f"s{lot}", "add", 5, sku="MILK", lot_id=lot) for lot in ("l1", "l2")], shop)
    assert give(shop, told("allocated", "SO-1", lines=[{**milk, "lot_id": "l1"}])) == [APPLIED]
    assert give(shop, told("shipped", "SO-1", lines=[{**milk, "lot_id": "l2"}])) == [NOTHING]
    assert "0 of 2 units of MILK lot l2 in unassigned of w1; it has 2 of MILK lot l1" in message(shop, "shipped SO-1")


def test_the_number_of_a_document_is_the_same_in_each_unicode_form(shop: Database) -> None:
    assert (
        give(shop, told("allocated", NFD, 2, command_id="a"), told("shipped", NFC, 2, command_id="b")) == [APPLIED] * 2
    )


@pytest.mark.parametrize("number", ["so-1", "SO-1 ", "SO-10"])
def test_another_number_is_another_document(shop: Database, number: str) -> None:
    outcomes = give(shop, told("allocated", "SO-1", 2, command_id="a"), told("shipped", number, 2, command_id="b"))
    assert outcomes == [APPLIED, NOTHING]


def test_a_location_with_committed_units_cannot_be_emptied(shop: Database) -> None:
    in_bin = [{"sku": "A", "quantity": 2, "location_id": "b1"}]
    delete = {"warehouse_id": "w1", "location_id": "b1", "remove_inventory": True}
    outcomes = give(
        shop, told("allocated", "SO-1", lines=in_bin), order("d", "location.delete", **delete),
        told("cancelled", "SO-1", lines=in_bin), order("d2", "location.delete", **delete),
    )  # fmt: skip
    assert outcomes == [APPLIED, ("rejected", "LOCATION_NOT_EMPTY"), APPLIED, APPLIED]
    assert "A: 2 committed to orders" in message(shop, "d")
    assert "onhand allocations" in message(shop, "d")


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("inventory.replace", {"sku": "A", "quantity": 9}),
        ("inventory.replace", {"sku": "A", "quantity": 14, "whole_warehouse": True}),
        ("inventory.set", {"sku": "A", "quantity": 0, "state": "available"}),
        ("inventory.remove", {"sku": "A", "quantity": 14}),
        ("inventory.move", {"sku": "A", "quantity": 3, "from_state": "available", "to_state": "damaged"}),
        ("cycle_count.completed", {"document": "SO-1", "lines": [{"sku": "A", "counted": 6}]}),
        ("return.processed", {"document": "SO-1", "lines": [{"sku": "A", "quantity": 2}]}),
        ("putaway.completed", {"document": "SO-1", "lines": [{"sku": "A", "to_location_id": "b1", "quantity": 9}]}),
        ("purchase_order.adjusted", {"document": "SO-1", "lines": [{"sku": "A", "delta": -14}]}),
        ("order.shipped", {"document": "SO-1", "allocated": False, "lines": [{"sku": "A", "quantity": 14}]}),
    ],
)
def test_whatever_else_happens_to_a_level_leaves_its_allocations_alone(
    shop: Database, type_: str, data: dict[str, object]
) -> None:
    give(shop, told("allocated", "SO-1", 6))
    assert give(shop, order("x", type_, warehouse_id="w1", **data)) == [APPLIED]
    assert states(shop, "A")["committed"] == 6
    assert held(shop) == {("SO-1", "unassigned"): 6}


@pytest.mark.parametrize(
    ("type_", "data", "code"),
    [
        ("inventory.adjust", {"state": "committed", "delta": -1}, "STATE_NOT_ADJUSTABLE"),
        ("inventory.move", {"from_state": "committed", "to_state": "damaged", "quantity": 1}, "MOVE_NOT_ALLOWED"),
        ("inventory.move", {"from_state": "available", "to_state": "committed", "quantity": 1}, "MOVE_NOT_ALLOWED"),
    ],
)
def test_committed_units_change_by_orders_only(shop: Database, type_: str, data: dict[str, object], code: str) -> None:
    give(shop, told("allocated", "SO-1", 6))
    assert give(shop, order("x", type_, warehouse_id="w1", sku="A", **data)) == [("rejected", code)]


def test_orders_keep_what_they_were_promised_where_stock_is_negative(shop: Database) -> None:
    apply_commands([order("w", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=True)], shop)
    outcomes = give(
        shop, told("allocated", "SO-1", 25), stock("count", "replace", 4), told("cancelled", "SO-1", 5),
        told("shipped", "SO-1", 21), told("shipped", "SO-1", 20, command_id="all"),
    )  # fmt: skip
    assert outcomes == [APPLIED, APPLIED, APPLIED, EXCEEDED, APPLIED]
    assert states(shop, "A") == {"available": -16}


def test_of_two_that_cancel_an_order_at_once_one_is_applied(shop: Database) -> None:
    give(shop, told("allocated", "SO-1", 3), told("allocated", "SO-2", 3))
    barrier = Barrier(6)

    def cancel(number: int) -> None:
        barrier.wait()
        apply_commands([told("cancelled", "SO-1", 3, command_id=f"cancel {number}")], shop)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(cancel, range(6)))
    found = results(shop)
    assert sorted(found[f"cancel {number}"] for number in range(6)) == [APPLIED, *[NOTHING] * 5]
    assert states(shop, "A") == {"available": 17, "committed": 3}


def test_batches_without_orders_do_not_read_allocations(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("allocations were read")

    for name in ("open_allocations", "documents_of_levels"):
        monkeypatch.setattr(f"pipeline.commands.stock.{name}", never)
    monkeypatch.setattr("pipeline.commands.handler.write_allocations", never)
    unallocated = told("shipped", "SO-1", 2, allocated=False)
    assert give(shop, stock("a", "add", 2), stock("r", "remove", 99), unallocated) == [
        APPLIED, ("rejected", "INSUFFICIENT_STOCK"), APPLIED]  # fmt: skip
