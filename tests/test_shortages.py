"""Where stock is short, the answer tells all states of the level, and advice that fits them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from schemas.errors import ErrorCode, RowError
from schemas.shortages import Holding, named
from tests.support.desk import Desk
from tests.support.orders import fill_catalogue, order, stock

NEGATIVE = "allow negative stock for the warehouse: warehouse.upsert with allow_negative=true"
LISTED = "`onhand allocations` lists them"
CHECK = "Check the quantity, or count the location"
STATES = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control", "incoming")


@pytest.fixture
def shop(audited: Database) -> Database:
    """10 of A in the unassigned bin of w1."""
    fill_catalogue(audited)
    apply_commands([stock("opening", "add", 10)], audited)
    return audited


def allocated(document: str, quantity: int) -> ReceivedCommand:
    lines = [{"sku": "A", "quantity": quantity}]
    return order(f"of {document}", "order.allocated", warehouse_id="w1", document=document, lines=lines)


def kept_apart(state: str, quantity: int) -> ReceivedCommand:
    return stock(state, "move", quantity, from_state="available", to_state=state)


def answer(database: Database, *batch: ReceivedCommand) -> str:
    """The message of the last command of a batch, which must be rejected for want of stock."""
    apply_commands(batch, database)
    with database.transaction() as connection:
        row = connection.execute(
            "SELECT code, message FROM commands WHERE command_id = %s", [batch[-1].command_id]
        ).fetchone()
    assert row is not None
    assert row[0] == ErrorCode.INSUFFICIENT_STOCK
    return str(row[1])


@pytest.mark.parametrize("together", [True, False])
def test_a_count_below_what_is_committed_names_the_orders_and_the_ways_out(shop: Database, together: bool) -> None:
    orders = [allocated("SO-2", 2), allocated("SO-1", 4)]
    count = order("cc", "cycle_count.completed", warehouse_id="w1", document="CC-1", lines=[{"sku": "A", "counted": 4}])
    if together:
        words = answer(shop, *orders, count)
    else:
        apply_commands(orders, shop)
        words = answer(shop, count)
    assert words == (
        "The level holds less in this state than the change takes: 4 counted, found available 4, committed 6 (A in "
        f"unassigned of w1). 6 are committed to orders (SO-1, SO-2): ship or cancel them, {LISTED}, or {NEGATIVE}."
    )


@pytest.mark.parametrize(
    ("before", "refused", "found", "advice"),
    [
        ([], stock("x", "remove", 12), "12 of available asked, found available 10 (A in unassigned of w1)",
         f"{CHECK}, or {NEGATIVE}."),
        ([kept_apart("damaged", 10)], stock("x", "remove", 1), "1 of available asked, found available 0, damaged 10",
         f"{CHECK}, or bring back what is damaged with inventory.move, or {NEGATIVE}."),
        ([kept_apart("damaged", 2), kept_apart("safety_stock", 3), kept_apart("reserved", 1)], stock("x", "replace", 3),
         "3 counted, found available 4, reserved 1, damaged 2, safety_stock 3",
         f"or bring back what is reserved and damaged and safety_stock with inventory.move, or {NEGATIVE}."),
        ([kept_apart("damaged", 2)], stock("x", "move", 3, from_state="damaged", to_state="available"),
         "3 of damaged asked, found available 8, damaged 2",
         "Check the quantity and the state, or count the location."),
        ([kept_apart("damaged", 2)], stock("x", "move", 3, from_state="reserved", to_state="available"),
         "3 of reserved asked, found available 8, reserved 0, damaged 2", "Check the quantity and the state"),
        ([allocated("SO-1", 1), kept_apart("damaged", 2)], allocated("SO-2", 9),
         "9 of available asked, found available 7, committed 1, damaged 2",
         f"1 is committed to orders (SO-1): ship or cancel them, {LISTED}, or bring back what is damaged"),
        ([allocated("SO-1", 6)], stock("x", "replace", 4, whole_warehouse=True),
         "4 counted, found available 4, committed 6 (A in w1)",
         "6 are committed to orders (SO-1): ship or cancel them"),
        ([allocated("SO-1", 6)], order("x", "order.shipped", warehouse_id="w1", document="SO-9", allocated=False,
                                       lines=[{"sku": "A", "quantity": 5}]),
         "5 of available asked, found available 4, committed 6", "6 are committed to orders (SO-1)"),
        ([stock("soon", "schedule", 4, due_at="2101-01-01T00:00:00Z")], stock("x", "remove", 12),
         "found available 10, incoming 4", CHECK),
        ([allocated(f"SO-{n}", 1) for n in range(5)], stock("x", "remove", 6),
         "found available 5, committed 5", "5 are committed to orders (SO-0, SO-1, SO-2 and more)"),
    ],
)  # fmt: skip
def test_a_command_is_told_all_states_and_what_can_be_done(
    shop: Database, before: list[ReceivedCommand], refused: ReceivedCommand, found: str, advice: str
) -> None:
    words = answer(shop, *before, refused)
    assert found in words
    assert advice in words


def test_the_line_that_is_short_is_named_and_how_the_lines_before_it_have_left_its_level(shop: Database) -> None:
    lines = [{"warehouse_id": "w1", "sku": "A", "quantity": quantity} for quantity in (7, 4)]
    words = answer(shop, stock("b", "add", 99, sku="B"), order("x", "inventory.remove", lines=lines))
    assert "4 of available asked, found available 3 (A in unassigned of w1)" in words


def test_an_order_that_was_cancelled_is_not_named(shop: Database) -> None:
    cancelled = order("c", "order.cancelled", warehouse_id="w1", document="SO-1", lines=[{"sku": "A", "quantity": 3}])
    words = answer(shop, allocated("SO-1", 3), allocated("SO-2", 3), cancelled, stock("x", "replace", 2))
    assert "3 are committed to orders (SO-2)" in words


def test_a_row_of_a_file_is_told_the_same(desk: Desk) -> None:
    apply_commands([stock("opening", "add", 10), allocated("SO-44", 6)], desk.database)
    sync_id = desk.sync("sku,quantity,reason\nA,4,cycle count\nB,41,cycle count\n")
    assert desk.counts(sync_id)[:4] == ("partial", 2, 1, 1)
    [[[error]]] = desk.ask("SELECT errors FROM sync_items WHERE sync_id = %s AND status = 'error'", sync_id)
    assert error["found"] == "available 4, committed 6; committed to SO-44"
    assert RowError.model_validate(error).message == (
        "The level holds less in this state than the change takes: '4'. 6 are committed to orders (SO-44): ship or "
        f"cancel them, {LISTED}, or {NEGATIVE}. Found: available 4, committed 6; committed to SO-44."
    )
    apply_commands([order("w", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=True)], desk.database)
    again = desk.sync("sku,quantity,reason\nA,4,cycle count\nB,41,cycle count\n", force=True)
    assert desk.counts(again)[0] == "success"
    assert desk.ask("SELECT on_hand, committed, available FROM levels WHERE sku = 'A'") == [(4, 6, -2)]


@pytest.mark.parametrize(
    ("policy", "rows"),
    [
        ({}, "A,4,,\n"),
        ({"on_error": "all_or_nothing"}, "A,4,,\n"),
        ({"dry_run": True}, "A,4,,\n"),
        ({}, "A,5,remove,\nB,0,move,A-01\n"),
        ({}, "A,1,remove,\nA,4,remove,\nB,0,add,\n"),
        ({"duplicates": "sum"}, "A,1,remove,\nA,4,remove,\n"),
        ({}, "A,9,move,A-01\nB,0,add,\n"),
    ],
)  # fmt: skip
def test_under_each_policy_a_row_is_told_the_states_of_its_level(
    desk: Desk, policy: dict[str, object], rows: str
) -> None:
    apply_commands([stock("opening", "add", 10), stock("b", "add", 5, sku="B"), allocated("SO-44", 6)], desk.database)
    sync_id = desk.sync(f"sku,quantity,action,to_location\n{rows}", **policy)
    found = desk.ask(
        "SELECT error ->> 'found' FROM sync_items, jsonb_array_elements(errors) AS error "
        "WHERE sync_id = %s AND error ->> 'code' = 'INSUFFICIENT_STOCK'", sync_id)  # fmt: skip
    duplicates = "A,1" in rows and not policy
    assert {words for (words,) in found} == (set() if duplicates else {"available 4, committed 6; committed to SO-44"})


def test_a_warehouse_with_negative_stock_names_the_levels_that_stand_in_the_way(shop: Database) -> None:
    apply_commands(
        [
            order("on", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=True), allocated("SO-1", 6),
            stock("count", "replace", 4), *(stock(f"debt {sku}", "remove", 1, sku=sku) for sku in "BCD"),
            order("off", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=False),
        ],
        shop,
    )  # fmt: skip
    with shop.transaction() as connection:
        [(code, words)] = connection.execute("SELECT code, message FROM commands WHERE command_id = 'off'").fetchall()
    assert code == ErrorCode.NEGATIVE_STOCK_EXISTS
    assert "-2 of A in unassigned of w1, -1 of B in unassigned of w1, -1 of C in unassigned of w1 and more." in words
    assert "cancel orders that it is committed to" in words


documents = st.lists(st.text("SO-1 ,;()é", min_size=1, max_size=6), max_size=5, unique=True)
units = st.dictionaries(st.sampled_from(STATES[1:]), st.integers(1, 99))


@given(st.integers(-5, 99), units, documents)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_and_the_code_have_the_same_words_and_read_them(
    database: Database, available: int, beside: dict[str, int], promised: list[str]
) -> None:
    with database.transaction() as connection:
        row = connection.execute(
            "INSERT INTO levels (account_id, warehouse_id, sku, location_id, lot_id, available, committed, reserved, "
            "damaged, safety_stock, quality_control, incoming) "
            "VALUES ('a', 'w', 's', 'l', gen_random_uuid()::text, %s, %s, %s, %s, %s, %s, %s) RETURNING level_id",
            [available, *(beside.get(state, 0) for state in STATES[1:])],
        ).fetchone()
        assert row is not None
        for document in promised:
            connection.execute("INSERT INTO allocations VALUES ('a', %s, %s, 1)", [document, row[0]])
        [found] = connection.execute("SELECT shortage_found(%s, %s)", [row[0], str(available)]).fetchone() or ["none"]
    states = {state: beside[state] for state in STATES[1:] if state in beside}
    holding = Holding({"available": available} | states, named(sorted(promised, key=str.encode)))
    assert found == holding.words
    assert Holding.parse(found) == holding
