"""Events of the uploads bucket, as the consumer takes them: a hint each, and the store says what is there."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import sql

from consumers.dead_letters import DeadLetters
from consumers.envelopes import read_announcement
from consumers.inbox import Inbox
from consumers.poller import Poller
from consumers.settings import Settings
from consumers.uploads import request_syncs
from consumers.worker import Worker
from pipeline.errors import TryLater
from pipeline.objects import ObjectStore
from pipeline.retention import EVENT_DAYS, forget_old_events
from pipeline.store.database import Database
from pipeline.store.upload_events import take_event
from pipeline.uploads.drops import take_drop
from schemas.events import UploadSkipped
from schemas.jobs import RequestSync, sync_id_of_object
from schemas.uploads import SkipReason
from tests.support.cli import json_lines, onhand
from tests.support.giving import messages, rows
from tests.support.polling import eventually
from tests.support.records import record

FILE = b"sku,quantity\nTEA-01,275\n"
KEY = "acme/w1/a.csv"


def event(
    key: str = KEY, *, name: str = "s3:ObjectCreated:Put", bucket: str | None = None, **more: Any
) -> dict[str, Any]:
    """A record as AWS and MinIO write it; without a bucket it is about the one for uploads."""
    return {"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key, **more}}}


@dataclass
class Consumer:
    """The consumer of the topic, with the real database and the real store; it keeps what it sends."""

    database: Database
    store: ObjectStore
    bucket: str
    requested: list[RequestSync] = field(default_factory=list)
    letters: list[dict[str, str]] = field(default_factory=list)
    fails_at: int | None = None
    """How many requests can be sent before the broker is gone."""

    def put(self, key: str = KEY, content: bytes = FILE) -> None:
        """Drop a file."""
        self.store.put_bytes(self.bucket, key, content)

    def receive(self, *messages: list[Any]) -> None:
        """One poll: each message has a list of records."""
        for message in messages:
            for each in message:
                if isinstance(each, dict) and each.get("s3", {}).get("bucket", {}) == {"name": None}:
                    each["s3"]["bucket"]["name"] = self.bucket
        self.receive_values(*(json.dumps({"Records": message}).encode() for message in messages))

    def receive_values(self, *values: bytes) -> None:
        """One poll of these messages."""
        take = partial(take_drop, uploads_bucket=self.bucket, database=self.database, objects=self.store)
        inbox = Inbox(
            "uploads",
            lambda found: read_announcement(found.value or b""),
            partial(request_syncs, take=take, send=self.send),
            DeadLetters(cast(Any, self), "dead-letters", 100),
        )
        records = [record(value) for value in values]
        for number, each in enumerate(records):
            object.__setattr__(each, "offset", number)
        asyncio.run(inbox.receive(records))

    async def send(self, request: RequestSync) -> None:
        """Stands where the producer stands."""
        if self.fails_at is not None and len(self.requested) >= self.fails_at:
            raise KafkaConnectionError
        self.requested.append(request)

    async def send_and_wait(self, topic: str, *, value: bytes, headers: Any = (), **_: Any) -> None:
        """The same for dead letters, and for what the poller announces."""
        if topic.endswith("dead-letters"):
            self.letters.append({name: text.decode() for name, text in headers})
        else:
            await asyncio.to_thread(self.receive_values, value)

    @property
    def keys(self) -> list[str]:
        """The objects that were requested."""
        return [request.url.removeprefix(f"s3://{self.bucket}/") for request in self.requested]

    @property
    def syncs(self) -> int:
        """How many syncs were requested."""
        return len({request.sync_id for request in self.requested})

    @property
    def skipped(self) -> list[tuple[str, str, int]]:
        """Key, reason and count of what started no sync."""
        return rows(self.database, "SELECT key, reason, seen_count FROM skipped_uploads ORDER BY key, reason")

    @property
    def told(self) -> list[UploadSkipped]:
        """What was published of it."""
        return [UploadSkipped.model_validate(m["data"]) for m in messages(self.database, "skipped-uploads")]


@pytest.fixture
def consumer(database: Database, store: ObjectStore, settings: Settings) -> Consumer:
    return Consumer(database, store, settings.s3_uploads_bucket)


@pytest.fixture
def versioned(consumer: Consumer) -> Iterator[Consumer]:
    """A consumer of a bucket that keeps versions."""
    consumer.store._client.put_bucket_versioning(Bucket=consumer.bucket, VersioningConfiguration={"Status": "Enabled"})
    yield consumer


def poller(consumer: Consumer, settings: Settings) -> Poller:
    none = cast(Any, None)
    return Poller(Worker(settings, none, cast(Any, consumer), consumer.database, consumer.store, none, none))


# Identity -------------------------------------------------------------------------------------------------------------


def test_a_drop_is_one_sync_however_often_and_by_whom_it_is_announced(consumer: Consumer, settings: Settings) -> None:
    consumer.put()
    consumer.receive([event(eTag="e1", sequencer="0A")], [event(eTag="e1", sequencer="0A")])
    consumer.receive([event()])
    asyncio.run(poller(consumer, settings)._poll())
    asyncio.run(poller(consumer, settings)._poll())
    found = consumer.store.head(consumer.bucket, KEY)
    assert len(consumer.requested) == 5
    assert consumer.requested[0] == RequestSync.model_validate({
        "account_id": "acme", "warehouse_id": "w1", "url": f"s3://{consumer.bucket}/{KEY}", "etag": found.etag,
        "announced": True,
        "sync_id": sync_id_of_object(consumer.bucket, KEY, etag=found.etag, last_modified=found.last_modified),
    })  # fmt: skip
    assert consumer.syncs == 1


def test_the_same_bytes_dropped_again_later_are_another_sync(consumer: Consumer) -> None:
    consumer.put()
    consumer.receive([event()])
    first = consumer.store.head(consumer.bucket, KEY).last_modified
    eventually(lambda: _dropped_after(consumer, first), "a drop in a later second")
    consumer.receive([event()])
    assert consumer.syncs == 2


def _dropped_after(consumer: Consumer, first: object) -> bool:
    consumer.put()
    return consumer.store.head(consumer.bucket, KEY).last_modified != first


def test_each_version_that_the_bucket_keeps_is_a_sync_of_its_own_also_with_the_same_bytes(versioned: Consumer) -> None:
    versions = []
    for _ in range(2):
        versioned.put()
        versions.append(versioned.store.head(versioned.bucket, KEY).version_id)
    versioned.receive([event(versionId=versions[0], sequencer="0A")], [event(versionId=versions[1], sequencer="0B")])
    assert [request.version_id for request in versioned.requested] == versions
    assert versioned.syncs == 2
    versioned.receive([event()])
    assert versioned.requested[2] == versioned.requested[1]


def test_a_version_whose_successor_was_announced_before_is_not_applied_any_more(versioned: Consumer) -> None:
    versions = []
    for content in (FILE, FILE + b"TEA-02,1\n"):
        versioned.put(content=content)
        versions.append(versioned.store.head(versioned.bucket, KEY).version_id)
    versioned.receive([event(versionId=versions[1], sequencer="0B")], [event(versionId=versions[0], sequencer="0A")])
    assert [request.version_id for request in versioned.requested] == [versions[1]]
    assert versioned.skipped == [(KEY, "replaced", 1)]


def test_the_poller_tells_of_the_same_bytes_that_were_dropped_again(consumer: Consumer, settings: Settings) -> None:
    poll = poller(consumer, settings)
    consumer.put()
    asyncio.run(poll._poll())
    asyncio.run(poll._poll())
    assert len(consumer.requested) == 1
    first = consumer.store.head(consumer.bucket, KEY).last_modified
    eventually(lambda: _dropped_after(consumer, first), "a drop in a later second")
    asyncio.run(poll._poll())
    assert consumer.syncs == 2


# What the store has ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{}, {"eTag": "old"}, {"versionId": "null"}, {"versionId": "1"}, {"versionId": ""},
                                  {"versionId": "no-such-version", "sequencer": "0A"}])  # fmt: skip
def test_what_an_event_leaves_out_or_has_wrong_the_store_knows(consumer: Consumer, said: dict[str, str]) -> None:
    consumer.put()
    consumer.receive([event(**said)])
    [request] = consumer.requested
    assert (request.etag, request.version_id) == (consumer.store.head(consumer.bucket, KEY).etag, None)
    assert (consumer.letters, consumer.skipped) == ([], [])


def test_a_key_that_was_not_encoded_is_found_as_it_stands(consumer: Consumer) -> None:
    consumer.put("acme/w1/a+b 50%.csv")
    consumer.put("acme/w1/c d.csv")
    consumer.receive([event("acme/w1/a+b 50%.csv"), event("acme/w1/c+d.csv")])
    assert consumer.keys == ["acme/w1/a+b 50%.csv", "acme/w1/c d.csv"]


def test_where_no_key_is_found_all_that_were_asked_for_are_told(consumer: Consumer) -> None:
    consumer.receive([event("acme/w1/a+b.csv")])
    assert consumer.requested == []
    [told] = consumer.told
    assert (told.reason, told.account_id) == (SkipReason.NOT_FOUND, "acme")
    assert told.detail == "the store has no 'acme/w1/a b.csv' and no 'acme/w1/a+b.csv'"


def test_where_the_store_is_away_the_same_event_is_taken_later(consumer: Consumer) -> None:
    consumer.put()
    there = consumer.store
    consumer.store = ObjectStore(
        endpoint_url="http://127.0.0.1:9", region="us-east-1", access_key_id=None, secret_access_key=None
    )
    with pytest.raises(TryLater):
        consumer.receive([event()])
    consumer.store = there
    consumer.receive([event()])
    assert (consumer.keys, consumer.letters) == ([KEY], [])


def test_where_there_is_no_uploads_bucket_nothing_is_lost(consumer: Consumer) -> None:
    consumer.bucket += "-missing"
    with pytest.raises(TryLater, match="does not exist"):
        consumer.receive([event()])
    assert consumer.skipped == []


@pytest.mark.parametrize("second_event", ["first", "after", "never"])
def test_a_placeholder_starts_nothing_and_the_content_that_follows_is_applied_once(
    consumer: Consumer, settings: Settings, second_event: str
) -> None:
    empty = {"size": 0, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0A"}
    poll = poller(consumer, settings)
    consumer.put(content=b"")
    if second_event != "first":
        consumer.receive([event(**empty)])
        asyncio.run(poll._poll())
        assert (consumer.requested, consumer.letters, len(consumer.told)) == ([], [], 1)
        assert "placeholder" in consumer.told[0].detail
    consumer.put()
    if second_event != "never":
        consumer.receive([event(size=24, sequencer="0B")])
    if second_event == "first":
        consumer.receive([event(**empty)])
    asyncio.run(poll._poll())
    assert consumer.syncs == 1


# What is skipped ------------------------------------------------------------------------------------------------------

NAMES = {
    "acme/w1/stock (1).csv": None,
    "acme/w1/stock.tsv": None,
    "acme/w1/stock.txt": None,
    "acme/w1/stock.csv.filepart": "unfinished",
    "acme/w1/archive/stock.csv": "wrong_folder",
    "acme/w1/Thumbs.db": "system_file",
    "acme/w1/.stock.csv": "hidden",
    "acme/w1/~$stock.csv": "hidden",
    "acme/w1/._stock.csv": "system_file",
    "acme/w1/": "folder",
    "acme/w1/stock.docx": "file_type",
    "stock.csv": "wrong_folder",
    "acme/w1/force/stock.csv": None,
    "acme/w1/submitted/0b9d/a.csv": None,
    "rejects/acme/0b9d.csv": None,
}


def _own(key: str) -> bool:
    return "submitted" in key or key.startswith("rejects")


@pytest.mark.parametrize("by", ["events", "poller"])
def test_what_starts_no_sync_is_noted_once_with_its_reason_and_is_no_dead_letter(
    consumer: Consumer, settings: Settings, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    for key in NAMES:
        consumer.put(key)
    skipped = {key: reason for key, reason in NAMES.items() if reason}
    with caplog.at_level(logging.WARNING, "pipeline.uploads.drops"):
        if by == "events":
            consumer.receive([event(key.replace("+", "%2B")) for key in NAMES])
        else:
            poll = poller(consumer, settings)
            asyncio.run(poll._poll())
            asyncio.run(poll._poll())
    assert sorted(consumer.keys) == sorted(key for key, reason in NAMES.items() if reason is None and not _own(key))
    assert consumer.letters == []
    assert {(key, reason) for key, reason, _ in consumer.skipped} == set(skipped.items())
    assert {count for _, _, count in consumer.skipped} == {1}
    assert {(told.key, told.reason) for told in consumer.told} == set(skipped.items())
    assert {told.account_id for told in consumer.told} == {"acme", None}
    warned = " ".join(entry.getMessage() for entry in caplog.records)
    assert len(caplog.records) == 3, warned  # two wrong folders and a document; no junk
    assert "Thumbs.db" not in warned


def test_what_is_announced_again_is_counted_and_another_content_is_told_again(consumer: Consumer) -> None:
    consumer.put(content=b"")
    consumer.receive([event()], [event()])
    consumer.receive([event("acme/w1/x.docx")], [event("acme/w1/x.docx")])
    assert consumer.skipped == [(KEY, "empty", 2), ("acme/w1/x.docx", "file_type", 2)]
    assert len(consumer.told) == 2


def test_events_of_another_bucket_are_noted_once_for_the_bucket(consumer: Consumer) -> None:
    consumer.receive([event(bucket="elsewhere"), event("b.csv", bucket="elsewhere"), event(bucket="other")])
    assert sorted(consumer.skipped) == [("", "other_bucket", 1), ("", "other_bucket", 2)]
    assert {told.bucket for told in consumer.told} == {"elsewhere", "other"}
    assert all(consumer.bucket in told.detail for told in consumer.told)


def test_a_key_of_any_characters_can_be_noted(consumer: Consumer) -> None:
    consumer.receive([event("acme/w1/a%00b.csv"), event("acme/w1/a%0Ab.csv"), event("acme/w1/%FF.pdf")])
    assert [reason for _, reason, _ in consumer.skipped] == ["file_type", "wrong_folder", "wrong_folder"]
    assert consumer.letters == []


def test_a_person_sees_what_was_skipped_of_an_account_and_an_operator_all(consumer: Consumer) -> None:
    consumer.receive([event("acme/w1/a.docx")], [event("rival/w1/b.docx")], [event("stock.csv")])
    listed = ("uploads", "list", "--skipped", "--json")
    [mine] = json_lines(onhand(*listed, "--account", "acme"))
    assert (mine["key"], mine["reason"], mine["seen_count"]) == ("acme/w1/a.docx", "file_type", 1)
    assert "expected one of .csv" in mine["detail"]
    everything = json_lines(onhand(*listed, "--account", "acme", "--all-accounts"))
    assert [row["key"] for row in everything] == ["stock.csv", "rival/w1/b.docx", "acme/w1/a.docx"]
    assert "wrong_folder" in onhand("uploads", "list", "--skipped").stdout
    assert onhand("uploads", "list").exit_code == 2


# Force ----------------------------------------------------------------------------------------------------------------


def test_whoever_drops_a_file_can_force_it_by_a_folder_or_by_metadata(consumer: Consumer) -> None:
    consumer.put("acme/w1/force/a.csv")
    consumer.put("acme/w1/plain.csv")
    for name, said in {"yes": "True", "no": "false"}.items():
        consumer.store._client.put_object(
            Bucket=consumer.bucket, Key=f"acme/w1/{name}.csv", Body=FILE, Metadata={"onhand-force": said}
        )
    consumer.receive([event(f"acme/w1/{name}.csv") for name in ("force/a", "plain", "yes", "no")])
    assert [request.force for request in consumer.requested] == [True, False, True, False]
    assert {request.warehouse_id for request in consumer.requested} == {"w1"}


# Faults ---------------------------------------------------------------------------------------------------------------


def test_events_of_tags_start_nothing_and_are_no_dead_letters(consumer: Consumer) -> None:
    consumer.put()
    consumer.receive(*([event("", name="s3:ObjectCreated:PutTagging")] for _ in range(200)))
    assert (consumer.requested, consumer.letters, consumer.skipped) == ([], [], [])


def test_a_request_that_could_not_be_sent_is_sent_when_its_event_comes_again(consumer: Consumer) -> None:
    for name in ("a", "b"):
        consumer.put(f"acme/w1/{name}.csv")
    message = [event("acme/w1/a.csv"), event("acme/w1/b.csv")]
    for sent in (0, 1):
        consumer.fails_at = sent
        with pytest.raises(KafkaConnectionError):
            consumer.receive(message)
    consumer.fails_at = None
    consumer.receive(message)
    assert set(consumer.keys) == {"acme/w1/a.csv", "acme/w1/b.csv"}
    assert consumer.syncs == 2


def test_a_bad_record_becomes_a_dead_letter_and_the_good_ones_beside_it_are_requested(consumer: Consumer) -> None:
    for name in ("a", "b", "c"):
        consumer.put(f"acme/w1/{name}.csv")
    consumer.receive(
        [event("acme/w1/a.csv")],
        [event("x.csv"), event("acme/w1/b.csv"), {"eventName": "ObjectCreated:Put"}],
        [event("acme/w1/c.csv")],
    )
    assert set(consumer.keys) == {f"acme/w1/{name}.csv" for name in ("a", "b", "c")}
    assert consumer.syncs == 3
    [letter] = consumer.letters
    assert letter["onhand-code"] == "INVALID_MESSAGE"
    assert "s3: Field required" in letter["onhand-message"]
    assert "EventBridge" in letter["onhand-message"]


# What is remembered ---------------------------------------------------------------------------------------------------


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.text("0123456789abcDEF", min_size=1, max_size=20), then=st.text("0123456789ABCdef", min_size=1))
def test_sequencers_are_filled_up_at_their_end_and_compared_as_text(database: Database, first: str, then: str) -> None:
    width = max(len(first), len(then))
    is_news = then.upper().ljust(width, "0") >= first.upper().ljust(width, "0")
    with database.transaction() as connection:
        connection.execute("DELETE FROM upload_events")
        assert take_event(connection, "uploads", "k", first)
        assert take_event(connection, "uploads", "k", then) is is_news


def test_objects_of_which_nothing_was_heard_for_long_are_forgotten(consumer: Consumer) -> None:
    with consumer.database.transaction() as connection:
        for key in ("old", "new"):
            take_event(connection, "uploads", key, "0B")
    consumer.receive([event("acme/w1/old.docx"), event("acme/w1/new.docx")])
    assert forget_old_events(consumer.database) == 0
    with consumer.database.transaction() as connection:
        for table, column in (("upload_events", "received_at"), ("skipped_uploads", "last_seen_at")):
            then = sql.SQL("UPDATE {} SET {} = now() - make_interval(days => %s) WHERE key LIKE '%%old%%'")
            connection.execute(then.format(sql.Identifier(table), sql.Identifier(column)), [EVENT_DAYS + 1])
    assert forget_old_events(consumer.database) == 2
    assert rows(consumer.database, "SELECT key FROM upload_events") == [("new",)]
    assert [key for key, _, _ in consumer.skipped] == ["acme/w1/new.docx"]
