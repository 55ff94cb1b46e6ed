"""What commands have brought does not wait behind a large batch of changes, and never overtakes its own level."""

import json
from collections.abc import Sequence

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.store import outbox
from pipeline.store.database import Database
from pipeline.store.outbox import Publishable, publish_outbox
from schemas.topics import Topic
from tests.support.desk import Desk
from tests.support.orders import order, stock


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is large from five messages on, and is published two at a time."""
    monkeypatch.setattr(outbox, "EXPRESS_MESSAGES", 2)


class Publisher:
    """Takes what is published; after the first slice, commands come in."""

    def __init__(self, database: Database, *skus: str) -> None:
        self.sent: list[Publishable] = []
        self._database = database
        self._skus = skus

    def send(self, messages: Sequence[Publishable]) -> None:
        if not self.sent:
            for sku in self._skus:
                apply_commands([stock(f"c-{sku}", "add", 1, sku=sku)], self._database)
        self.sent += messages

    def changes(self) -> list[tuple[str, int]]:
        """SKU and version of each change, as they were published."""
        data = [json.loads(m.data) for m in self.sent if m.topic == Topic.CHANGES]
        return [(change["sku"], change["version"]) for change in data]

    def results(self) -> list[str]:
        """The commands whose result was published, in order."""
        return [m.key for m in self.sent if m.topic == Topic.COMMAND_RESULTS]


def large_batch(desk: Desk) -> None:
    """Ten changes of one sync wait to be published, and nothing else."""
    publish_all(desk.database)
    desk.sync("sku,quantity\n" + "".join(f"S{n},1\n" for n in range(10)))
    desk.ask("DELETE FROM outbox WHERE change_count = 0")


def publish_all(database: Database) -> None:
    while publish_outbox(database, lambda _: None, 1000):
        pass


def test_a_command_on_another_sku_goes_first(desk: Desk, small_slices: None) -> None:
    large_batch(desk)
    publisher = Publisher(desk.database, "S50", "S51")
    publish_outbox(desk.database, publisher.send, 1000)
    assert publisher.results() == ["c-S50", "c-S51"]
    changes = publisher.changes()
    assert changes.index(("S50", 1)) < 6
    assert len(changes) == 12
    assert desk.ask("SELECT count(*) FROM outbox") == [(0,)]


def test_a_command_on_a_sku_of_the_batch_waits_for_it_and_so_do_those_behind(desk: Desk, small_slices: None) -> None:
    large_batch(desk)
    publisher = Publisher(desk.database, "S50", "S9", "S51")
    publish_outbox(desk.database, publisher.send, 1000)
    assert publisher.results() == ["c-S50"]
    publish_outbox(desk.database, publisher.send, 1000)
    assert publisher.results() == ["c-S50", "c-S9", "c-S51"]
    changes = publisher.changes()
    assert changes.index(("S9", 1)) < changes.index(("S9", 2))


def test_a_command_that_is_published_early_is_not_published_again(desk: Desk, small_slices: None) -> None:
    large_batch(desk)
    publisher = Publisher(desk.database, "S50")
    publish_outbox(desk.database, publisher.send, 1000)
    publish_outbox(desk.database, publisher.send, 1000)
    assert publisher.results() == ["c-S50"]


def test_a_result_without_a_change_goes_first_too(desk: Desk, small_slices: None) -> None:
    large_batch(desk)
    publisher = Publisher(desk.database, "NOPE")
    publish_outbox(desk.database, publisher.send, 1000)
    assert publisher.results() == ["c-NOPE"]
    assert [m.topic for m in publisher.sent].index(Topic.COMMAND_RESULTS) < 6


def test_what_was_published_early_comes_again_where_the_rest_could_not_be_published(
    desk: Desk, small_slices: None
) -> None:
    """At least once: the whole transaction is done again."""
    large_batch(desk)
    publisher = Publisher(desk.database, "S50")

    def fail_late(messages: Sequence[Publishable]) -> None:
        if len(publisher.sent) >= 8:
            raise ConnectionError("the broker is away")
        publisher.send(messages)

    with pytest.raises(ConnectionError):
        publish_outbox(desk.database, fail_late, 1000)
    assert publisher.results() == ["c-S50"]
    publish_all(desk.database)
    assert desk.ask("SELECT count(*) FROM outbox") == [(0,)]


def test_an_order_for_the_catalogue_is_no_obstacle(desk: Desk, small_slices: None) -> None:
    large_batch(desk)
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    publisher = Publisher(desk.database, "S50")
    publish_outbox(desk.database, publisher.send, 1000)
    assert sorted(publisher.results()) == ["c-S50", "p"]
    assert publisher.changes().index(("S50", 1)) < 6


def test_nothing_goes_first_where_channels_are_told_sums_over_all_bins(desk: Desk, small_slices: None) -> None:
    link = order("k", "channel.link", channel="web", external_location_id="1", warehouse_id="w1")
    apply_commands([link], desk.database)
    large_batch(desk)
    publisher = Publisher(desk.database)

    def send(messages: Sequence[Publishable]) -> None:
        if not publisher.sent:
            apply_commands([stock("c", "add", 5, sku="S9", location_id="b1")], desk.database)
        publisher.send(messages)

    while publish_outbox(desk.database, send, 1000):
        pass
    updates = [json.loads(m.data) for m in publisher.sent if m.topic == Topic.CHANNEL_UPDATES]
    assert [update["available"] for update in updates if update["sku"] == "S9"][-1] == 6
