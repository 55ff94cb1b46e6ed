"""Bad input at the real consumer: every message gets one result or one dead letter with a code, and none is stuck."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from hypothesis import given, settings

from consumers.cloudevents import Received
from consumers.connections import object_store
from consumers.rejections import rejection
from consumers.settings import Settings
from pipeline.errors import Invalid
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from schemas.commands import COMMANDS
from schemas.errors import ErrorCode
from schemas.jobs import ApproveSync, ConfirmSync, RevertSync
from schemas.topics import TOPICS, Topic
from tests.brokers import TestStack
from tests.support.commands import JOBS, command
from tests.support.databases import copy_of
from tests.support.hostile import SAMPLES, Message, binary, mutants, oddities, table, with_own_id
from tests.support.kafka import Headers, Kafka
from tests.support.mutations import SPOILT, fields, spoilt
from tests.support.orders import fill_catalogue
from tests.support.polling import eventually
from tests.support.records import record
from tests.support.workers import Worker

UNREAD = {ErrorCode.INVALID_MESSAGE, ErrorCode.UNKNOWN_TYPE}
"""The codes of results that go with a dead letter."""


@cache
def everything_spoilt() -> list[Message]:
    """The table; made once, and only where it is needed."""
    return list(table())


# Reading alone --------------------------------------------------------------------------------------------------------


def test_every_sample_is_a_good_message() -> None:
    for type_, data in SAMPLES:
        received = binary(type_, "x", type_, json.dumps(data)).read()
        assert isinstance(received, Received), (type_, received)


def test_every_spoilt_field_is_read_or_refused_with_a_code() -> None:
    for message in (*everything_spoilt(), *oddities()):
        received = message.read()
        if isinstance(received, Invalid):
            assert received.code in ErrorCode, message.about
            str(received).encode()


def test_no_field_takes_what_no_field_can_be() -> None:
    never = ("an object", "NaN", "infinity", "a lone surrogate", "deep", "a list of null", "10**30")
    taken = [m.about for m in everything_spoilt() if m.about.endswith(never) and isinstance(m.read(), Received)]
    assert taken == []


def test_no_schedule_is_due_at_what_is_no_instant_of_its_centuries() -> None:
    taken = [m.about for m in everything_spoilt() if "'due_at'" in m.about and isinstance(m.read(), Received)]
    assert taken == []


def test_two_spellings_of_one_instant_are_one_body() -> None:
    place: dict[str, Any] = {"warehouse_id": "w1", "sku": "A", "quantity": 1}
    spelt = ["2101-01-01T12:00:00Z", "2101-01-01T12:00:00.000000+00:00", "2101-01-02T02:00:00+14:00",
             "2100-12-31T22:00:00-14:00"]  # fmt: skip
    alone = {command("x", "inventory.schedule", **place, due_at=due_at).body_hash for due_at in spelt}
    listed = {command("x", "inventory.schedule", lines=[{**place, "due_at": d}]).body_hash for d in spelt}
    assert (len(alone), len(listed)) == (1, 1)
    assert command("x", "inventory.schedule", **place, due_at="2101-01-01T12:00:01Z").body_hash not in alone


@given(mutants())
@settings(max_examples=600, deadline=None, derandomize=True)
def test_every_mutant_is_read_or_refused_with_a_code(message: Message) -> None:
    received = message.read()
    if isinstance(received, Invalid):
        assert received.code in ErrorCode
        str(received).encode()


# The real consumer ----------------------------------------------------------------------------------------------------


@dataclass
class Station:
    """One worker that takes commands and jobs, on servers of this module's own."""

    settings: Settings
    database: Database
    kafka: Kafka
    objects: ObjectStore
    worker: Worker
    missing: str = ""

    def send(self, topic: Topic, messages: Sequence[tuple[bytes, bytes | None, Headers]]) -> list[KafkaError]:
        """Write messages as fast as it goes; what the broker did not take."""
        name = f"{self.settings.kafka_topic_prefix}{topic}"

        async def send() -> list[KafkaError]:
            servers = self.settings.kafka_bootstrap_servers
            producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_request_size=2**23, linger_ms=5)
            await producer.start()
            try:
                sent = [await producer.send(name, value=v, key=k, headers=list(h)) for k, v, h in messages]
                outcomes = await asyncio.gather(*sent, return_exceptions=True)
            finally:
                await producer.stop()
            return [outcome for outcome in outcomes if isinstance(outcome, KafkaError)]

        return asyncio.run(send())

    def letters(self) -> Counter[bytes | None]:
        """Dead letters by key; each has a code of the list."""
        found = self.kafka.read(Topic.DEAD_LETTERS)
        for letter in found:
            assert dict(letter.headers)["onhand-code"].decode() in set(ErrorCode)
        return Counter(letter.key for letter in found)

    def answers(self, *, duplicates: bool = True) -> Counter[tuple[str, str]]:
        """Results by account and command id, those to repeats too or not; a rejection has a code of the list.

        Those that go with a dead letter are not counted: see `refusals`.
        """
        everything = [a for a in self.kafka.documents(Topic.COMMAND_RESULTS) if a["code"] not in UNREAD]
        found = [answer for answer in everything if duplicates or answer["status"] != "duplicate"]
        for answer in found:
            assert answer["status"] in {"applied", "duplicate"} or answer["code"] in set(ErrorCode)
        return Counter((answer["account_id"], answer["command_id"]) for answer in found)

    def refusals(self) -> set[tuple[str, str]]:
        """Account and command id of the results that go with a dead letter."""
        results = self.kafka.documents(Topic.COMMAND_RESULTS)
        return {(result["account_id"], result["command_id"]) for result in results if result["code"] in UNREAD}

    def give(self, messages: Sequence[Message]) -> None:
        """Send commands, and see that each gets what it must: one result, or one dead letter."""
        run = uuid.uuid4().hex[:8].encode()
        keyed = {b"%s-%d" % (run, number): message for number, message in enumerate(messages)}
        wanted_answers: Counter[tuple[str, str]] = Counter()
        wanted_letters: Counter[bytes | None] = Counter()
        wanted_refusals: set[tuple[str, str]] = set()
        for key, message in keyed.items():
            if isinstance(received := message.read(), Received):
                wanted_answers[received.data.account_id, received.id] += 1
            else:
                wanted_letters[key] += 1
                if told := rejection(record(message.value, message.headers), received):
                    wanted_refusals.add((told.account_id, told.command_id))
        before, first_before = self.answers(), self.answers(duplicates=False)
        assert self.send(Topic.COMMANDS, [(key, m.value, m.headers) for key, m in keyed.items()]) == []

        def answered() -> bool:
            letters, answers = wanted_letters - self.letters(), wanted_answers - (self.answers() - before)
            self.missing = str([*letters, *answers, *(wanted_refusals - self.refusals())])
            return self.missing == "[]"

        try:
            eventually(answered, "an answer to each message", seconds=60)
        except AssertionError as error:
            raise AssertionError(f"no answer to {self.missing:.2000}\n{self.worker.output()[-5000:]}") from error
        # A batch that comes again, because another worker was faster, is answered again, but only as a duplicate.
        assert set(wanted_letters) == {key for key in self.letters() if key in keyed}
        assert set(self.answers() - before) == set(wanted_answers)
        assert self.answers(duplicates=False) - first_before <= wanted_answers


@pytest.fixture(scope="module")
def station(stack: TestStack, template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station whose worker finds a rule for everything that it is given."""
    unique = uuid.uuid4().hex[:12]
    names = {name: f"{name}-{unique}" for name in ("uploads", "work", "snapshots")}
    with copy_of(template_url) as url:
        environ = {
            **stack.endpoints.environ(), "ONHAND_DATABASE_URL": url, "ONHAND_KAFKA_TOPIC_PREFIX": f"h{unique}.",
            "ONHAND_DEAD_LETTER_CAP": "1000000",
            **{f"ONHAND_S3_{name.upper()}_BUCKET": bucket for name, bucket in names.items()},
        }  # fmt: skip
        found = Settings.model_validate({name.removeprefix("ONHAND_").lower(): v for name, v in environ.items()})
        database = Database(url)
        fill_catalogue(database)
        kafka = Kafka(found)
        objects = object_store(found)
        for bucket in names.values():
            objects.ensure_bucket(bucket)
        log: Path = tmp_path_factory.mktemp("hostile") / "worker.log"
        with Worker(environ, "commands", "uploads", "syncs", "snapshots", "relay", log=log) as worker:
            station = Station(found, database, kafka, objects, worker.ready())
            yield station
            assert "cannot be processed" not in worker.output()
        database.close()


def test_every_spoilt_command_is_answered_once(station: Station) -> None:
    commands = [m for m in everything_spoilt() if m.about.split()[0] in COMMANDS]
    refused = [message for message in commands if isinstance(message.read(), Invalid)]
    taken = [message for message in commands if isinstance(message.read(), Received)]
    assert len(taken) > 500
    assert len(refused) > 2_000
    station.give([*oddities(), *taken, *refused[::20]])


def test_every_delivery_of_a_command_is_answered(station: Station) -> None:
    body = json.dumps({"account_id": "acme", "warehouse_id": "w1", "sku": "B", "quantity": 1})
    other = body.replace('"quantity": 1', '"quantity": 2')
    station.give([binary("good", "again", "inventory.add", text) for text in (body, body, other, body)] * 2)
    answers = [a for a in station.kafka.documents(Topic.COMMAND_RESULTS) if a["command_id"] == "again"]
    said = Counter((answer["status"], answer.get("first"), answer.get("code")) for answer in answers)
    repeats = said["duplicate", "applied", None]
    assert repeats in {1, 5}  # of either body, whichever came first
    assert said == {
        ("applied", None, None): 1,
        ("duplicate", "applied", None): repeats,
        ("rejected", None, "IDEMPOTENCY_MISMATCH"): 7 - repeats,
    }


def test_every_mutant_is_answered_once(station: Station) -> None:
    found: list[Message] = []

    @given(mutants())
    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    def collect(message: Message) -> None:
        if not (message.headers and (message.headers[2][1] or b"").decode() in JOBS):
            found.append(with_own_id(message, len(found)))

    collect()
    assert len(found) > 200
    station.give(found)


def test_every_spoilt_request_for_a_job_ends_once(station: Station) -> None:
    requests = [m for m in everything_spoilt() if m.about.split()[0] in JOBS][::2]
    for topic, kind in ((Topic.SYNCS, "sync."), (Topic.SNAPSHOTS, "snapshot.")):
        keyed = {b"%s%d" % (kind.encode(), n): m for n, m in enumerate(requests) if m.about.startswith(kind)}
        assert station.send(topic, [(key, m.value, m.headers) for key, m in keyed.items()]) == []
    everything = {b"%s%d" % (m.about.split(".")[0].encode() + b".", n): m for n, m in enumerate(requests)}

    fates = {key: (_is_decision(m), _job(m)) for key, m in everything.items()}

    def ended() -> bool:
        letters = station.letters()
        jobs = {str(job_id) for (job_id,) in _ask(station, _FINISHED)}
        return all(
            letters[key] == 1 if is_decision else (letters[key] == 1) != (job in jobs)
            for key, (is_decision, job) in fates.items()
        )

    eventually(ended, "an end of each request", seconds=60)
    codes = _ask(station, "SELECT error_code FROM sync_jobs WHERE status = 'error'")
    assert {code for (code,) in codes} <= set(ErrorCode)


_FINISHED = """SELECT sync_id FROM sync_jobs WHERE finished_at IS NOT NULL
               UNION ALL SELECT snapshot_id FROM snapshot_jobs WHERE finished_at IS NOT NULL"""


def _is_decision(message: Message) -> bool:
    """Whether it is about a job in a state that none of these is in: it is refused."""
    received = message.read()
    return not isinstance(received, Invalid) and isinstance(received.data, ApproveSync | ConfirmSync | RevertSync)


def _job(message: Message) -> str | None:
    received = message.read()
    if isinstance(received, Invalid):
        return None
    return str(getattr(received.data, "sync_id", None) or received.data.snapshot_id)


def _ask(station: Station, query: str) -> list[tuple[Any, ...]]:
    with station.database.transaction() as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("what", ["padding", "a field"])
def test_a_body_of_2_mb_is_refused_by_the_broker_or_answered_once(station: Station, what: str) -> None:
    sku, padding = ("A", " " * 2_000_000) if what == "padding" else ("A" * 2_000_000, "")
    text = json.dumps({"account_id": "acme", "warehouse_id": "w1", "sku": sku, "quantity": 1}) + padding
    message = binary("large", f"large {what}", "inventory.add", text)
    key = f"large {what}".encode()
    refused = station.send(Topic.COMMANDS, [(key, message.value, message.headers)])
    if refused:
        assert [type(error).__name__ for error in refused] == ["MessageSizeTooLargeError"]
    elif what == "padding":
        eventually(lambda: station.answers()["acme", f"large {what}"] == 1, "its result")
    else:
        eventually(lambda: station.letters()[key] == 1, "its dead letter")


def test_every_spoilt_announcement_of_a_file_leaves_the_way_free_for_good_ones(station: Station) -> None:
    bucket = station.settings.s3_uploads_bucket

    def announced(name: str) -> dict[str, Any]:
        file = {"key": f"acme/w1/{name}.csv", "eTag": "abc", "size": 5}
        record_ = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": file}}
        return {"Records": [record_], "Event": "s3:ObjectCreated:Put"}

    good = announced("spoilt")
    good["Records"][0]["s3"]["object"] |= {"versionId": "v1", "sequencer": "0A1"}
    bad = [spoilt(good, path, how) for path in fields(good) for how in SPOILT]
    names = [f"good{n}" for n in range(20)]
    for name in names:
        station.objects.put_bytes(bucket, f"acme/w1/{name}.csv", b"nothing,here\n1,2\n")
    every = [*bad, *(json.dumps(announced(name)) for name in names)]
    assert station.send(Topic.UPLOADS, [(b"%d" % n, text.encode(), ()) for n, text in enumerate(every)]) == []
    wanted = {(f"s3://{bucket}/acme/w1/{name}.csv", "HEADER_COLUMN_MISSING") for name in names}
    eventually(
        lambda: wanted <= set(_ask(station, "SELECT url, error_code FROM sync_jobs")), "the jobs of the good ones"
    )
    reached = {found.partition for found in station.kafka.read(Topic.UPLOADS) if b"good" in (found.value or b"")}
    assert reached == set(range(TOPICS[Topic.UPLOADS].partitions))
    assert station.letters().total() > 0


def test_afterwards_every_partition_still_carries_good_commands(station: Station) -> None:
    body = json.dumps({"account_id": "acme", "warehouse_id": "w1", "sku": "D", "quantity": 1})
    station.give([binary("good", f"good{n}-{uuid.uuid4().hex}", "inventory.add", body) for n in range(200)])
    reached = {found.partition for found in station.kafka.read(Topic.COMMANDS) if b'"D"' in (found.value or b"")}
    assert reached == set(range(TOPICS[Topic.COMMANDS].partitions))
