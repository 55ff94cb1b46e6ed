"""Counts from sales channels, and the stock that follows them."""

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.store.database import Database
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import levels, results, states

SHOP = {"channel": "shop", "external_location_id": "17"}
MARKET = {"channel": "market", "external_location_id": "eu-1"}


@pytest.fixture
def linked(audited: Database) -> Database:
    """The catalogue of `fill_catalogue`; the master location shop/17 and market/eu-1 are linked to w1."""
    fill_catalogue(audited)
    apply_commands(
        [order("l1", "channel.link", **SHOP, warehouse_id="w1", master=True),
         order("l2", "channel.link", **MARKET, warehouse_id="w1")],
        audited,
    )  # fmt: skip
    return audited


def count(database: Database, place: dict[str, str], **counts: int) -> tuple[str, str | None]:
    """Status and code of `channel.counts`."""
    lines = [{"sku": sku, "available": quantity} for sku, quantity in counts.items()]
    apply_commands([order("it", "channel.counts", **place, counts=lines)], database)
    return results(database)["it"]


def message(database: Database) -> str | None:
    with database.transaction() as connection:
        row = connection.execute("SELECT message FROM commands WHERE command_id = 'it'").fetchone()
    return row[0] if row else None


def test_a_count_brings_what_is_available_in_the_warehouse_to_it(linked: Database) -> None:
    apply_commands(
        [
            order("b2", "location.create", warehouse_id="w1", location_id="b2", name="A-02", sellable=False),
            stock("1", "add", 4, location_id="b1"), stock("2", "add", 9, location_id="b2"),
            order("o", "order.allocated", warehouse_id="w1", document="O",
                  lines=[{"sku": "A", "location_id": "b1", "quantity": 1}]),
        ],
        linked,
    )  # fmt: skip
    assert count(linked, MARKET, A=7, B=2) == ("applied", None)
    assert {key[1:]: on_hand for key, (on_hand, _) in levels(linked).items()} == {
        ("A", "b1"): 4, ("A", "b2"): 9, ("A", "unassigned"): 4, ("B", "unassigned"): 2}  # fmt: skip
    assert message(linked) is None


def test_the_change_log_names_the_location_that_counted(linked: Database) -> None:
    count(linked, MARKET, A=7)
    with linked.transaction() as connection:
        assert connection.execute("SELECT origin FROM change_log").fetchall() == [("market/eu-1",)]


def test_products_that_are_new_in_the_master_location_become_known(linked: Database) -> None:
    assert count(linked, SHOP, NEW=3) == ("applied", None)
    assert states(linked, "NEW") == {"available": 3}


def test_products_that_are_new_elsewhere_are_left_out_and_named(linked: Database) -> None:
    assert count(linked, MARKET, NEW=3, A=1, W2ONLY=2) == ("applied", None)
    assert message(linked) == "Left out: UNKNOWN_SKU: NEW; SKU_NOT_IN_WAREHOUSE: W2ONLY"
    assert states(linked, "A") == {"available": 1}


@pytest.mark.parametrize("place", [{**SHOP, "channel": "unknown"}, {**SHOP, "account_id": "other"}])
def test_counts_of_a_location_that_is_not_linked_are_refused(linked: Database, place: dict[str, str]) -> None:
    lines = [{"sku": "A", "available": 1}]
    apply_commands([order("it", "channel.counts", **place, counts=lines)], linked)
    assert results(linked, place.get("account_id", "acme"))["it"] == ("rejected", "UNKNOWN_CHANNEL_LOCATION")
    assert levels(linked) == {}


def test_a_location_can_count_in_the_batch_that_links_it(linked: Database) -> None:
    shop = {"channel": "shop", "external_location_id": "18"}
    counts = order("c", "channel.counts", **shop, counts=[{"sku": "A", "available": 4}])
    apply_commands([order("l", "channel.link", **shop, warehouse_id="w2"), counts], linked)
    assert levels(linked) == {("w2", "A", "unassigned"): (4, 1)}


def test_an_unlinked_location_is_not_listened_to_any_more(linked: Database) -> None:
    apply_commands([order("u", "channel.unlink", **MARKET)], linked)
    assert count(linked, MARKET, A=1) == ("rejected", "UNKNOWN_CHANNEL_LOCATION")
