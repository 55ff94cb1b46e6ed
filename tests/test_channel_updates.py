"""Channel updates: a change of what a warehouse can sell reaches its linked channel locations, but not its origin."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.store.database import Database
from pipeline.store.outbox import Publishable, publish_outbox
from schemas.events import ChannelUpdate
from schemas.topics import TOPICS, Topic
from tests.support.desk import Desk
from tests.support.orders import fill_catalogue, order, stock


@pytest.fixture
def shop(audited: Database) -> Database:
    """Warehouse w1 with the sellable bins unassigned and b1 and the bin back, which is not; nothing left to publish."""
    fill_catalogue(audited, skus=3)
    apply_commands(
        [order("back", "location.create", warehouse_id="w1", location_id="back", name="Back", sellable=False)], audited
    )
    publish(audited)
    return audited


def link(database: Database, name: str, warehouse_id: str = "w1", **data: Any) -> None:
    """Link a channel location, `channel/location`; what its link has to say is gone when this is done."""
    channel, location = name.split("/")
    apply_commands(
        [order(f"link {name}", "channel.link", channel=channel, external_location_id=location,
               warehouse_id=warehouse_id, **data)],
        database,
    )  # fmt: skip
    publish(database)


def publish(database: Database) -> list[Publishable]:
    """Publish all that waits; what went to the topic of channel updates."""
    sent: list[Publishable] = []
    while publish_outbox(database, sent.extend, 1000):
        pass
    return [message for message in sent if message.topic is Topic.CHANNEL_UPDATES]


def told(database: Database) -> list[tuple[str, str, int]]:
    """Publish all that waits; channel location, SKU and quantity of each update."""
    updates = [ChannelUpdate.model_validate_json(message.data) for message in publish(database)]
    return [(f"{u.channel}/{u.external_location_id}", u.sku, u.available) for u in updates]


def test_a_change_reaches_every_channel_location_of_its_warehouse(shop: Database) -> None:
    link(shop, "web/1")
    link(shop, "pos/1")
    link(shop, "web/2", warehouse_id="w2")
    apply_commands([stock("1", "add", 5)], shop)
    [to_pos, to_web] = publish(shop)
    assert (to_web.key, to_web.type) == ("acme:web:1:A", "inventory.channel.update.v1")
    assert to_web.type in dict(TOPICS[Topic.CHANNEL_UPDATES].payloads)
    update = ChannelUpdate.model_validate_json(to_web.data)
    assert update.model_dump(exclude={"change_id"}) == {
        "account_id": "acme", "channel": "web", "external_location_id": "1", "warehouse_id": "w1", "sku": "A",
        "available": 5,
    }  # fmt: skip
    assert to_web.id == f"{update.change_id}:web/1"
    assert (to_pos.key, to_pos.id) == ("acme:pos:1:A", f"{update.change_id}:pos/1")


def test_an_update_names_the_change_event_that_caused_it(shop: Database) -> None:
    link(shop, "web/1")
    apply_commands([stock("1", "add", 5)], shop)
    sent: list[Publishable] = []
    publish_outbox(shop, sent.extend, 1000)
    [change] = [message.id for message in sent if message.topic is Topic.CHANGES]
    [update] = [message.data for message in sent if message.topic is Topic.CHANNEL_UPDATES]
    assert ChannelUpdate.model_validate_json(update).change_id == change


def test_the_quantity_is_the_sum_over_sellable_locations_and_all_lots(shop: Database) -> None:
    link(shop, "web/1")
    apply_commands(
        [
            order("p", "product.upsert", sku="MILK", lot_tracked=True),
            *(order(f"lot {lot}", "lot.upsert", sku="MILK", lot_id=lot) for lot in ("M1", "M2")),
            stock("1", "add", 1, sku="MILK", lot_id="M1"),
            stock("2", "add", 2, sku="MILK", lot_id="M2"),
            stock("3", "add", 4, sku="MILK", lot_id="M2", location_id="b1"),
            stock("4", "add", 8, sku="MILK", lot_id="M1", location_id="back"),
            stock("5", "add", 16, warehouse_id="w2", sku="MILK", lot_id="M1"),
        ],
        shop,
    )
    assert told(shop) == [("web/1", "MILK", 7)] * 3


def test_stock_that_cannot_be_sold_makes_no_update(shop: Database) -> None:
    link(shop, "web/1")
    apply_commands([stock("1", "add", 5, location_id="back")], shop)
    assert told(shop) == []
    apply_commands([order("2", "inventory.adjust", warehouse_id="w1", sku="A", state="damaged", delta=3)], shop)
    assert told(shop) == []


def test_units_that_leave_what_is_available_are_told(shop: Database) -> None:
    apply_commands([stock("1", "add", 5)], shop)
    link(shop, "web/1")
    apply_commands([stock("2", "move", 2, from_state="available", to_state="reserved")], shop)
    assert told(shop) == [("web/1", "A", 3)]


def test_the_channel_location_that_counted_gets_no_echo(shop: Database) -> None:
    link(shop, "web/1")
    link(shop, "web/2")
    link(shop, "pos/1")
    count = {"channel": "web", "external_location_id": "1", "counts": [{"sku": "A", "available": 9}]}
    apply_commands([order("1", "channel.counts", **count)], shop)
    assert told(shop) == [("pos/1", "A", 9), ("web/2", "A", 9)]


def test_the_origin_is_told_of_what_others_change_after_it(shop: Database) -> None:
    link(shop, "web/1")
    count = {"channel": "web", "external_location_id": "1", "counts": [{"sku": "A", "available": 9}]}
    apply_commands([order("1", "channel.counts", **count)], shop)
    apply_commands([stock("2", "remove", 1)], shop)
    assert told(shop) == [("web/1", "A", 8)]


def test_a_location_that_is_deleted_with_its_stock_takes_it_from_the_channels(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("2", "add", 7, location_id="b1")], shop)
    link(shop, "web/1")
    delete = order("3", "location.delete", warehouse_id="w1", location_id="b1", remove_inventory=True)
    apply_commands([delete], shop)
    assert told(shop) == [("web/1", "A", 5)]


def test_nothing_is_told_once_a_channel_location_is_unlinked(shop: Database) -> None:
    link(shop, "web/1")
    apply_commands([order("u", "channel.unlink", channel="web", external_location_id="1")], shop)
    apply_commands([stock("1", "add", 5)], shop)
    assert told(shop) == []


def test_other_accounts_learn_nothing(shop: Database) -> None:
    apply_commands([order("w", "warehouse.upsert", account_id="other", warehouse_id="w1", name="Theirs")], shop)
    link(shop, "web/1", account_id="other")
    apply_commands([stock("1", "add", 5)], shop)
    assert told(shop) == []


def test_updates_of_a_key_come_in_the_order_of_the_changes_and_the_last_is_the_truth(shop: Database) -> None:
    link(shop, "web/1")
    for batch in range(4):
        apply_commands([stock(f"{batch}-{n}", "add", 1, sku=f"S{n % 3}") for n in range(6)], shop)
    messages = publish(shop)
    versions: dict[str, list[int]] = {}
    last: dict[str, int] = {}
    for message in messages:
        update = ChannelUpdate.model_validate_json(message.data)
        versions.setdefault(message.key, []).append(int(update.change_id.rsplit(":")[-1]))
        last[message.key] = update.available
    assert versions == {f"acme:web:1:S{n}": list(range(1, 9)) for n in range(3)}
    assert last == dict.fromkeys(versions, 8)


def test_an_update_says_what_there_is_when_it_goes_out_and_not_when_it_was_written(shop: Database) -> None:
    """A message that was published again after a later change must not take the channel back to an older quantity."""
    link(shop, "web/1")
    apply_commands([stock("1", "add", 5)], shop)
    lost: list[Publishable] = []
    with pytest.raises(ConnectionError):
        publish_outbox(shop, failing_after(lost.extend), 1000)
    apply_commands([stock("2", "remove", 2)], shop)
    again = publish(shop)
    first = [message for message in lost if message.topic is Topic.CHANNEL_UPDATES]
    assert again[0].id == first[0].id
    assert [ChannelUpdate.model_validate_json(m.data).available for m in [*first, *again]] == [5, 3, 3]


def test_two_relays_and_two_writers_leave_every_channel_with_the_truth(shop: Database) -> None:
    link(shop, "web/1")
    sent: list[Publishable] = []
    writing = threading.Event()
    writing.set()

    def relay() -> None:
        while publish_outbox(shop, sent.extend, 7) or writing.is_set():
            pass

    def write(writer: int) -> None:
        for batch in range(15):
            apply_commands([stock(f"{writer}-{batch}-{n}", "add", 1, sku=f"S{n}") for n in range(3)], shop)

    with ThreadPoolExecutor(4) as pool:
        relays = [pool.submit(relay) for _ in range(2)]
        for writer in [pool.submit(write, n) for n in range(2)]:
            writer.result(timeout=60)
        writing.clear()
        for future in relays:
            future.result(timeout=60)
    updates = [ChannelUpdate.model_validate_json(m.data) for m in sent if m.topic is Topic.CHANNEL_UPDATES]
    assert {update.sku: update.available for update in updates} == {f"S{n}": 30 for n in range(3)}
    assert len(updates) == 90
    for n in range(3):
        shown = [update.available for update in updates if update.sku == f"S{n}"]
        assert shown == sorted(shown)


def failing_after(send: Callable[[Sequence[Publishable]], None]) -> Callable[[Sequence[Publishable]], None]:
    """A broker that takes messages and whose acknowledgement is lost."""

    def fail(messages: Sequence[Publishable]) -> None:
        send(messages)
        raise ConnectionError("the broker is gone")

    return fail


def test_rows_of_a_sync_reach_the_channels(desk: Desk) -> None:
    link(desk.database, "web/1")
    desk.sync("sku,quantity,location\nA,5,\nA,2,A-01\nB,0,\n")
    assert told(desk.database) == [("web/1", "A", 7), ("web/1", "A", 7)]
