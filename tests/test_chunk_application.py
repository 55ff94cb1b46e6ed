"""Chunks on the real store: what a row does to levels, ledger and its status, and what stands against it."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.store.database import Database
from schemas.states import ItemStatus
from tests.support.chunks import (
    Row,
    apply_rows,
    codes,
    fill_house,
    fill_level,
    levels,
    row,
)
from tests.support.giving import give, new, rows


@pytest.fixture
def house(audited: Database) -> Database:
    """A catalogue of acme and one of its customer, shop."""
    fill_house(audited)
    return audited


# Actions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "quantity", "on_hand"),
    [("replace", 7, 7), ("replace", 3, 3), ("add", 4, 11), ("remove", 5, 2), ("add", 0, 7), ("remove", 0, 7)],
)
def test_each_action_does_what_it_says_to_on_hand(house: Database, action: str, quantity: int, on_hand: int) -> None:
    fill_level(house, 5, reserved=2)
    applied = apply_rows(house, row("A", quantity, action))
    assert applied.fates == ["success"]
    assert levels(house) == {("acme", "A", "unassigned"): on_hand}
    assert applied.items[0]["version"] == (None if on_hand == 7 else 3)


def test_a_move_takes_units_from_one_level_and_brings_them_to_another(house: Database) -> None:
    fill_level(house, 5)
    [item] = apply_rows(house, row("A", 2, "move", to_location="A-01", reason="tidy", note="one\ntwo")).items
    assert levels(house) == {("acme", "A", "unassigned"): 3, ("acme", "A", "b1"): 2}
    assert (item["status"], item["version"], item["to_version"]) == ("success", 2, 1)
    lines = rows(house, "SELECT level_id, version, delta, after, reason, note FROM change_log "
                        "WHERE sync_id IS NOT NULL ORDER BY delta")  # fmt: skip
    assert lines == [
        (item["level_id"], 2, -2, 3, "tidy", "one\ntwo"),
        (item["to_level_id"], 1, 2, 2, "tidy", "one\ntwo"),
    ]


def test_a_move_of_nothing_changes_nothing(house: Database) -> None:
    fill_level(house, 5)
    [item] = apply_rows(house, row("A", 0, "move", to_location="A-01")).items
    assert (item["status"], item["version"], item["to_version"]) == ("success", None, None)


def test_rows_about_the_levels_of_a_move_are_carried_out_in_the_order_of_the_file(house: Database) -> None:
    fill_level(house, 5)
    applied = apply_rows(
        house,
        row("A", 3, "move", to_location="A-01"),
        row("A", 2, "remove", location="A-01"),
        row("A", 2, "move", location="A-01", to_location="unassigned"),
        row("B", 9),
        row("A", 10, "replace", location=""),
    )
    assert applied.fates == ["success", "success", "INSUFFICIENT_STOCK", "success", "success"]
    assert levels(house) == {("acme", "A", "unassigned"): 10, ("acme", "A", "b1"): 1, ("acme", "B", "unassigned"): 9}


def test_reason_note_user_and_sync_are_in_the_ledger(house: Database) -> None:
    applied = apply_rows(house, row(reason="count", note="shelf 3"), row("B"), actor="clerk")
    lines = rows(
        house, "SELECT sync_id, sync_row, reason, note, actor, provider_account_id FROM change_log ORDER BY sync_row"
    )
    assert lines == [
        (applied.sync_id, 1, "count", "shelf 3", "clerk", None),
        (applied.sync_id, 2, None, None, "clerk", None),
    ]


def test_a_row_keeps_its_place_in_the_file_and_its_texts(house: Database) -> None:
    long = "x" * 5000
    item, _ = apply_rows(house, row(quantity=long, expected_version="0", lot="l9"), row("B")).items
    assert (item["row"], item["line"], item["byte_offset"]) == (1, 2, 10)
    assert (item["quantity"], item["expected_version"], item["lot"], item["note"]) == ("x" * 1000, "0", "l9", None)


# What the catalogue has against a row ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (row("nope"), ["UNKNOWN_SKU"]),
        (row("W2ONLY"), ["SKU_NOT_IN_WAREHOUSE"]),
        (row("1.23E+12"), ["SKU_SCIENTIFIC"]),
        (row(location="Z-99"), ["UNKNOWN_LOCATION"]),
        (row(action="move", to_location="Z-99"), ["UNKNOWN_LOCATION"]),
        (row("L"), ["LOT_REQUIRED"]),
        (row("A", lot="l1"), ["LOT_NOT_ALLOWED"]),
        (row("L", lot="l9"), ["UNKNOWN_LOT"]),
        (row("nope", "x", location="Z-99", lot="l1"), ["QUANTITY_NOT_AN_INTEGER", "UNKNOWN_LOCATION", "UNKNOWN_SKU"]),
        (row("L", "-1", "move", to_location="Z", lot="l9"), ["QUANTITY_NEGATIVE", "UNKNOWN_LOCATION", "UNKNOWN_LOT"]),
        ({"problem": "QUOTE_NOT_CLOSED", "sku": "nope", "location": "Z"}, ["QUOTE_NOT_CLOSED"]),
        ({"problem": "TOO_FEW_FIELDS", "sku": "L", "quantity": ""}, ["TOO_FEW_FIELDS"]),
    ],
)
def test_everything_that_is_wrong_with_a_row_is_told_at_once(house: Database, given: Row, expected: list[str]) -> None:
    applied = apply_rows(house, given, row("B", 4))
    assert [codes(item) for item in applied.items] == [expected, []]
    assert applied.error_counts == dict.fromkeys(expected, 1)
    assert applied.counts == {ItemStatus.ERROR: 1, ItemStatus.SUCCESS: 1}
    assert levels(house) == {("acme", "B", "unassigned"): 4}


def test_a_sku_that_looks_rounded_is_good_where_a_product_has_it(house: Database) -> None:
    give(house, new("product.upsert", sku="1.23E+12"))
    assert apply_rows(house, row("1.23E+12")).fates == ["success"]


@pytest.mark.parametrize(
    ("sku", "suggestion"),
    [("a", "A"), ("\uff21", "A"), ("w2only", "W2ONLY"), ("TEE", None), ("stra\u00dfe", "STRA\u00dfE")],
)
def test_a_sku_that_differs_by_case_or_width_is_suggested(house: Database, sku: str, suggestion: str | None) -> None:
    give(house, new("product.upsert", sku="STRA\u00dfE"))
    [item] = apply_rows(house, row(sku)).items
    assert item["errors"][0].get("suggestion") == suggestion


@pytest.mark.parametrize("to_location", ["", "A-01"])
def test_a_warehouse_without_bins_has_stock_in_the_unassigned_one_only(house: Database, to_location: str) -> None:
    action = "move" if to_location else "replace"
    wrong = row("A", 5, action, location="" if to_location else "A-01", to_location=to_location)
    applied = apply_rows(house, wrong, row("B", 5, location="unassigned"), warehouse_id="w2")
    assert applied.fates == ["LOCATION_NOT_ALLOWED", "success"]


# Guards ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "fate"),
    [
        (row("A", 9, expected_quantity="7"), "success"),
        (row("A", 9, expected_quantity="5"), "STALE_QUANTITY"),
        (row("A", 7, expected_quantity="5"), "STALE_QUANTITY"),
        (row("A", 1, "add", expected_quantity="5"), "success"),
        (row("A", 1, "add", expected_quantity="7"), "STALE_QUANTITY"),
        (row("A", 1, "remove", expected_quantity="5"), "success"),
        (row("A", 0, "remove", expected_quantity="7"), "STALE_QUANTITY"),
        (row("A", 1, "move", to_location="A-01", expected_quantity="5"), "success"),
        (row("A", 1, "move", to_location="A-01", expected_quantity="7"), "STALE_QUANTITY"),
        (row("A", 9, expected_version="2"), "success"),
        (row("A", 9, expected_version="1"), "STALE_QUANTITY"),
        (row("A", 1, "move", to_location="A-01", expected_version="0"), "STALE_QUANTITY"),
        (row("A", 1), "INSUFFICIENT_STOCK"),
        (row("A", 6, "remove"), "INSUFFICIENT_STOCK"),
        (row("A", 6, "move", to_location="A-01"), "INSUFFICIENT_STOCK"),
        (row("A", 2), "success"),
    ],
)
def test_a_row_meets_the_level_as_it_is(house: Database, given: Row, fate: str) -> None:
    fill_level(house, 5, reserved=2)
    before = rows(house, "SELECT version, updated_at FROM levels")
    assert apply_rows(house, given).fates == [fate]
    if fate != "success":
        assert rows(house, "SELECT version, updated_at FROM levels WHERE version > 0") == before


@pytest.mark.parametrize(
    ("given", "fault", "found"),
    [
        (row("A", 1, expected_quantity="4"), ("STALE_QUANTITY", "expected_quantity", "4"), "7"),
        (row("A", 1, "remove", expected_quantity="4"), ("STALE_QUANTITY", "expected_quantity", "4"), "5"),
        (row("A", 1, expected_version="9"), ("STALE_QUANTITY", "expected_version", "9"), "2"),
        (row("A", 6, "remove"), ("INSUFFICIENT_STOCK", "quantity", "6"), "available 5, reserved 2"),
        (row("A", 1), ("INSUFFICIENT_STOCK", "quantity", "1"), "available 5, reserved 2"),
        (row("B", 2, "remove"), ("INSUFFICIENT_STOCK", "quantity", "2"), "available 0"),
    ],
)
@pytest.mark.parametrize(
    "beside", [[], [row("A", 0, "move", to_location="A-01"), row("B", 0, "move", to_location="A-01")]]
)
def test_a_row_that_its_level_refuses_is_told_what_the_level_has(
    house: Database, given: Row, fault: tuple[str, str, str], found: str, beside: list[Row]
) -> None:
    fill_level(house, 5, reserved=2)
    [item, *_] = apply_rows(house, given, *beside).items
    code, field, value = fault
    assert item["errors"] == [{"code": code, "field": field, "value": value, "found": found}]


def test_a_revert_leaves_out_what_has_changed_since(house: Database) -> None:
    fill_level(house, 5)
    applied = apply_rows(house, row("A", 1, expected_version="0"), row("B", 2, "remove"), skip_changed=True)
    assert applied.fates == ["skipped", "INSUFFICIENT_STOCK"]
    assert codes(applied.items[0]) == ["STALE_QUANTITY"]
    assert applied.error_counts == {"INSUFFICIENT_STOCK": 1}


def test_below_zero_only_where_the_warehouse_allows_it(house: Database) -> None:
    give(house, new("warehouse.upsert", warehouse_id="w1", name="One", allow_negative=True))
    fill_level(house, 5, reserved=2)
    assert apply_rows(house, row("A", 9, "remove"), row("B", 1, "move", to_location="A-01")).fates == ["success"] * 2
    assert levels(house) == {
        ("acme", "A", "unassigned"): -2, ("acme", "B", "unassigned"): -1, ("acme", "B", "b1"): 1
    }  # fmt: skip


def test_a_level_does_not_pass_the_largest_quantity(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pipeline.store.chunk_work", "pipeline.inventory.operations"):
        monkeypatch.setattr(f"{module}.MAX_LEVEL", 10)
    fill_level(house, 5)
    fill_level(house, 5, sku="B")
    fates = apply_rows(house, row("A", 6, "add"), row("B", 5, "add"), row("C", 11)).fates
    assert fates == ["QUANTITY_OUT_OF_RANGE", "success", "QUANTITY_OUT_OF_RANGE"]
    assert apply_rows(house, row("A", 4, location="A-01", action="add")).fates == ["success"]
    fill_level(house, 3, sku="B", location_id="b1")
    assert apply_rows(house, row("B", 8, "move", to_location="A-01")).fates == ["QUANTITY_OUT_OF_RANGE"]


@pytest.mark.parametrize(
    "beside", [[], [row("B", 0, "move", to_location="A-01"), row("A", 0, "move", to_location="A-01")]]
)
def test_a_level_that_changed_after_the_file_was_made_is_not_replaced(house: Database, beside: list[Row]) -> None:
    fill_level(house, 5)
    fill_level(house, 5, sku="B")
    early, late = (datetime.now(UTC) + timedelta(minutes=m) for m in (-5, 5))
    given = [row("A", 9), row("B", 1, "add"), row("C", 3), *beside]
    applied = apply_rows(house, *given, as_of=early)
    assert applied.fates == ["LEVEL_CHANGED_SINCE", "success", "success", *["success"] * len(beside)]
    assert applied.items[0]["errors"][0]["found"].startswith("20")
    assert apply_rows(house, *given, as_of=late).fates == ["success"] * len(given)
