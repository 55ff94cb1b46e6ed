"""The relay: what a topic does not take goes to the dead letters, and holds up nothing that stands behind it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from pydantic import BaseModel

from consumers.packing import Limits, pack
from consumers.relay import Relay
from consumers.settings import Settings
from pipeline.store.database import Database
from pipeline.store.outbox import OutgoingMessage, Publishable, publish
from schemas.cloudevents import EventType
from schemas.errors import ErrorCode
from schemas.topics import TOPICS, DeadLetterHeader, Topic
from tests.support.kafka import Kafka

MIB = 2**20


class Note(BaseModel):
    text: str


def note(number: int, size: int = 0, *, topic: Topic = Topic.SYNC_STATUS, character: str = "x") -> OutgoingMessage:
    return OutgoingMessage(topic, "one key", EventType.SYNC_STATUS, Note(text=f"{number} {character * size}"))


def write(database: Database, *messages: OutgoingMessage) -> None:
    """Each message in a batch of its own."""
    for message in messages:
        with database.transaction() as connection:
            publish(connection, "acme", [message])


def relay_all(database: Database, settings: Settings) -> None:
    """Run the real relay until nothing waits."""

    def waiting() -> bool:
        with database.transaction() as connection:
            return connection.execute("SELECT FROM outbox LIMIT 1").fetchone() is not None

    def new_producer() -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            enable_idempotence=settings.kafka_idempotence,
            max_request_size=2 * MIB,
        )

    async def run() -> None:
        relay = asyncio.create_task(Relay(database, new_producer, settings.kafka_topic_prefix).run())
        async with asyncio.timeout(30):
            while await asyncio.to_thread(waiting):
                assert not relay.done(), relay.exception()
                await asyncio.sleep(0.02)  # between two looks at the outbox
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay

    asyncio.run(run())


def numbers(records: list[ConsumerRecord[bytes, bytes]]) -> list[int]:
    return [int(json.loads(record.value)["text"].split()[0]) for record in records]


def headers(record: ConsumerRecord[bytes, bytes]) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


@pytest.fixture
def kafka(settings: Settings) -> Kafka:
    return Kafka(settings)


def test_a_message_that_is_too_large_becomes_a_dead_letter_and_all_others_keep_their_order(
    database: Database, settings: Settings, kafka: Kafka
) -> None:
    write(database, note(1), note(2), note(3, MIB), note(4), note(5, 2 * MIB), note(6))
    relay_all(database, settings)
    assert numbers(kafka.read(Topic.SYNC_STATUS)) == [1, 2, 4, 6]
    letters = kafka.read(Topic.DEAD_LETTERS)
    assert [letter.key for letter in letters] == [b"one key"] * 2
    assert [letter.value[:12] for letter in letters] == [b'{"text":"3 x', b'{"text":"5 x']
    assert [len(letter.value) for letter in letters] == [900_000] * 2
    said = headers(letters[0])
    assert said["ce_type"] == EventType.SYNC_STATUS
    assert said["ce_id"].startswith("message:")
    assert said[DeadLetterHeader.TOPIC] == f"{settings.kafka_topic_prefix}sync-status"
    assert said[DeadLetterHeader.CODE] == ErrorCode.MESSAGE_TOO_LARGE
    assert said[DeadLetterHeader.CONSUMER] == "relay"
    assert said.keys() >= set(DeadLetterHeader)


def test_a_result_may_be_larger_than_other_messages(database: Database, settings: Settings, kafka: Kafka) -> None:
    write(database, note(1, MIB + MIB // 2, topic=Topic.COMMAND_RESULTS), note(2, topic=Topic.COMMAND_RESULTS))
    relay_all(database, settings)
    assert numbers(kafka.read(Topic.COMMAND_RESULTS)) == [1, 2]
    assert kafka.read(Topic.DEAD_LETTERS) == []


def test_a_document_takes_no_more_bytes_than_its_text(database: Database, settings: Settings, kafka: Kafka) -> None:
    write(database, note(1, 200_000, character="\u00e9"))
    relay_all(database, settings)
    [record] = kafka.read(Topic.SYNC_STATUS)
    assert len(record.value) < 2 * 200_000 + 100


# A broker that takes less than the specification says ----------------------------------------------------------------


def publishables(*sizes: int) -> list[Publishable]:
    return [
        Publishable(Topic.CHANGES, EventType.LEVEL_CHANGED, f"{number}", "one key", b"x" * size)
        for number, size in enumerate(sizes)
    ]


def settle(messages: list[Publishable], takes: Callable[[int], bool]) -> tuple[list[int], int]:
    """Pack until a broker takes all requests: the messages in each request, and the dead letters."""
    limits = Limits()
    for _ in range(100):
        requests = pack(messages, "", limits)
        sent = [(topic, each) for (topic, _), batches in requests.items() for each in batches]
        refused = [(topic, each) for topic, each in sent if not takes(each.size())]
        if not refused:
            counts = [each.record_count() for topic, each in sent if topic is Topic.CHANGES]
            return counts, sum(each.record_count() for topic, each in sent if topic is Topic.DEAD_LETTERS)
        limits.refused(*refused[0])
    raise AssertionError("the broker never takes them")


def test_requests_that_the_broker_finds_too_large_are_made_smaller_and_none_of_their_messages_is_lost() -> None:
    counts, letters = settle(publishables(*[1000] * 300), lambda size: size <= 20_000)
    assert (sum(counts), letters) == (300, 0)
    assert max(counts) > 5


def test_only_the_messages_that_the_broker_takes_in_no_request_become_dead_letters() -> None:
    counts, letters = settle(publishables(100, 19_000, 30_000, 100, 25_000, 100), lambda size: size <= 20_000)
    assert (sum(counts), letters) == (4, 2)


def test_the_keys_of_one_topic_are_spread_over_its_partitions() -> None:
    messages = [message._replace(key=f"key {n}") for n, message in enumerate(publishables(*[10] * 200))]
    assert {number for _, number in pack(messages, "", Limits())} == set(range(TOPICS[Topic.CHANGES].partitions))
