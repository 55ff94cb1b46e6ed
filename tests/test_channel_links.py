"""Links of channel locations on the real store: at most one warehouse each, and one master for an account."""

import pytest

from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from tests.support.giving import give, give_meanwhile, messages, new, rows


def link(external_location_id: str = "e1", warehouse_id: str = "w1", **data: object) -> ReceivedCommand:
    """channel.link of a location of the channel `shop`."""
    named = {"channel": "shop", "external_location_id": external_location_id, "warehouse_id": warehouse_id}
    return new("channel.link", **{**named, **data})


def unlink(external_location_id: str = "e1", **data: object) -> ReceivedCommand:
    """channel.unlink of a location of the channel `shop`."""
    return new("channel.unlink", **{"channel": "shop", "external_location_id": external_location_id, **data})


def links(database: Database, account_id: str = "acme") -> dict[tuple[str, str], tuple[str, bool]]:
    """(channel, location) → warehouse and whether it is the master."""
    query = "SELECT channel, external_location_id, warehouse_id, master FROM channel_locations WHERE account_id = %s"
    return {(channel, location): (warehouse, master) for channel, location, warehouse, master in rows(
        database, query, account_id)}  # fmt: skip


def asked(database: Database) -> list[str]:
    """The keys of the messages that ask a channel for its counts."""
    return [message["key"] for message in messages(database, "channel-updates")]


@pytest.fixture
def shop(database: Database) -> Database:
    """Warehouses w1 and w2."""
    give(database, *(new("warehouse.upsert", warehouse_id=w, name=w) for w in ("w1", "w2")))
    return database


def test_a_warehouse_links_any_number_of_locations_of_any_channels(shop: Database) -> None:
    assert give(shop, link("e1"), link("e2"), link("e1", channel="mart"), link("e3", "w2")) == ["applied"] * 4
    assert links(shop) == {
        ("shop", "e1"): ("w1", False), ("shop", "e2"): ("w1", False), ("mart", "e1"): ("w1", False),
        ("shop", "e3"): ("w2", False),
    }  # fmt: skip
    assert asked(shop) == []


def test_a_location_has_at_most_one_warehouse_until_it_is_unlinked(shop: Database) -> None:
    assert give(shop, link(), link(warehouse_id="w2")) == ["applied", "CHANNEL_LOCATION_LINKED"]
    assert give(shop, link(warehouse_id="w2")) == ["CHANNEL_LOCATION_LINKED"]
    assert give(shop, link(), unlink(), link(warehouse_id="w2")) == ["applied"] * 3
    assert links(shop) == {("shop", "e1"): ("w2", False)}


def test_what_does_not_exist_is_neither_linked_nor_unlinked(shop: Database) -> None:
    assert give(shop, link(warehouse_id="w9"), unlink()) == ["UNKNOWN_WAREHOUSE", "UNKNOWN_CHANNEL_LOCATION"]
    assert give(shop, link(), unlink(), unlink()) == ["applied", "applied", "UNKNOWN_CHANNEL_LOCATION"]
    assert give(shop, unlink()) == ["UNKNOWN_CHANNEL_LOCATION"]
    assert links(shop) == {}


def test_a_location_that_becomes_the_master_is_asked_for_its_counts_once(shop: Database) -> None:
    assert give(shop, link(master=True)) == ["applied"]
    [message] = messages(shop, "channel-updates")
    assert (message["key"], message["type"]) == ("acme:shop:e1", "inventory.channel.counts-requested.v1")
    assert message["data"] == {
        "account_id": "acme", "channel": "shop", "external_location_id": "e1", "warehouse_id": "w1"
    }  # fmt: skip
    assert give(shop, link(master=True), link(master=True)) == ["applied"] * 2
    assert len(asked(shop)) == 1


def test_a_location_can_give_up_being_the_master_and_become_it_again(shop: Database) -> None:
    assert give(shop, link(master=True)) == ["applied"]
    assert give(shop, link("e2", master=True)) == ["MASTER_EXISTS"]
    assert give(shop, link(), link("e2", master=True), link(master=True)) == ["applied", "applied", "MASTER_EXISTS"]
    assert links(shop) == {("shop", "e1"): ("w1", False), ("shop", "e2"): ("w1", True)}
    assert give(shop, unlink("e2"), link(master=True)) == ["applied"] * 2
    assert links(shop) == {("shop", "e1"): ("w1", True)}
    assert asked(shop) == ["acme:shop:e1", "acme:shop:e2", "acme:shop:e1"]


def test_a_rejected_link_changes_nothing_and_asks_nobody(shop: Database) -> None:
    give(shop, link(master=True), link("e2"))
    before = links(shop)
    rejected = [link("e2", master=True), link("e2", "w2", master=True), link("e3", master=True)]
    assert give(shop, *rejected) == ["MASTER_EXISTS", "CHANNEL_LOCATION_LINKED", "MASTER_EXISTS"]
    assert links(shop) == before
    assert asked(shop) == ["acme:shop:e1"]


def test_each_account_has_its_own_links_and_master(shop: Database) -> None:
    assert give(shop, link(master=True)) == ["applied"]
    assert give(shop, unlink(account_id="x"), link("e2", account_id="x")) == [
        "UNKNOWN_CHANNEL_LOCATION", "UNKNOWN_WAREHOUSE"
    ]  # fmt: skip
    own = new("warehouse.upsert", warehouse_id="w2", name="Theirs", account_id="x")
    assert give(shop, own, link("e1", "w2", account_id="x", master=True)) == ["applied"] * 2
    assert links(shop) == {("shop", "e1"): ("w1", True)}
    assert links(shop, "x") == {("shop", "e1"): ("w2", True)}


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (link("e1", master=True), link("e2", master=True), "MASTER_EXISTS"),
        (link("e1", master=True), link("e1", master=True), "applied"),
        (link("e1"), link("e1", "w2"), "CHANNEL_LOCATION_LINKED"),
        (link("e1"), unlink("e1"), "applied"),
    ],
)
def test_the_second_of_two_at_once_sees_what_the_first_did(
    shop: Database, first: ReceivedCommand, second: ReceivedCommand, outcome: str
) -> None:
    assert give_meanwhile(shop, first, second) == outcome
    assert sum(master for _, master in links(shop).values()) <= 1
    assert asked(shop) == []  # the second never became the master; the first one's message is its caller's to write
