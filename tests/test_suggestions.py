"""SKUs and bins that spreadsheets, shops and keyboards have changed: what was meant is suggested, and never booked."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store.database import Database
from pipeline.sync_views import Items, sync_items
from schemas.errors import ErrorCode, RowError
from schemas.identifiers import AccountId
from tests.support.desk import Desk
from tests.support.giving import give, new
from tests.support.reading import levels

PRODUCTS = (
    *("00123", "000777", "12345", "MAR-1", "4006381333931", "TEA-01", "MUG-BLUE", "-RED", "R&D-1", '6" PIPE'),
    *("CAFÉ-1", "NOV-07", "3/4", "SEPT5", "DEZ-2"),
)  # fmt: skip
MEANT = {
    # Case 08: what a spreadsheet has changed, and what people write against that.
    '="00123"': "00123", "'00123": "00123", "123": "00123", '="000777"': "000777", "777.0": "000777",
    "12345.0": "12345", "12345,00": "12345", "0012345": "12345", "4006381333931.0": "4006381333931",
    "1-Mar": "MAR-1", "01-Mar": "MAR-1", "1. Mär": "MAR-1", "Mar-01": "MAR-1", "01.03.2026": "MAR-1",
    "2026-03-01": "MAR-1", "7-Nov": "NOV-07", "03.04.2026": "3/4", "4-Mar": "3/4", "5-Sep": "SEPT5", "2. Dez": "DEZ-2",
    # Case 10: what a shop's export does.
    "'-RED": "-RED", "R&amp;D-1": "R&D-1", "R&#38;D-1": "R&D-1", "R&#x26;D-1": "R&D-1", "R&AMP;D-1": "R&D-1",
    "6&quot; PIPE": '6" PIPE', "6” PIPE": '6" PIPE',
    # Dashes, look-alike letters, what nobody sees, case, width and blanks.
    "TEA\u201301": "TEA-01", "TEA\u201401": "TEA-01", "TEA\u221201": "TEA-01", "TEA\u201101": "TEA-01",
    "\u0422\u0415\u0410-01": "TEA-01",  # Cyrillic, then Greek
    "\u03a4\u0395\u0391-01": "TEA-01", "TE\u00adA-01": "TEA-01", "TEA\u200b-01": "TEA-01", "\u200eTEA-01": "TEA-01",
    "TEA-01\ufeff": "TEA-01", "tea-01": "TEA-01", "TEA -01": "TEA-01", "MUG\u00a0-BLUE": "MUG-BLUE",
    "\uff34\uff25\uff21\uff0d\uff10\uff11": "TEA-01",  # of double width
    "CAFE\u0301-1": None, "café-1": "CAFÉ-1",  # the first one is the same SKU, written otherwise
    # What is near to nothing.
    "TEA-02": None, "124": None, "2-Mar": None, "0": None, "'": None, "&;": None, "31-Feb": None, "1-Abc": None,
}  # fmt: skip


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """A desk with PRODUCTS, and bins in w1 and another warehouse."""
    bins = enumerate(("007", "R&D", "MAR-1"))
    give(
        desk.database,
        new("warehouse.upsert", warehouse_id="other", name="Other"),
        *(new("product.upsert", sku=sku) for sku in PRODUCTS),
        *(new("location.create", warehouse_id="w1", location_id=f"n{n}", name=name) for n, name in bins),
        new("location.create", warehouse_id="other", location_id="o", name="Z-99"),
    )  # fmt: skip
    return desk


def suggested(desk: Desk, field: str, texts: list[str], header: str, *rest: str) -> dict[str, str | None]:
    """What is suggested for each text in a field; None where nothing is."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows([header.split(","), *([text, *rest] for text in texts)])
    sync_id = desk.sync(written.getvalue())
    found = {}
    for row in sync_items(desk.database, AccountId("acme"), sync_id, Items()):
        errors = [error for error in row["errors"] or () if error["field"] == field]
        found[texts[row["row"] - 1]] = errors[0]["suggestion"] if errors else None
    return found


def test_a_sku_that_was_changed_on_its_way_is_suggested_and_not_booked(shop: Desk) -> None:
    assert suggested(shop, "sku", list(MEANT), "sku,quantity", "5") == MEANT
    assert {sku for _, sku, _ in levels(shop.database)} == {"CAFÉ-1"}


def test_a_rounded_sku_is_told_as_such(shop: Desk) -> None:
    sync_id = shop.sync('sku,quantity\n4.00638E+12,9\n"4,00638E+12",3\nTEA-01,9\n')
    assert shop.items(sync_id) == {
        1: ("error", {"SKU_SCIENTIFIC"}), 2: ("error", {"SKU_SCIENTIFIC"}), 3: ("success", set()),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "field", "rest"),
    [
        ("location,sku,quantity", "location", ("A", "0")),
        ("to_location,sku,quantity,action", "to_location", ("A", "0", "move")),
    ],
)
def test_a_bin_that_was_changed_on_its_way_is_suggested(
    shop: Desk, header: str, field: str, rest: tuple[str, ...]
) -> None:
    meant = {
        "7": "007", '="007"': "007", "7.0": "007", "'007": "007", "R&amp;D": "R&D", "1-Mar": "MAR-1", "a-01": "A-01",
        "A\u201301": "A-01", "\u0410-01": "A-01", "b1": "A-01", "Z-99": None, "z-99": None, "8": None,
    }  # fmt: skip
    assert suggested(shop, field, list(meant), header, *rest) == meant


def test_suggestions_are_of_the_warehouse_that_the_row_names(shop: Desk) -> None:
    sync_id = shop.sync(
        "sku,quantity,location,warehouse\nA,1,z-99,other\nA,1,a-01,other\nA,1,a-01,w1\n", warehouse_id="*"
    )
    found = [
        e["suggestion"] for row in sync_items(shop.database, AccountId("acme"), sync_id, Items()) for e in row["errors"]
    ]
    assert found == ["Z-99", None, "A-01"]


def test_products_of_another_account_are_not_suggested(shop: Desk) -> None:
    give(shop.database, new("product.upsert", account_id="stranger", sku="SECRET-1"))
    assert suggested(shop, "sku", ["secret-1"], "sku,quantity", "5") == {"secret-1": None}


def test_a_suggestion_is_found_by_an_index(shop: Desk) -> None:
    query = "EXPLAIN SELECT sku FROM products WHERE account_id = 'acme' AND fold_name(sku) = ANY (near_names('1-Mar'))"
    with shop.database.transaction() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(line for (line,) in connection.execute(query))
    assert "products_folded" in plan


_PIECES = st.sampled_from(
    [
        '="',
        "'",
        "&amp;",
        "&#0;",
        "&#55296;",
        "&#xFFFFF;",
        "&#999999;",
        "&#38",
        "1-Mar",
        "0.0",
        "\u2013",
        "\u200b",
        "31/12/99",
    ]
)
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_NAMES = st.lists(st.one_of(_PIECES, _TEXTS), max_size=6).map("".join)


@given(st.lists(_NAMES, min_size=1, max_size=50))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_can_be_folded_and_is_near_itself(database: Database, names: list[str]) -> None:
    query = "SELECT n, fold_name(n), near_names(n) FROM unnest(%s::text[]) AS n"
    with database.transaction() as connection:
        for name, folded, near in connection.execute(query, [names]):
            assert near[0] == folded, name


@pytest.mark.parametrize(("value", "is_told"), [("'-3", True), ("'5", True), ("'=7", True), ("'- 1,250.00", True),
                                                ("many", False), ("'A-1", False), ("1e3", False)])  # fmt: skip
def test_a_quantity_behind_the_apostrophe_of_an_exporter_is_explained(value: str, is_told: bool) -> None:
    error = RowError(code=ErrorCode.QUANTITY_NOT_AN_INTEGER, field="quantity", value=value)
    assert ("remove it" in error.message) == is_told
    assert ("backorder" in error.message) == is_told
