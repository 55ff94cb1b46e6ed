"""Events of the uploads bucket, as the consumer takes them: late, repeated, and beside others that cannot be read."""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consumers.dead_letters import DeadLetters
from consumers.inbox import Inbox
from consumers.poller import Poller
from consumers.settings import Settings
from consumers.uploads import read_announcement, request_syncs
from consumers.worker import Worker
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from pipeline.store.upload_events import delete_old_events, take_event
from schemas.jobs import RequestSync, sync_id_of_object
from tests.support.giving import rows
from tests.support.records import record


def event(key: str = "acme/w1/a.csv", etag: str = "e1", sequencer: str | None = None, **more: Any) -> dict[str, Any]:
    """A record as AWS and MinIO write it."""
    entity = {"key": key, "eTag": etag, **({"sequencer": sequencer} if sequencer else {}), **more}
    return {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}, "object": entity}}


@dataclass
class Consumer:
    """The consumer of the topic, with the real database; it keeps what it sends."""

    database: Database
    requested: list[RequestSync] = field(default_factory=list)
    letters: list[dict[str, str]] = field(default_factory=list)
    fails_at: int | None = None
    """How many requests can be sent before the broker is gone."""

    def receive(self, *messages: list[Any]) -> None:
        """One poll: each message has a list of records."""
        letters = DeadLetters(cast(Any, self), "dead-letters", 100)
        inbox = Inbox(
            "uploads",
            lambda found: read_announcement(found.value or b"", "uploads"),
            partial(request_syncs, database=self.database, send=self.send),
            letters,
        )
        records = [record(json.dumps({"Records": message}).encode()) for message in messages]
        for number, each in enumerate(records):
            object.__setattr__(each, "offset", number)
        asyncio.run(inbox.receive(records))

    async def send(self, request: RequestSync) -> None:
        """Stands where the producer stands."""
        if self.fails_at is not None and len(self.requested) >= self.fails_at:
            raise KafkaConnectionError
        self.requested.append(request)

    async def send_and_wait(self, _topic: str, *, headers: list[tuple[str, bytes]], **_: Any) -> None:
        """The same for dead letters."""
        self.letters.append({name: value.decode() for name, value in headers})

    @property
    def etags(self) -> list[str | None]:
        """The versions that were requested."""
        return [request.etag for request in self.requested]


@pytest.fixture
def consumer(database: Database) -> Consumer:
    return Consumer(database)


def test_an_event_that_comes_late_is_dropped_and_the_log_says_so(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "consumers.uploads"):
        consumer.receive([event(etag="e2", sequencer="0B")], [event(etag="e1", sequencer="0A")])
        consumer.receive([event(etag="e1", sequencer="0A")], [event(etag="e3", sequencer="0C")])
    assert consumer.etags == ["e2", "e3"]
    assert consumer.letters == []
    assert "acme/w1/a.csv" in caplog.text


def test_an_event_that_comes_again_is_the_same_request_again(consumer: Consumer) -> None:
    consumer.receive([event(sequencer="0A")])
    consumer.receive([event(sequencer="0a")], [event(sequencer="0A")])
    assert [r.sync_id for r in consumer.requested] == [sync_id_of_object("uploads", "acme/w1/a.csv", "e1")] * 3


def test_events_of_different_objects_have_no_order(consumer: Consumer) -> None:
    consumer.receive([event("acme/w1/a.csv", sequencer="0B"), event("acme/w1/b.csv", sequencer="0A")])
    assert len(consumer.requested) == 2


def test_an_event_without_a_sequencer_is_always_taken(consumer: Consumer) -> None:
    consumer.receive([event(etag="e2", sequencer="0B")], [event(etag="e1")], [event(etag="e0", sequencer="none")])
    assert consumer.etags == ["e2", "e1", "e0"]


def test_a_version_that_the_bucket_keeps_is_named_in_the_request(consumer: Consumer) -> None:
    consumer.receive([event(sequencer="0A", versionId="v1")])
    assert [request.version_id for request in consumer.requested] == ["v1"]


def test_a_request_that_could_not_be_sent_is_sent_when_its_event_comes_again(consumer: Consumer) -> None:
    message = [event(etag="e1", sequencer="0A"), event(etag="e2", sequencer="0B")]
    consumer.fails_at = 0
    with pytest.raises(KafkaConnectionError):
        consumer.receive(message)
    consumer.fails_at = 1
    with pytest.raises(KafkaConnectionError):
        consumer.receive(message)
    consumer.fails_at = None
    consumer.receive(message)
    assert consumer.etags[0] == "e1"
    assert consumer.etags[-1] == "e2"


def test_a_bad_record_becomes_a_dead_letter_and_the_good_ones_beside_it_are_requested(consumer: Consumer) -> None:
    good = [event("acme/w1/a.csv"), event("acme/w1/b.csv", sequencer="0A")]
    consumer.receive([good[0], event("stock.csv"), {"eventName": "ObjectCreated:Put"}, good[1]])
    assert [request.url for request in consumer.requested] == [
        "s3://uploads/acme/w1/a.csv",
        "s3://uploads/acme/w1/b.csv",
    ]
    [letter] = consumer.letters
    assert letter["onhand-code"] == "UPLOAD_KEY_LAYOUT"
    assert "stock.csv" in letter["onhand-message"]
    assert "s3: Field required" in letter["onhand-message"]


def test_messages_beside_one_with_a_bad_record_lose_nothing(consumer: Consumer) -> None:
    consumer.receive(
        [event("acme/w1/a.csv", sequencer="0A")], [event("x.csv"), event("acme/w1/b.csv")], [event("acme/w1/c.csv")]
    )
    assert {request.url[-5:] for request in consumer.requested} == {"a.csv", "b.csv", "c.csv"}
    assert len({request.sync_id for request in consumer.requested}) == 3
    assert len(consumer.letters) == 1


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.text("0123456789abcDEF", min_size=1, max_size=20), then=st.text("0123456789ABCdef", min_size=1))
def test_sequencers_are_filled_up_at_their_end_and_compared_as_text(database: Database, first: str, then: str) -> None:
    width = max(len(first), len(then))
    is_news = then.upper().ljust(width, "0") >= first.upper().ljust(width, "0")
    with database.transaction() as connection:
        connection.execute("DELETE FROM upload_events")
        assert take_event(connection, "uploads", "k", first)
        assert take_event(connection, "uploads", "k", then) is is_news


def test_objects_of_which_nothing_was_heard_for_long_are_forgotten(consumer: Consumer, database: Database) -> None:
    consumer.receive([event("acme/w1/old.csv", sequencer="0B"), event("acme/w1/new.csv", sequencer="0B")])
    with database.transaction() as connection:
        connection.execute("UPDATE upload_events SET received_at = now() - interval '31 days' WHERE key LIKE '%old%'")
        assert delete_old_events(connection, 30) == 1
        assert delete_old_events(connection, 30) == 0
    assert rows(database, "SELECT key FROM upload_events") == [("acme/w1/new.csv",)]


def test_the_poller_leaves_alone_what_is_no_drop_and_warns_only_of_what_is_in_the_wrong_place(
    settings: Settings, store: ObjectStore, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    keys = ["acme/w1/a.csv.gz", "acme/w1/submitted/0b9d/a.csv", "rejects/0b9d.csv", "notes.txt"]
    for key in keys:
        store.put_bytes(settings.s3_uploads_bucket, key, b"x")
    announced: list[str] = []

    class Producer:
        """Keeps what it is given."""

        async def send_and_wait(self, _topic: str, *, key: bytes, value: bytes) -> None:
            [drop] = read_announcement(value, settings.s3_uploads_bucket).drops
            announced.append(drop.key)
            assert key == drop.key.encode()

    none = cast(Any, None)
    poller = Poller(Worker(settings, none, cast(Any, Producer()), database, store, none, none))
    with caplog.at_level(logging.WARNING):
        asyncio.run(poller._poll())
        asyncio.run(poller._poll())
    assert announced == ["acme/w1/a.csv.gz"]
    assert [entry.args for entry in caplog.records] == [("notes.txt",)]
