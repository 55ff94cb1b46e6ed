"""Commands on the real store: what a batch does to levels, ledger and results."""

import psycopg
import pytest

from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.commands.runs import runs
from pipeline.errors import TryLater
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from tests.support.orders import order, stock
from tests.support.reading import change_log, levels, outbox_results, results


@pytest.fixture
def shop(database: Database) -> Database:
    """Account acme: a dynamic warehouse w1 with bin b1, a static one w2, product A everywhere, B in w2 only."""
    apply_commands(
        [
            order("s1", "warehouse.upsert", warehouse_id="w1", name="One"),
            order("s2", "warehouse.upsert", warehouse_id="w2", name="Two", slotting="static"),
            order("s3", "location.create", warehouse_id="w1", location_id="b1", name="A-01"),
            order("s4", "product.upsert", sku="A", name="Anvil"),
            order("s5", "product.upsert", sku="B", warehouse_ids=["w2"]),
        ],
        database,
    )
    return database


def test_add_remove_and_replace_are_folded_in_order(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("2", "remove", 2), stock("3", "replace", 7)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (7, 3)}
    assert change_log(shop) == [(1, "available", 5, 5, "1"), (2, "available", -2, 3, "2"), (3, "available", 4, 7, "3")]


def test_each_level_of_a_batch_has_its_own_versions(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("2", "add", 1, location_id="b1"), stock("3", "add", 1)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (6, 2), ("w1", "A", "b1"): (1, 1)}


def test_a_replace_with_what_is_there_changes_nothing_but_is_applied(shop: Database) -> None:
    apply_commands([stock("1", "replace", 5)], shop)
    apply_commands([stock("2", "replace", 5)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (5, 1)}
    assert results(shop)["2"] == ("applied", None)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (stock("x", "add", 1, sku="NOPE"), ErrorCode.UNKNOWN_SKU),
        (stock("x", "add", 1, warehouse_id="w9"), ErrorCode.UNKNOWN_WAREHOUSE),
        (stock("x", "add", 1, location_id="b9"), ErrorCode.UNKNOWN_LOCATION),
        (stock("x", "add", 1, sku="B"), ErrorCode.SKU_NOT_IN_WAREHOUSE),
        (stock("x", "add", 1, warehouse_id="w2", location_id="b1"), ErrorCode.LOCATION_NOT_ALLOWED),
        (stock("x", "remove", 1), ErrorCode.INSUFFICIENT_STOCK),
        (order("x", "location.create", warehouse_id="w9", location_id="b", name="b"), ErrorCode.UNKNOWN_WAREHOUSE),
        (order("x", "location.create", warehouse_id="w2", location_id="b", name="b"), ErrorCode.LOCATION_NOT_ALLOWED),
        (order("x", "location.create", warehouse_id="w1", location_id="b1", name="b"), ErrorCode.LOCATION_EXISTS),
        (order("x", "location.create", warehouse_id="w1", location_id="b", name="A-01"), ErrorCode.LOCATION_EXISTS),
        (order("x", "warehouse.upsert", warehouse_id="w1", name="n", slotting="static"), ErrorCode.SLOTTING_IS_FIXED),
    ],
)
def test_a_command_that_breaks_a_rule_is_rejected_with_a_code_and_has_no_effect(
    shop: Database, command: ReceivedCommand, code: ErrorCode
) -> None:
    apply_commands([command], shop)
    assert results(shop)["x"] == ("rejected", code)
    assert change_log(shop) == []


def test_a_rejected_command_does_not_hinder_its_neighbours(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("2", "remove", 6), stock("3", "remove", 5)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (0, 2)}
    assert {k: v for k, v in results(shop).items() if k in "123"} == {
        "1": ("applied", None), "2": ("rejected", "INSUFFICIENT_STOCK"), "3": ("applied", None)}  # fmt: skip


def test_a_warehouse_may_allow_negative_stock(shop: Database) -> None:
    apply_commands([order("w", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=True)], shop)
    apply_commands([stock("1", "remove", 3)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (-3, 1)}


def test_a_repeat_has_no_effect_and_is_answered_with_the_first_result(shop: Database) -> None:
    apply_commands([stock("1", "add", 5)], shop)
    apply_commands([stock("1", "add", 5), stock("2", "add", 1)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (6, 2)}
    [answer] = outbox_results(shop)
    assert (answer["command_id"], answer["status"], answer["first"]) == ("1", "duplicate", "applied")
    assert answer["levels"][0]["on_hand"] == 5


def test_a_repeat_within_one_batch_takes_effect_once(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("1", "add", 5)], shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (5, 1)}
    assert [(answer["status"], answer["first"]) for answer in outbox_results(shop)] == [("duplicate", "applied")]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_the_same_id_with_another_body_is_refused(shop: Database, in_one_batch: bool) -> None:
    first, second = stock("1", "add", 5), stock("1", "add", 6)
    for batch in [[first, second]] if in_one_batch else [[first], [second]]:
        apply_commands(batch, shop)
    assert levels(shop) == {("w1", "A", "unassigned"): (5, 1)}
    [answer] = outbox_results(shop)
    assert (answer["status"], answer["code"]) == ("rejected", "IDEMPOTENCY_MISMATCH")


def test_accounts_do_not_see_each_other(shop: Database) -> None:
    apply_commands([stock("1", "add", 1, account_id="other")], shop)
    assert results(shop, "other")["1"] == ("rejected", "UNKNOWN_WAREHOUSE")


def test_skus_that_differ_by_unicode_form_are_one(shop: Database) -> None:
    apply_commands([order("p", "product.upsert", sku="Cafe\u0301")], shop)
    apply_commands([stock("1", "add", 2, sku="Caf\u00e9")], shop)
    assert levels(shop) == {("w1", "Caf\u00e9", "unassigned"): (2, 1)}


def test_a_true_repeat_is_a_duplicate_even_beside_a_false_one(shop: Database) -> None:
    apply_commands([stock("1", "add", 5)], shop)
    apply_commands([stock("1", "add", 6), stock("1", "add", 5)], shop)
    assert [answer["status"] for answer in outbox_results(shop)] == ["rejected", "duplicate"]


def test_an_upsert_without_a_name_keeps_the_name_within_a_batch_too(shop: Database) -> None:
    apply_commands(
        [
            order("n", "product.upsert", sku="N", name="Nail"),
            order("m", "product.upsert", sku="N", warehouse_ids=["w1"]),
        ],
        shop,
    )
    with shop.transaction() as connection:
        rows = connection.execute("SELECT name, warehouse_ids FROM products WHERE sku = 'N'").fetchall()
    assert rows == [("Nail", ["w1"])]


def test_the_fingerprint_of_an_order_leaves_out_what_it_does_not_say() -> None:
    assert stock("1", "add", 5).body_hash == stock("1", "add", 5, reason=None).body_hash
    assert stock("1", "add", 5).body_hash != stock("1", "add", 5, reason="received").body_hash


def test_a_server_that_is_not_ready_is_for_later_and_wrong_data_is_not(shop: Database) -> None:
    with pytest.raises(TryLater, match="read-only"), shop.transaction() as connection:
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute("DELETE FROM commands")
    with pytest.raises(TryLater, match="onhand db upgrade"), shop.transaction() as connection:
        connection.execute("SELECT * FROM a_table_of_the_next_version")
    with pytest.raises(psycopg.DataError), shop.transaction() as connection:
        connection.execute("SELECT 1 / 0")
    with pytest.raises(psycopg.DataError, match="10K"), shop.transaction() as connection:
        connection.execute("SELECT 'infinity'::timestamptz").fetchone()  # the driver refuses, not the server


def test_the_order_of_a_batch_holds_where_a_catalogue_command_changes_what_stock_relied_on(shop: Database) -> None:
    apply_commands([stock("add", "add", 7)], shop)
    apply_commands(
        [
            stock("before", "remove", 7), order("p", "product.upsert", sku="A", warehouse_ids=["w2"]),
            stock("after", "add", 1), order("d", "location.delete", warehouse_id="w1", location_id="b1"),
            order("c", "location.create", warehouse_id="w1", location_id="b1", name="A-01"),
        ],
        shop,
    )  # fmt: skip
    assert [results(shop)[i][1] for i in ("before", "p", "after", "d", "c")] == [
        None, None, "SKU_NOT_IN_WAREHOUSE", None, None]  # fmt: skip


def test_a_batch_is_carried_out_at_once_where_its_order_makes_no_difference() -> None:
    batch = [
        order("p1", "product.upsert", sku="P1"), stock("s1", "add", 1, sku="P1"),
        order("p2", "product.upsert", sku="P2"), stock("s2", "add", 1, sku="P2"), stock("s3", "add", 1, sku="P2"),
    ]  # fmt: skip
    assert [len(run) for run in runs(batch)] == [5]
    assert [len(run) for run in runs([*batch, order("p3", "product.upsert", sku="P1")])] == [5, 1]


def test_a_result_has_the_first_levels_of_many_and_says_how_many_changed(shop: Database) -> None:
    products = [order(f"p{n}", "product.upsert", sku=f"S{n}") for n in range(600)]
    counts = [{"sku": f"S{n}", "available": 1} for n in range(600)]
    place = {"channel": "shop", "external_location_id": "1"}
    link = order("l", "channel.link", **place, warehouse_id="w1")
    apply_commands([*products, link, order("c", "channel.counts", **place, counts=counts)], shop)
    with shop.transaction() as connection:
        row = connection.execute("SELECT change_count, json_array_length(levels) FROM commands WHERE command_id = 'c'")
        assert row.fetchone() == (600, 500)
