"""`location.delete`: with what is in a bin, or only when it is empty."""

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.store.database import Database
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import levels, results, why

B1 = {"warehouse_id": "w1", "location_id": "b1"}


@pytest.fixture
def shop(audited: Database) -> Database:
    """The catalogue of `fill_catalogue`; bin b1 holds 5 of A, 2 of them damaged, and 3 of B."""
    fill_catalogue(audited)
    apply_commands(
        [
            stock("1", "add", 5, location_id="b1"), stock("2", "add", 3, sku="B", location_id="b1"),
            order("3", "inventory.move", **B1, sku="A", from_state="available", to_state="damaged", quantity=2),
        ],
        audited,
    )  # fmt: skip
    return audited


def test_a_bin_that_holds_stock_stays(shop: Database) -> None:
    apply_commands([order("d", "location.delete", **B1)], shop)
    assert results(shop)["d"] == ("rejected", "LOCATION_NOT_EMPTY")
    assert levels(shop)["w1", "A", "b1"] == (5, 2)


def test_its_stock_can_be_removed_with_it_and_each_removal_is_in_the_change_log(shop: Database) -> None:
    apply_commands([order("d", "location.delete", **B1, remove_inventory=True, reason="shrinkage")], shop)
    assert results(shop)["d"] == ("applied", None)
    assert why(shop, "d") == [("available", -3, "shrinkage", None), ("damaged", -2, "shrinkage", None),
                              ("available", -3, "shrinkage", None)]  # fmt: skip
    apply_commands([stock("late", "add", 1, location_id="b1")], shop)
    assert results(shop)["late"] == ("rejected", "UNKNOWN_LOCATION")


def test_an_empty_bin_goes_and_its_id_can_be_used_again(shop: Database) -> None:
    apply_commands([order("e", "inventory.replace", **B1, sku="B", quantity=0),
                    order("d", "location.delete", **B1, remove_inventory=True)], shop)  # fmt: skip
    apply_commands([order("n", "location.create", **B1, name="A-01")], shop)
    apply_commands([stock("a", "add", 1, location_id="b1")], shop)
    assert [results(shop)[i][0] for i in "dna"] == ["applied"] * 3
    assert levels(shop)["w1", "A", "b1"] == (1, 4)


def test_what_comes_behind_the_deletion_in_one_batch_finds_no_bin(shop: Database) -> None:
    apply_commands(
        [
            order("d", "location.delete", **B1, remove_inventory=True), stock("a", "add", 1, location_id="b1"),
            order("d2", "location.delete", **B1), order("w", "inventory.replace", warehouse_id="w1", sku="A",
                                                        quantity=4, whole_warehouse=True),
        ],
        shop,
    )  # fmt: skip
    assert [results(shop)[i][1] for i in ("d", "a", "d2", "w")] == [None, "UNKNOWN_LOCATION", "UNKNOWN_LOCATION", None]
    assert levels(shop)["w1", "A", "unassigned"] == (4, 1)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({"warehouse_id": "w1", "location_id": "unassigned"}, "LOCATION_IS_BUILT_IN"),
        ({"warehouse_id": "w1", "location_id": "b9"}, "UNKNOWN_LOCATION"),
        ({"warehouse_id": "w9", "location_id": "b1"}, "UNKNOWN_WAREHOUSE"),
        ({**B1, "account_id": "other"}, "UNKNOWN_WAREHOUSE"),
    ],
)
def test_only_bins_of_ones_own_can_be_deleted(shop: Database, place: dict[str, object], code: str) -> None:
    apply_commands([order("x", "location.delete", remove_inventory=True, **place)], shop)
    assert results(shop, str(place.get("account_id", "acme")))["x"] == ("rejected", code)
