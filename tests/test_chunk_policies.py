"""Chunks on the real store: copies of rows, owners of stock, dry runs, all or nothing, aborts."""

import pytest

from pipeline.store import chunks
from pipeline.store.chunks import Effect
from pipeline.store.database import Database
from schemas.states import Duplicates, ItemStatus
from tests.support.chunks import (
    Row,
    apply_rows,
    codes,
    fill_house,
    fill_level,
    insert_job,
    items,
    levels,
    numbered,
    open_chunk,
    row,
    work,
)
from tests.support.giving import give, new, rows


@pytest.fixture
def house(audited: Database) -> Database:
    """A catalogue of acme and one of its customer, shop."""
    fill_house(audited)
    return audited


# Copies ---------------------------------------------------------------------------------------------------------------


SAME = [row("A", 3, location="unassigned"), row("B"), row("A", 4, location="")]


def test_copies_are_in_error_each(house: Database) -> None:
    applied = apply_rows(house, *SAME)
    assert applied.fates == ["DUPLICATE_ROW", "success", "DUPLICATE_ROW"]
    assert applied.items[0]["errors"][0]["value"] == "A in unassigned"


def test_the_last_copy_counts(house: Database) -> None:
    applied = apply_rows(house, *SAME, duplicates=Duplicates.LAST)
    assert applied.fates == ["skipped", "success", "success"]
    assert (codes(applied.items[0]), applied.items[0]["merged_into"]) == (["SUPERSEDED"], 3)
    assert levels(house)["acme", "A", "unassigned"] == 4


@pytest.mark.parametrize("last", [row("A", "x"), row("A", 1, "remove")])
def test_a_last_copy_in_error_takes_nobodys_place(house: Database, last: Row) -> None:
    applied = apply_rows(house, row("A", 0), row("A", 3), last, duplicates=Duplicates.LAST)
    assert applied.fates[:2] == ["DUPLICATE_ROW"] * 2
    assert applied.items[2]["status"] == "error"
    assert [item["merged_into"] for item in applied.items] == [None] * 3


@pytest.mark.parametrize(("action", "on_hand"), [("replace", 7), ("add", 17), ("remove", 3)])
def test_copies_are_summed_into_one_change(house: Database, action: str, on_hand: int) -> None:
    fill_level(house, 10)
    applied = apply_rows(house, row("A", 3, action), row("B"), row("A", 4, action), duplicates=Duplicates.SUM)
    assert applied.fates == ["success"] * 3
    assert [(item["merged_into"], item["version"]) for item in applied.items] == [(3, None), (None, 1), (None, 2)]
    assert levels(house)["acme", "A", "unassigned"] == on_hand


@pytest.mark.parametrize(
    ("first", "second", "fates"),
    [
        (row("A", 1, "add"), row("A", 1, "remove"), ["DUPLICATE_ROW", "DUPLICATE_ROW"]),
        (row("A", 1, "add"), row("A", "x", "add"), ["DUPLICATE_ROW", "QUANTITY_NOT_AN_INTEGER"]),
        (row("A", 10**9, "add"), row("A", 1, "add"), ["QUANTITY_TOO_LARGE", "QUANTITY_TOO_LARGE"]),
        (row("A", 4, "remove"), row("A", 4, "remove"), ["INSUFFICIENT_STOCK", "INSUFFICIENT_STOCK"]),
        (row("A", 1, expected_quantity="5"), row("A", 1, expected_quantity="6"), ["DUPLICATE_ROW", "DUPLICATE_ROW"]),
        (row("A", 1, expected_quantity="6"), row("A", 1), ["STALE_QUANTITY", "STALE_QUANTITY"]),
        (row("A", 2, "move", to_location="A-01"), row("A", 2, "move", to_location="A-01"), ["success", "success"]),
        (row("A", 2, "move", to_location="A-01"), row("A", 2, "remove"), ["success", "success"]),
    ],
)
def test_copies_that_cannot_be_summed_are_in_error(house: Database, first: Row, second: Row, fates: list[str]) -> None:
    fill_level(house, 5)
    assert apply_rows(house, first, second, duplicates=Duplicates.SUM).fates == fates


def test_moves_are_copies_only_where_both_ends_are_the_same(house: Database) -> None:
    give(house, new("location.create", warehouse_id="w1", location_id="b2", name="A-02"))
    fill_level(house, 5)
    applied = apply_rows(house, *(row("A", 1, "move", to_location=name) for name in ("A-01", "A-02")), row("A", 2))
    assert applied.fates == ["success"] * 3
    assert levels(house) == {("acme", "A", "b1"): 1, ("acme", "A", "b2"): 1, ("acme", "A", "unassigned"): 2}


# Owners ---------------------------------------------------------------------------------------------------------------


def test_a_row_changes_the_stock_of_the_customer_that_it_names(house: Database) -> None:
    applied = apply_rows(
        house, row("A", 3), row("A", 5, customer_account_id="shop"), row("B", 1, customer_account_id="acme")
    )
    assert applied.fates == ["success"] * 3
    assert levels(house) == {
        ("acme", "A", "unassigned"): 3, ("shop", "A", "unassigned"): 5, ("acme", "B", "unassigned"): 1
    }  # fmt: skip
    lines = rows(house, "SELECT account_id, provider_account_id, sync_row FROM change_log ORDER BY sync_row")
    assert lines == [("acme", None, 1), ("shop", "acme", 2), ("acme", None, 3)]
    batches = rows(house, "SELECT account_id, change_count FROM outbox WHERE change_count > 0 ORDER BY account_id")
    assert batches == [("acme", 2), ("shop", 1)]
    mismatched = rows(
        house, "SELECT 1 FROM change_log AS c JOIN outbox AS o USING (batch_id) WHERE o.account_id <> c.account_id"
    )
    assert not mismatched


def test_the_owner_of_a_job_is_that_of_rows_that_name_none(house: Database) -> None:
    applied = apply_rows(house, row("A", 3), row("B", 4, customer_account_id="acme"), customer_account_id="shop")
    assert levels(house) == {("shop", "A", "unassigned"): 3, ("acme", "B", "unassigned"): 4}
    assert {item["account_id"] for item in applied.items} == {"acme"}


@pytest.mark.parametrize("scope", ["read", None])
def test_nothing_is_told_of_a_customer_that_does_not_let_acme_write(house: Database, scope: str | None) -> None:
    link = {"account_id": "shop", "provider_account_id": "acme"}
    give(house, new("account.link", **link, scope=scope) if scope else new("account.unlink", **link))
    fill_level(house, 3, account_id="shop")
    given = row("nope", "x", location="Z", lot="l1", customer_account_id="shop")
    applied = apply_rows(house, given, row("A", 5, customer_account_id="shop"), row("A", customer_account_id="nobody"))
    assert applied.fates == ["FORBIDDEN_ACCOUNT QUANTITY_NOT_AN_INTEGER", "FORBIDDEN_ACCOUNT", "FORBIDDEN_ACCOUNT"]
    assert [item["level_id"] for item in applied.items] == [None] * 3
    assert applied.items[1]["errors"] == [
        {"code": "FORBIDDEN_ACCOUNT", "field": "customer_account_id", "value": "shop"}
    ]  # fmt: skip
    assert levels(house) == {("shop", "A", "unassigned"): 3}


def test_the_customer_needs_a_warehouse_of_that_id(house: Database) -> None:
    applied = apply_rows(house, row("A", customer_account_id="shop"), row("A", location="Q"), warehouse_id="w2")
    assert applied.fates == ["UNKNOWN_WAREHOUSE", "LOCATION_NOT_ALLOWED"]


def test_rows_of_one_level_are_copies_however_they_name_its_owner(house: Database) -> None:
    assert apply_rows(house, row("A"), row("A", customer_account_id="acme")).fates == ["DUPLICATE_ROW"] * 2
    assert apply_rows(house, row("A"), row("A", customer_account_id="shop")).fates == ["success"] * 2


def test_levels_of_lots_are_levels_of_their_own(house: Database) -> None:
    applied = apply_rows(
        house, row("L", 3, lot="l1"), row("L", 4, lot="l2"), row("L", 1, "add", lot="l1", location="A-01")
    )
    assert applied.fates == ["success"] * 3
    assert apply_rows(house, row("L", 2, "move", lot="l1", to_location="A-01")).fates == ["success"]
    assert levels(house) == {
        ("acme", "L", "unassigned", "l1"): 1, ("acme", "L", "unassigned", "l2"): 4, ("acme", "L", "b1", "l1"): 3
    }  # fmt: skip


# Effects --------------------------------------------------------------------------------------------------------------


MIXED = [row("A", 2, "move", to_location="A-01"), row("B", 4), row("C", 1, "remove"), row("nope"), row("D", 0)]


def test_a_check_tells_what_would_become_of_each_row_and_changes_nothing(house: Database) -> None:
    fill_level(house, 5)
    before = rows(house, "SELECT * FROM levels"), rows(house, "SELECT * FROM outbox ORDER BY batch_id")
    checked = apply_rows(house, *MIXED, effect=Effect.CHECK)
    assert (rows(house, "SELECT * FROM levels"), rows(house, "SELECT * FROM outbox ORDER BY batch_id")) == before
    assert rows(house, "SELECT 1 FROM change_log WHERE sync_id IS NOT NULL") == []
    assert checked.fates == apply_rows(house, *MIXED).fates
    assert all(item["version"] is None for item in checked.items)
    diffs = rows(house, "SELECT row, leg, owner_account_id, warehouse_id, sku, location_id, lot_id, before, after "
                        "FROM sync_diffs ORDER BY row, leg")  # fmt: skip
    assert diffs == [
        (1, 1, "acme", "w1", "A", "unassigned", "", 5, 3),
        (1, 2, "acme", "w1", "A", "b1", "", 0, 2),
        (2, 1, "acme", "w1", "B", "unassigned", "", 0, 4),
    ]


def test_a_check_tells_of_units_on_hand_also_where_not_all_are_available(house: Database) -> None:
    fill_level(house, 5, reserved=2)
    apply_rows(house, row("A", 4), row("B", 1, "add"), effect=Effect.CHECK)
    assert rows(house, "SELECT row, before, after FROM sync_diffs ORDER BY row") == [(1, 7, 4), (2, 0, 1)]


def test_all_or_nothing_is_nothing_where_a_row_is_in_error(house: Database) -> None:
    fill_level(house, 5)
    applied = apply_rows(house, *MIXED, effect=Effect.ALL_OR_NOTHING)
    assert applied.fates == ["aborted", "aborted", "INSUFFICIENT_STOCK", "UNKNOWN_SKU", "aborted"]
    assert levels(house) == {("acme", "A", "unassigned"): 5}
    assert applied.counts == {ItemStatus.ABORTED: 3, ItemStatus.ERROR: 2}
    assert rows(house, "SELECT row, raw FROM sync_rejects ORDER BY row") == [(n, b"raw %d" % n) for n in range(1, 6)]


@pytest.mark.parametrize("duplicates", list(Duplicates))
def test_all_or_nothing_aborts_copies_too_where_a_row_is_in_error(house: Database, duplicates: Duplicates) -> None:
    applied = apply_rows(house, *SAME, row("nope"), effect=Effect.ALL_OR_NOTHING, duplicates=duplicates)
    copy = "DUPLICATE_ROW" if duplicates is Duplicates.ERROR else "aborted"
    assert applied.fates == [copy, "aborted", copy, "UNKNOWN_SKU"]
    assert [item["merged_into"] for item in applied.items] == [None] * 4


def test_all_or_nothing_is_all_where_every_row_is_good(house: Database) -> None:
    fill_level(house, 5)
    good = [given for n, given in enumerate(MIXED) if n not in (2, 3)]
    applied = apply_rows(house, *good, effect=Effect.ALL_OR_NOTHING)
    assert applied.fates == ["success"] * 3
    assert levels(house) == {("acme", "A", "unassigned"): 3, ("acme", "A", "b1"): 2, ("acme", "B", "unassigned"): 4}


def test_an_aborted_chunk_gives_all_its_rows_back_and_tells_which_are_wrong_in_themselves(house: Database) -> None:
    with open_chunk(house, row("A"), row("nope", "x")) as (connection, key, month):
        about = work(key, month)
        counts = chunks.abort_staged(connection, about)
        assert chunks.staged_rows_to_reject(connection).to_list() == [1, 2]
        insert_job(connection, about, counts, dry_run=False)
    assert counts == {ItemStatus.ABORTED: 1, ItemStatus.ERROR: 1}
    assert [item["status"] for item in items(house, key.sync_id)] == ["aborted", "error"]


def test_only_rows_that_were_not_applied_are_kept_with_their_bytes(house: Database) -> None:
    apply_rows(house, row("A"), row("nope", raw=b'no,"1\xff\x00'), row("B"))
    assert rows(house, "SELECT row, raw FROM sync_rejects") == [(2, b'no,"1\xff\x00')]


def test_a_chunk_may_come_in_several_frames(house: Database) -> None:
    with open_chunk(house, row("A", 1, location="A-01"), row("B")) as (connection, key, month):
        chunks.stage_rows(connection, numbered([row("A", 2), row("B", note="again")], first=3))
        about = work(key, month)
        counts = chunks.apply_staged(connection, about, Effect.APPLY)
        insert_job(connection, about, counts, dry_run=False)
    assert counts == {ItemStatus.SUCCESS: 2, ItemStatus.ERROR: 2}
    assert levels(house) == {("acme", "A", "b1"): 1, ("acme", "A", "unassigned"): 2}


def test_a_chunk_without_rows_does_nothing(house: Database) -> None:
    assert apply_rows(house).counts == {}
