"""Files as other systems write them: nothing that a column says of the stock is left out without a word."""

from typing import Any

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.sync_views import sync_job
from schemas.identifiers import AccountId
from tests.support.desk import Desk
from tests.support.orders import order, stock
from tests.support.reading import levels
from tests.support.sync_requests import approve, confirm

MANY = "".join(f"S{number % 60},1,,\n" for number in range(100_000))
BINS = "SKU,Bin Location,On Hand,Available\nA,A-01,30,28\nB,A-01,12,12\n"


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """A desk whose bin A-01 holds what BINS says."""
    bins = [stock(f"in-{sku}", "replace", n, sku=sku, location_id="b1") for sku, n in (("A", 30), ("B", 12))]
    apply_commands(bins, desk.database)
    return desk


def on_hand(desk: Desk) -> dict[tuple[str, str], int]:
    return {(sku, location): quantity for (_, sku, location), (quantity, _) in levels(desk.database).items()}


def held(desk: Desk, sync_id: Any, *parts: str) -> None:
    """The sync is held for a reason with these parts, and no row was applied."""
    job = desk.job(sync_id)
    assert job["status"] == "held", job
    assert [part for part in parts if part not in job["held_reason"]] == [], job["held_reason"]
    assert (job["success_count"], desk.items(sync_id)) == (0, {})


# Columns that are watched ---------------------------------------------------------------------------------------------


def test_a_bin_under_another_name_does_not_double_the_stock(stocked: Desk) -> None:
    before = levels(stocked.database)
    sync_id = stocked.sync(BINS)
    held(
        stocked, sync_id, "'Bin Location' looks like a location (2 rows, as 'A-01')",
        "--column 'Bin Location=location' or --column 'Bin Location=ignore'",
    )  # fmt: skip
    assert levels(stocked.database) == before


def test_the_option_of_the_reason_applies_the_file(stocked: Desk) -> None:
    before = levels(stocked.database)
    sync_id = stocked.sync(BINS, columns={"Bin Location": "location"})
    assert stocked.counts(sync_id) == ("success", 2, 2, 0, 0)
    assert levels(stocked.database) == before


def test_a_held_file_that_is_approved_leaves_the_column_out(stocked: Desk) -> None:
    sync_id = stocked.sync(BINS)
    approve(stocked, sync_id)
    stocked.apply_all(sync_id)
    assert stocked.counts(sync_id) == ("success", 2, 2, 0, 0)
    assert on_hand(stocked)["B", "unassigned"] == 12


def test_a_column_that_is_left_out_by_option_does_not_hold(stocked: Desk) -> None:
    assert stocked.counts(stocked.sync(BINS, columns={"Bin Location": "ignore"}))[0] == "success"


def test_a_column_that_the_account_leaves_out_does_not_hold(stocked: Desk) -> None:
    upsert = order("u", "account.upsert", name="Acme", upload_columns={"bin location": "ignore"})
    apply_commands([upsert], stocked.database)
    assert stocked.counts(stocked.sync(BINS))[0] == "success"


def test_a_dry_run_says_first_that_the_file_would_be_held_and_can_be_confirmed(stocked: Desk) -> None:
    sync_id = stocked.sync(BINS, dry_run=True)
    job = stocked.job(sync_id)
    assert (job["status"], job["held_reason"]) == ("success", None)
    assert [text for text in job["warnings"] if text.startswith("without --dry-run this sync would be held: columns")]
    assert stocked.counts(confirm(stocked, sync_id))[0] == "success"


@pytest.mark.parametrize("blank", ["", " ", '""', "\u00a0"])
def test_a_watched_column_without_values_does_not_hold(desk: Desk, blank: str) -> None:
    assert desk.counts(desk.sync(f"sku,qty,Shelf,Customer\nA,1,{blank},\nB,2\n"))[0] == "success"


@pytest.mark.parametrize(("place", "rows"), [("first", "{bad}{good}"), ("last", "{good}{bad}")])
def test_one_value_in_a_large_file_holds_it_wherever_it_is(desk: Desk, place: str, rows: str) -> None:
    content = "sku,qty,Customer,UoM\n" + rows.format(good=MANY, bad="A,1,globex,\n")
    sync_id = desk.sync(content)
    held(desk, sync_id, "'Customer' looks like a customer (1 row, as 'globex')", "'Customer=customer_account_id'")
    assert "UoM" not in desk.job(sync_id)["held_reason"]


@pytest.mark.parametrize(
    ("column", "value", "option"),
    [
        ("Site", "East depot", "Site=warehouse"),
        ("Type", "remove", "Type=action"),
        ("Batch", "L-1", "Batch=lot"),
        ("Expected Qty", "5", "Expected Qty=expected_quantity"),
        ("UoM", "case", "UoM=ignore"),
        ("Condition", "damaged", "Condition=ignore"),
        ("Zustand", "gebraucht", "Zustand=ignore"),
        ("Ziel", "A-01", "Ziel=to_location"),
    ],
)
def test_what_changes_the_meaning_of_a_row_holds_the_file(desk: Desk, column: str, value: str, option: str) -> None:
    sync_id = desk.sync(f"sku,qty,{column}\nA,1,\nB,2,{value}\n")
    held(desk, sync_id, f"--column '{option}'", f"1 row, as {value!r}")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("UoM", "each"),
        ("Einheit", "Stück"),
        ("Unit", " PCS "),
        ("Condition", "new"),
        ("Zustand", "neu"),
        ("Type", "simple"),
    ],
)
def test_a_value_that_asks_for_nothing_else_passes_with_a_warning(desk: Desk, column: str, value: str) -> None:
    sync_id = desk.sync(f"sku,qty,{column}\nA,1,{value}\nB,2,{value}\n")
    assert desk.counts(sync_id)[0] == "success"
    assert [text for text in desk.job(sync_id)["warnings"] if f"the column {column!r}" in text]


def test_an_export_of_all_sites_is_not_booked_in_one_warehouse(desk: Desk) -> None:
    before = levels(desk.database)
    sync_id = desk.sync("SKU;Site;Qty\nA;One;12\nB;East depot;25\nC;East depot;0\n", duplicates="sum")
    held(desk, sync_id, "'Site' looks like a warehouse (3 rows, as 'One')", "--column 'Site=warehouse'")
    assert levels(desk.database) == before


def test_a_bin_and_a_site_that_are_both_called_location_are_an_error_until_one_is_chosen(stocked: Desk) -> None:
    content = "SKU,Location,Bin,Quantity\nA,Main,A-01,30\nB,Main,A-01,12\n"
    job = stocked.job(stocked.sync(content))
    assert (job["status"], job["error_code"]) == ("error", "HEADER_COLUMN_TWICE")
    assert "--column 'Bin=location'" in job["error"]
    before = levels(stocked.database)
    assert stocked.counts(stocked.sync(content, columns={"Bin": "location"})) == ("success", 2, 2, 0, 0)
    assert levels(stocked.database) == before


def test_a_misspelt_name_ends_the_sync_before_a_row_is_applied(stocked: Desk) -> None:
    job = stocked.job(stocked.sync(BINS, columns={"Bin Locaton": "location"}))
    assert (job["status"], job["error_code"]) == ("error", "COLUMN_NOT_IN_HEADER")
    assert "is 'Bin Location' meant?" in job["error"]


def test_a_name_that_the_account_has_registered_may_be_absent(desk: Desk) -> None:
    upsert = order("u", "account.upsert", name="Acme", upload_columns={"Menge": "quantity"})
    apply_commands([upsert], desk.database)
    assert desk.counts(desk.sync("sku,qty\nA,1\n"))[0] == "success"


# Exports of other systems ---------------------------------------------------------------------------------------------

INVENTORY = """\
Handle,Title,Option1 Name,Option1 Value,SKU,HS Code,COO,Location,Incoming (not editable),Unavailable (not editable),\
Committed (not editable),Available (not editable),On hand (current),On hand (new)
mug,Mug,Colour,Blue,A,,,One,0,0,1,9,10,12
mug,Mug,Colour,Red,B,,,One,0,0,0,-2,-2,-2
set,Set,Title,Default Title,C,,,One,not stocked,not stocked,not stocked,not stocked,not stocked,Not stocked
lamp,Lamp,Title,Default Title,D,9405,DE,One,0,0,0,3,3,
"""


def test_what_a_shopify_inventory_leaves_as_it_is_stays_so(desk: Desk) -> None:
    apply_commands([stock(f"x-{sku}", "replace", 5, sku=sku) for sku in "ABCD"], desk.database)
    sync_id = desk.sync(INVENTORY, columns={"Location": "ignore"})
    job = desk.job(sync_id)
    assert job["recognised_as"] == "Shopify inventory"
    assert [text for text in job["warnings"] if text.startswith("read as Shopify inventory: sku from 'SKU'")]
    assert "2 rows leave the stock as it is" in job["warnings"]
    assert desk.items(sync_id) == {
        1: ("success", set()),
        2: ("error", {"QUANTITY_NEGATIVE"}),
        3: ("skipped", {"LEFT_AS_IT_IS"}),
        4: ("skipped", {"LEFT_AS_IT_IS"}),
    }
    assert (job["status"], job["skipped_count"], job["error_counts"]) == ("partial", 2, {"QUANTITY_NEGATIVE": 1})
    assert on_hand(desk) == {(sku, "unassigned"): n for sku, n in zip("ABCD", (12, 5, 5, 5), strict=True)}


def test_the_current_quantities_of_an_export_are_taken_by_option(desk: Desk) -> None:
    columns = {"Location": "ignore", "On hand (current)": "quantity"}
    sync_id = desk.sync(INVENTORY, columns=columns)
    assert on_hand(desk) == {("A", "unassigned"): 10, ("D", "unassigned"): 3}
    assert desk.items(sync_id)[3] == ("skipped", {"LEFT_AS_IT_IS"})


def test_an_export_in_which_no_new_quantity_is_filled_in_says_that_it_changes_nothing(desk: Desk) -> None:
    rows = "\n".join(line.rpartition(",")[0] + "," for line in INVENTORY.splitlines()[1:])
    sync_id = desk.sync(f"{INVENTORY.splitlines()[0]}\n{rows}\n", columns={"Location": "ignore"})
    job = desk.job(sync_id)
    assert (job["status"], job["skipped_count"]) == ("success", 4)
    assert "no row sets any stock: nothing is changed" in job["warnings"]


BY_SITE = """\
Handle,Title,Option1 Value,SKU,Main Street,One
mug,Mug,Blue,A,12,4
set,Set,Default Title,B,not stocked,2
lamp,Lamp,Default Title,"",3,0
"""


def test_a_column_for_each_location_is_chosen_by_the_name_of_the_warehouse(desk: Desk) -> None:
    sync_id = desk.sync(BY_SITE)
    assert on_hand(desk) == {("A", "unassigned"): 4, ("B", "unassigned"): 2}
    assert desk.items(sync_id)[3] == ("error", {"SKU_MISSING"})


def test_a_column_for_each_location_is_chosen_by_option(desk: Desk) -> None:
    sync_id = desk.sync(BY_SITE, columns={"Main Street": "quantity"})
    assert desk.items(sync_id) == {
        1: ("success", set()), 2: ("skipped", {"LEFT_AS_IT_IS"}), 3: ("error", {"SKU_MISSING"})}  # fmt: skip


def test_no_column_for_the_warehouse_is_an_error_of_the_file(desk: Desk) -> None:
    job = desk.job(desk.sync(BY_SITE.replace(",One", ",West"), warehouse_id="w2"))
    assert (job["status"], job["error_code"]) == ("error", "HEADER_COLUMN_MISSING")
    assert "--column 'Main Street=quantity' or --column 'West=quantity'" in job["error"]


def test_products_of_shopify_that_it_does_not_track_and_its_rows_of_pictures_leave_the_stock(desk: Desk) -> None:
    apply_commands([stock(f"x-{sku}", "replace", 5, sku=sku) for sku in "AB"], desk.database)
    sync_id = desk.sync(
        "Handle,Title,Type,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Image Src,Status\n"
        "mug,Mug,Kitchen,A,shopify,0,a.png,active\nmug,,,,,,b.png,\nset,Set,Gifts,B,,0,c.png,draft\n"
    )
    assert {row: status for row, (status, _) in desk.items(sync_id).items()} == {
        1: "success",
        2: "skipped",
        3: "skipped",
    }
    assert on_hand(desk) == {("A", "unassigned"): 0, ("B", "unassigned"): 5}


def test_products_of_woocommerce_are_read_and_what_it_does_not_count_is_left(desk: Desk) -> None:
    apply_commands([stock(f"x-{sku}", "replace", 5, sku=sku) for sku in "ABCD"], desk.database)
    sync_id = desk.sync(
        '\ufeffID,Type,SKU,Name,Published,"In stock?",Stock,"Backorders allowed?",Parent,"Attribute 1 name"\n'
        "21,variable,,Mug,1,1,,0,,Colour\n22,variation,A,Mug - Blue,1,1,14,0,id:21,Colour\n"
        "25,simple,B,Tea,1,backorder,'-3,notify,,\n27,simple,C,Mint tea,1,1,,0,,\n28,simple,D,Lamp,-1,0,0,0,,\n"
    )
    assert desk.items(sync_id) == {
        1: ("skipped", {"LEFT_AS_IT_IS"}),
        2: ("success", set()),
        3: ("error", {"QUANTITY_NOT_AN_INTEGER"}),
        4: ("skipped", {"LEFT_AS_IT_IS"}),
        5: ("success", set()),
    }
    assert on_hand(desk) == {(sku, "unassigned"): n for sku, n in zip("ABCD", (14, 5, 5, 0), strict=True)}


def test_a_report_of_amazon_is_read_without_options_and_what_amazon_fulfils_is_left(desk: Desk) -> None:
    sync_id = desk.sync(
        "item-name\tseller-sku\tprice\tquantity\tproduct-id\n"
        "Green tea, loose\tA\t4.50\t30\tB000000001\nBlack tea\tB\t4.50\t\tB000000006\n"
    )
    assert desk.job(sync_id)["recognised_as"] == "Amazon listings"
    assert desk.items(sync_id) == {1: ("success", set()), 2: ("skipped", {"LEFT_AS_IT_IS"})}
    assert on_hand(desk) == {("A", "unassigned"): 30}


def test_an_empty_quantity_of_a_file_that_is_no_export_is_an_error(desk: Desk) -> None:
    assert desk.items(desk.sync("sku,qty\nA,\n"))[1] == ("error", {"QUANTITY_MISSING"})


def test_rows_that_are_left_do_not_stop_a_sync_nor_spoil_all_or_nothing_nor_count_as_copies(desk: Desk) -> None:
    header = "seller-sku,item-name,quantity\n"
    stopping = desk.sync(f"{header}A,a,\nB,b,\nC,c,3\n", on_error="stop_after_errors", max_errors=2)
    assert desk.counts(stopping) == ("success", 3, 1, 0, 0)
    whole = desk.sync(f"{header}A,a,\nA,a,7\nNOPE,x,\n", on_error="all_or_nothing")
    assert desk.counts(whole) == ("success", 3, 1, 0, 0)
    assert on_hand(desk) == {("A", "unassigned"): 7, ("C", "unassigned"): 3}


def test_rows_that_are_left_in_an_aborted_sync_are_skipped(desk: Desk) -> None:
    desk.limit(chunk_rows=1)
    sync_id = desk.request(desk.put("seller-sku,item-name,quantity\nA,a,\nB,b,2\n"))
    desk.abort(sync_id)
    desk.apply_all(sync_id)
    assert {row: status for row, (status, _) in desk.items(sync_id).items()} == {1: "skipped", 2: "aborted"}


# The default action ---------------------------------------------------------------------------------------------------

RECEIPTS = "SKU,Qty,Supplier,Delivery note\nA,12,North,DN-77\nB,6,North,DN-77\n"


def test_a_file_of_receipts_is_added_where_the_request_says_so(desk: Desk) -> None:
    apply_commands([stock("x", "replace", 50)], desk.database)
    sync_id = desk.sync(RECEIPTS, action="add")
    assert on_hand(desk) == {("A", "unassigned"): 62, ("B", "unassigned"): 6}
    shown = sync_job(desk.database, AccountId("acme"), sync_id)
    assert shown is not None
    assert shown["action"] == "add"
    assert desk.ask("SELECT DISTINCT action FROM sync_items") == [("add",)]


def test_a_drop_is_added_where_the_account_says_so(desk: Desk) -> None:
    apply_commands([stock("x", "replace", 50)], desk.database)
    apply_commands([order("u", "account.upsert", name="Acme", upload_action="add")], desk.database)
    sync_id = desk.sync(RECEIPTS, announced=True)
    assert on_hand(desk)["A", "unassigned"] == 62
    assert desk.ask("SELECT options ->> 'action' FROM sync_jobs WHERE sync_id = %s", sync_id) == [("add",)]


def test_a_row_that_says_what_it_does_is_not_changed_by_the_default(desk: Desk) -> None:
    apply_commands([stock(f"x-{sku}", "replace", 50, sku=sku) for sku in "ABC"], desk.database)
    desk.sync("sku,qty,action\nA,1,\nB,2,remove\nC,3,Replace\n", action="add")
    assert on_hand(desk) == {("A", "unassigned"): 51, ("B", "unassigned"): 48, ("C", "unassigned"): 3}


def test_the_same_file_with_another_action_waits_for_a_person_since_it_was_applied_already(desk: Desk) -> None:
    desk.sync(RECEIPTS)
    sync_id = desk.sync(RECEIPTS, action="add")
    assert "read in another way (action)" in desk.job(sync_id)["held_reason"]
    approve(desk, sync_id)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id)[:3] == ("success", 2, 2)
    assert on_hand(desk) == {("A", "unassigned"): 24, ("B", "unassigned"): 12}
