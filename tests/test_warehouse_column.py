"""Files whose rows name their warehouse: nothing is booked in another one than the row and the request say."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from pipeline.audit import audit
from pipeline.commands.handler import apply_commands
from pipeline.sync_views import Items, sync_diffs, sync_items, sync_job
from schemas.identifiers import AccountId
from tests.support.desk import Desk
from tests.support.giving import give, new
from tests.support.orders import stock
from tests.support.reading import levels
from tests.support.sync_requests import confirm, revert

ACME = AccountId("acme")
SKUS = ("TEA-01", "TEA-02", "CUP-10", "CUP-11")
SOURCES = (
    "source_code,sku,status,quantity\nmain,TEA-01,1,40.0000\neast,TEA-01,1,7.0000\nmain,TEA-02,1,12.0000\n"
    "east,CUP-10,1,25.0000\neast,CUP-11,0,0.0000\n"
)
SITES = "SKU;Site;Qty\nTEA-02;Main;12\nCUP-10;East depot;25\nCUP-11;East depot;0\n"
IN_MAIN = {("main", "TEA-01"): 50, ("main", "CUP-10"): 3, ("main", "CUP-11"): 8}
SHOPIFY = (
    "Handle,Title,Option1 Name,Option1 Value,SKU,HS Code,COO,Location,Incoming (not editable),"
    "Unavailable (not editable),Committed (not editable),Available (not editable),On hand (current),On hand (new)\n"
    "tea,Tea,Size,S,TEA-01,,,Main,0,0,1,9,10,12\n"
    "tea,,Size,S,TEA-01,,,East depot,0,0,0,4,4,5\n"
    "tea,,Size,L,TEA-02,,,East depot,0,0,0,4,4,\n"
    "cup,Cup,Title,Default,CUP-10,,,Main,not stocked,not stocked,not stocked,not stocked,not stocked,Not stocked\n"
)


@pytest.fixture
def sites(desk: Desk) -> Desk:
    """A desk with the dynamic warehouses main and east and the static one till, and some stock in main."""
    apply_commands(
        [
            new("warehouse.upsert", warehouse_id="main", name="Main"),
            new("warehouse.upsert", warehouse_id="east", name="East depot"),
            new("warehouse.upsert", warehouse_id="till", name="Shop till", slotting="static"),
            new("location.create", warehouse_id="main", location_id="a", name="A-01"),
            new("location.create", warehouse_id="main", location_id="b", name="B-01"),
            new("location.create", warehouse_id="east", location_id="e", name="A-01"),
            *(new("product.upsert", sku=sku) for sku in SKUS),
        ],
        desk.database,
    )  # fmt: skip
    apply_commands(
        [
            stock(f"before-{sku}", "replace", n, sku=sku, warehouse_id=warehouse)
            for (warehouse, sku), n in IN_MAIN.items()
        ],
        desk.database,
    )
    return desk


def on_hand(desk: Desk, account_id: str = "acme") -> dict[tuple[str, ...], int]:
    """What is on hand, by warehouse, SKU, and location where it is not the unassigned one."""
    return {
        (warehouse, sku, *([] if location == "unassigned" else [location])): units
        for (warehouse, sku, location), (units, _) in levels(desk.database, account_id).items()
    }


def codes(desk: Desk, sync_id: UUID) -> dict[int, set[str]]:
    """The codes of the rows that were not applied."""
    return {row: codes for row, (status, codes) in desk.items(sync_id).items() if status != "success"}


def errors(desk: Desk, sync_id: UUID) -> list[Mapping[str, Any]]:
    """The errors of the rows in error, in the order of the file, as people see them."""
    return [error for row in sync_items(desk.database, ACME, sync_id, Items()) for error in row["errors"] or ()]


def sync_all(desk: Desk, content: str, **changes: Any) -> UUID:
    """A sync for all warehouses."""
    return desk.sync(content, warehouse_id="*", **changes)


# An export of all warehouses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [{}, {"source_code": "warehouse"}], ids=["recognised", "by option"])
@pytest.mark.parametrize("duplicates", ["error", "sum", "last"])
def test_an_export_of_all_warehouses_to_one_of_them_books_only_the_rows_of_that_one(
    sites: Desk, columns: dict[str, str], duplicates: str
) -> None:
    sync_id = sites.sync(SOURCES, warehouse_id="main", columns=columns, duplicates=duplicates)
    assert sites.counts(sync_id) == ("partial", 5, 2, 3, 0)
    assert codes(sites, sync_id) == {row: {"WAREHOUSE_NOT_REQUESTED"} for row in (2, 4, 5)}
    assert on_hand(sites) == IN_MAIN | {("main", "TEA-01"): 40, ("main", "TEA-02"): 12}
    assert {error["value"] for error in errors(sites, sync_id)} == {"east"}
    assert "--warehouse '*'" in errors(sites, sync_id)[0]["message"]


@pytest.mark.parametrize("columns", [{}, {"source_code": "warehouse"}], ids=["recognised", "by option"])
@pytest.mark.parametrize("duplicates", ["error", "sum", "last"])
def test_an_export_of_all_warehouses_to_all_books_each_row_where_it_says(
    sites: Desk, columns: dict[str, str], duplicates: str
) -> None:
    sync_id = sync_all(sites, SOURCES, columns=columns, duplicates=duplicates)
    assert sites.counts(sync_id) == ("success", 5, 5, 0, 0)
    assert on_hand(sites) == IN_MAIN | {
        ("main", "TEA-01"): 40, ("east", "TEA-01"): 7, ("main", "TEA-02"): 12, ("east", "CUP-10"): 25,
    }  # fmt: skip


def test_rows_may_name_warehouses_by_their_names(sites: Desk) -> None:
    one = sites.sync(SITES, warehouse_id="main", columns={"Site": "warehouse"})
    assert codes(sites, one) == {2: {"WAREHOUSE_NOT_REQUESTED"}, 3: {"WAREHOUSE_NOT_REQUESTED"}}
    assert sites.counts(sync_all(sites, SITES, columns={"Site": "warehouse"}))[0] == "success"
    assert on_hand(sites) == IN_MAIN | {("main", "TEA-02"): 12, ("east", "CUP-10"): 25}


def test_an_inventory_file_of_shopify_is_booked_by_its_locations(sites: Desk) -> None:
    sync_id = sync_all(sites, SHOPIFY)
    assert codes(sites, sync_id) == {3: {"LEFT_AS_IT_IS"}, 4: {"LEFT_AS_IT_IS"}}
    assert on_hand(sites) == IN_MAIN | {("main", "TEA-01"): 12, ("east", "TEA-01"): 5}


def test_rows_of_other_warehouses_are_found_behind_many_good_ones(sites: Desk) -> None:
    many = "".join(f"S{n % 60},1,main,add\n" for n in range(100_000))
    content = f"sku,quantity,warehouse,action\n{many}A,1,east,add\nB,1,nowhere,add\n"
    sync_id = sites.sync(content, warehouse_id="main", duplicates="sum")
    assert sites.counts(sync_id)[:4] == ("partial", 100_002, 100_000, 2)
    assert codes(sites, sync_id) == {100_001: {"WAREHOUSE_NOT_REQUESTED"}, 100_002: {"UNKNOWN_WAREHOUSE"}}
    assert sum(units for (warehouse, *_), units in on_hand(sites).items() if warehouse == "main") == 100_000 + 61


# What a cell may hold -------------------------------------------------------------------------------------------------


def test_an_empty_cell_means_the_warehouse_of_the_request(sites: Desk) -> None:
    content = "sku,quantity,warehouse\nTEA-01,1,\nTEA-02,2,main\nCUP-10,3\n"
    assert sites.counts(sites.sync(content, warehouse_id="main"))[0] == "success"
    assert on_hand(sites) == IN_MAIN | {("main", "TEA-01"): 1, ("main", "TEA-02"): 2}


def test_an_empty_cell_is_an_error_where_the_request_is_for_all_warehouses(sites: Desk) -> None:
    sync_id = sync_all(sites, 'sku,quantity,warehouse\nTEA-01,1,\nTEA-02,2,east\nCUP-10,3," "\nCUP-11,4\n')
    assert codes(sites, sync_id) == {row: {"WAREHOUSE_MISSING"} for row in (1, 3, 4)}
    assert on_hand(sites) == IN_MAIN | {("east", "TEA-02"): 2}


def test_a_file_without_the_column_is_an_error_where_the_request_is_for_all_warehouses(sites: Desk) -> None:
    job = sites.job(sync_all(sites, "sku,quantity,Site\nTEA-01,1,East depot\n"))
    assert (job["status"], job["error_code"]) == ("error", "WAREHOUSE_COLUMN_MISSING")
    assert "perhaps --column 'Site=warehouse'" in job["error"]
    assert on_hand(sites) == IN_MAIN


@pytest.mark.parametrize(
    "content",
    [
        "Handle,Title,Option1 Name,Option1 Value,SKU,Main,East depot\ntea,Tea,Size,S,TEA-01,1,2\n",
        "Token,Item Name,Variation Name,SKU,Current Quantity Main,New Quantity Main\nt,Tea,S,TEA-01,1,2\n",
    ],
    ids=["Shopify", "Square"],
)
def test_an_export_with_a_column_for_each_site_is_submitted_for_each_of_them(sites: Desk, content: str) -> None:
    job = sites.job(sync_all(sites, content))
    assert (job["status"], job["error_code"]) == ("error", "HEADER_COLUMN_MISSING")
    assert "submit it for each warehouse: --warehouse main" in job["error"]
    assert on_hand(sites) == IN_MAIN
    assert sites.counts(sites.sync(content, warehouse_id="main"))[0] == "success"
    assert on_hand(sites)["main", "TEA-01"] in {1, 2}


@pytest.mark.parametrize(
    ("text", "code", "suggestion"),
    [
        ("nowhere", "UNKNOWN_WAREHOUSE", None),
        ("EAST", "UNKNOWN_WAREHOUSE", "east"),
        ("east depot", "UNKNOWN_WAREHOUSE", "East depot"),
        ("East\u2009Depot", "UNKNOWN_WAREHOUSE", "East depot"),
        ("*", "UNKNOWN_WAREHOUSE", None),
        ("Annex", "WAREHOUSE_AMBIGUOUS", None),
    ],
)
@pytest.mark.parametrize("asked", ["main", "*"])
def test_what_names_no_warehouse_is_a_row_error_and_never_the_default(
    sites: Desk, asked: str, text: str, code: str, suggestion: str | None
) -> None:
    give(sites.database, *(new("warehouse.upsert", warehouse_id=f"annex-{n}", name="Annex") for n in (1, 2)))
    sync_id = sites.sync(f"sku,quantity,warehouse\nTEA-01,1,{text}\nTEA-02,2,main\n", warehouse_id=asked)
    assert codes(sites, sync_id) == {1: {code}}
    (error,) = errors(sites, sync_id)
    assert (error["field"], error["value"], error["suggestion"]) == ("warehouse", text, suggestion)
    assert (error["found"] or "") == ("annex-1, annex-2" if code == "WAREHOUSE_AMBIGUOUS" else "")


def test_an_id_wins_over_a_name(sites: Desk) -> None:
    give(sites.database, new("warehouse.upsert", warehouse_id="decoy", name="east"))
    sync_all(sites, "sku,quantity,warehouse\nTEA-01,1,east\n")
    assert on_hand(sites) == IN_MAIN | {("east", "TEA-01"): 1}


# The rules of each warehouse ------------------------------------------------------------------------------------------


def test_each_row_follows_the_rules_of_its_own_warehouse(sites: Desk) -> None:
    give(
        sites.database,
        new("warehouse.upsert", warehouse_id="loose", name="Loose", allow_negative=True),
        new("product.upsert", sku="TILL", warehouse_ids=["till"]),
    )
    content = "\n".join([
        "sku,quantity,warehouse,location,action",
        "TEA-01,1,main,A-01,add",
        "TEA-01,1,till,A-01,add",  # no bins there
        "TEA-01,2,till,,add",
        "TEA-02,3,loose,,remove",
        "TEA-02,3,east,,remove",  # there is nothing
        "TILL,4,till,,replace",
        "TILL,4,main,,replace",  # not sold there
        "TEA-02,5,east,B-01,replace",  # a bin of main
    ])  # fmt: skip
    sync_id = sync_all(sites, content)
    assert codes(sites, sync_id) == {
        2: {"LOCATION_NOT_ALLOWED"}, 5: {"INSUFFICIENT_STOCK"}, 7: {"SKU_NOT_IN_WAREHOUSE"}, 8: {"UNKNOWN_LOCATION"},
    }  # fmt: skip
    assert on_hand(sites) == IN_MAIN | {
        ("main", "TEA-01", "a"): 1, ("till", "TEA-01"): 2, ("loose", "TEA-02"): -3, ("till", "TILL"): 4,
    }  # fmt: skip


def test_moves_stay_in_the_warehouse_of_their_row(sites: Desk) -> None:
    sync_all(sites, "sku,quantity,warehouse\nTEA-01,9,east\n")
    content = (
        "sku,quantity,action,location,to_location,warehouse\nTEA-01,4,move,,A-01,east\nTEA-01,5,move,,A-01,main\n"
        "TEA-01,1,move,,B-01,east\nTEA-01,1,move,,A-01,till\n"
    )
    sync_id = sync_all(sites, content)
    assert codes(sites, sync_id) == {3: {"UNKNOWN_LOCATION"}, 4: {"LOCATION_NOT_ALLOWED"}}
    assert on_hand(sites) == IN_MAIN | {
        ("east", "TEA-01"): 5, ("east", "TEA-01", "e"): 4, ("main", "TEA-01"): 45, ("main", "TEA-01", "a"): 5,
    }  # fmt: skip


@pytest.mark.parametrize(("duplicates", "expected"), [("error", None), ("last", 3), ("sum", 5)])
def test_rows_are_copies_only_within_a_warehouse_however_they_call_it(
    sites: Desk, duplicates: str, expected: int | None
) -> None:
    content = (
        "sku,quantity,warehouse,location\nTEA-02,7,main,A-01\nTEA-02,2,east,A-01\nTEA-02,3,East depot,A-01\n"
        "TEA-02,1,nowhere,A-01\n"
    )
    sync_id = sync_all(sites, content, duplicates=duplicates)
    assert on_hand(sites).get(("main", "TEA-02", "a")) == 7
    assert on_hand(sites).get(("east", "TEA-02", "e")) == expected
    assert codes(sites, sync_id)[4] == {"UNKNOWN_WAREHOUSE"}
    if expected is None:
        assert {row: codes(sites, sync_id)[row] for row in (2, 3)} == {row: {"DUPLICATE_ROW"} for row in (2, 3)}


# Other accounts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def linked(sites: Desk) -> Desk:
    """A desk with a customer, shop, that lets acme write; and a stranger, which does not. Both have warehouses."""
    for account in ("shop", "stranger"):
        give(
            sites.database,
            new("warehouse.upsert", account_id=account, warehouse_id="main", name="Main"),
            new("warehouse.upsert", account_id=account, warehouse_id=f"{account}-only", name=f"Depot of {account}"),
            *(new("product.upsert", account_id=account, sku=sku) for sku in SKUS),
        )
    give(sites.database, new("account.link", account_id="shop", provider_account_id="acme", scope="write"))
    return sites


def test_a_warehouse_is_one_of_the_owner_that_the_row_names(linked: Desk) -> None:
    content = "\n".join([
        "sku,quantity,customer_account_id,warehouse",
        "TEA-01,1,,main",
        "TEA-01,2,shop,main",
        "TEA-01,3,shop,Depot of shop",
        "TEA-02,4,shop,east",  # acme's
        "TEA-02,5,,shop-only",
    ])  # fmt: skip
    sync_id = sync_all(linked, content)
    assert codes(linked, sync_id) == {4: {"UNKNOWN_WAREHOUSE"}, 5: {"UNKNOWN_WAREHOUSE"}}
    assert on_hand(linked) == IN_MAIN | {("main", "TEA-01"): 1}
    assert on_hand(linked, "shop") == {("main", "TEA-01"): 2, ("shop-only", "TEA-01"): 3}


def test_a_sync_for_a_customer_names_the_customers_warehouses(linked: Desk) -> None:
    content = "sku,quantity,warehouse\nTEA-01,2,Depot of shop\nTEA-01,3,east\n"
    sync_id = sync_all(linked, content, customer_account_id="shop")
    assert codes(linked, sync_id) == {2: {"UNKNOWN_WAREHOUSE"}}
    assert on_hand(linked, "shop") == {("shop-only", "TEA-01"): 2}


@pytest.mark.parametrize("asked", ["main", "*"])
@pytest.mark.parametrize("text", ["stranger-only", "Stranger-Only", "Depot of stranger", "nowhere"])
def test_warehouses_of_a_stranger_are_answered_like_ones_that_do_not_exist(linked: Desk, asked: str, text: str) -> None:
    content = f"sku,quantity,customer_account_id,warehouse\nTEA-01,1,,{text}\nTEA-01,2,stranger,{text}\n"
    sync_id = linked.sync(content, warehouse_id=asked)
    assert codes(linked, sync_id) == {1: {"UNKNOWN_WAREHOUSE"}, 2: {"FORBIDDEN_ACCOUNT"}}
    assert [(e["value"], e["suggestion"], e["found"]) for e in errors(linked, sync_id)] == [
        (text, None, None), ("stranger", None, None),
    ]  # fmt: skip


# What a sync shows, and what is done with it later --------------------------------------------------------------------


def test_rows_and_jobs_show_the_warehouse_that_was_named(sites: Desk) -> None:
    sync_id = sync_all(sites, SITES, columns={"Site": "warehouse"})
    job = sync_job(sites.database, ACME, sync_id)
    assert job is not None
    assert job["warehouse_id"] == "*"
    shown = [row["warehouse"] for row in sync_items(sites.database, ACME, sync_id, Items())]
    assert shown == ["Main", "East depot", "East depot"]


def test_a_dry_run_tells_what_would_change_in_each_warehouse(sites: Desk) -> None:
    sync_id = sync_all(sites, SOURCES, dry_run=True)
    diffs = sync_diffs(sites.database, ACME, sync_id)
    assert {(d["warehouse_id"], d["sku"], d["before"], d["after"]) for d in diffs} == {
        ("main", "TEA-01", 50, 40), ("east", "TEA-01", 0, 7), ("main", "TEA-02", 0, 12), ("east", "CUP-10", 0, 25),
    }  # fmt: skip
    assert on_hand(sites) == IN_MAIN
    assert sites.counts(confirm(sites, sync_id))[0] == "success"
    assert on_hand(sites)["east", "TEA-01"] == 7


@pytest.mark.parametrize("asked", ["main", "*"])
def test_a_sync_is_taken_back_in_every_warehouse(sites: Desk, asked: str) -> None:
    sync_id = sites.sync(SOURCES, warehouse_id=asked)
    assert on_hand(sites) != IN_MAIN
    taken_back = revert(sites, sync_id)
    assert sites.counts(taken_back)[0] == "success"
    assert {key: units for key, units in on_hand(sites).items() if units} == IN_MAIN


def test_a_sync_that_moved_stock_of_customers_is_taken_back_in_their_warehouses(linked: Desk) -> None:
    content = (
        "sku,quantity,customer_account_id,warehouse\nTEA-01,2,shop,main\nTEA-01,3,shop,Depot of shop\nTEA-01,1,,east\n"
    )
    revert(linked, sync_all(linked, content))
    assert set(on_hand(linked, "shop").values()) == {0}
    assert on_hand(linked) == IN_MAIN | {("east", "TEA-01"): 0}


def test_all_or_nothing_holds_for_all_warehouses(sites: Desk) -> None:
    content = SOURCES + "nowhere,CUP-11,1,4\n"
    assert sites.counts(sync_all(sites, content, on_error="all_or_nothing")) == ("error", 6, 0, 1, 5)
    assert on_hand(sites) == IN_MAIN


def test_a_file_that_empties_one_of_its_warehouses_is_held_with_that_name(sites: Desk) -> None:
    filled = "".join(f"S{n},5,{w}\n" for n in range(20) for w in ("main", "east"))
    sync_all(sites, f"sku,quantity,warehouse\n{filled}")
    emptied = "".join(f"S{n},{0 if w == 'east' else 6},{w}\n" for n in range(20) for w in ("main", "east"))
    job = sites.job(sync_all(sites, f"sku,quantity,warehouse\n{emptied}"))
    assert (job["status"], job["held_reason"]) == ("held", "it would empty 20 of 20 (100 %) levels with stock of east")


def test_many_warehouses_in_one_file_leave_stock_and_ledger_alike(sites: Desk) -> None:
    names = [f"site-{n}" for n in range(150)]
    give(sites.database, *(new("warehouse.upsert", warehouse_id=name, name=name.upper()) for name in names))
    content = "".join(f"S{n % 60},{n + 1},{name if n % 2 else name.upper()}\n" for n, name in enumerate(names))
    assert sites.counts(sync_all(sites, f"sku,quantity,warehouse\n{content}"))[:3] == ("success", 150, 150)
    assert {w: units for (w, *_), units in on_hand(sites).items() if w in names} == {
        name: n + 1 for n, name in enumerate(names)
    }
    with sites.database.transaction() as connection:
        connection.execute("DELETE FROM outbox")  # no relay runs here
    assert [finding for finding in audit(sites.database) if finding.broken] == []
