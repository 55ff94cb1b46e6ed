"""Single-level commands for the benchmarks: made, published in few requests, and awaited on the topics."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from zlib import crc32

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.cloudevents import Headers, event_headers
from consumers.settings import Settings
from infra.bench.catalogue import ACCOUNT, BINS, WAREHOUSE
from schemas.commands.stock import AddInventory
from schemas.topics import TOPICS, Topic

LevelOf = Callable[[str], int]
"""On which product a command of this id is, by number."""


@asynccontextmanager
async def producer_to(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A connected producer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_idempotence=settings.kafka_idempotence,
        max_batch_size=256 * 1024,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consumer_of(
    settings: Settings, topic: Topic, partitions: Iterable[int] | None = None, *, begin: str = "earliest"
) -> AsyncIterator[AIOKafkaConsumer]:
    """A connected consumer of a topic, or of some partitions of it, from its beginning or its end (`latest`)."""
    name = f"{settings.kafka_topic_prefix}{topic}"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auto_offset_reset=begin,
        enable_auto_commit=False,
        fetch_max_wait_ms=20,  # see consumers/subscription.py; a shorter one would load the broker that is measured
    )
    await consumer.start()
    try:
        chosen = range(TOPICS[topic].partitions) if partitions is None else partitions
        consumer.assign([TopicPartition(name, partition) for partition in chosen])
        for place in consumer.assignment():
            await consumer.position(place)  # where "the end" is counts from now on, not from the first fetch
        yield consumer
    finally:
        await consumer.stop()


async def publish(
    producer: AIOKafkaProducer, settings: Settings, ids: Sequence[str], level_of: LevelOf
) -> dict[int, str]:
    """An `inventory.add` of one unit for each id, in as few requests as the order of keys allows.

    Returns the last id of each partition.
    """
    topic = f"{settings.kafka_topic_prefix}{Topic.COMMANDS}"
    partitions = TOPICS[Topic.COMMANDS].partitions
    builders = [producer.create_batch() for _ in range(partitions)]
    waiting = []
    last: dict[int, str] = {}
    for number, command_id in enumerate(ids):
        key, value, headers = _command(command_id, level_of(command_id))
        partition = crc32(key) % partitions
        last[partition] = command_id
        if builders[partition].append(key=key, value=value, timestamp=None, headers=headers) is None:
            waiting.append(await producer.send_batch(builders[partition], topic, partition=partition))
            builders[partition] = producer.create_batch()
            builders[partition].append(key=key, value=value, timestamp=None, headers=headers)
        if number % 1000 == 999:
            await asyncio.sleep(0)  # let the consumers of this process have their turn
    for partition, builder in enumerate(builders):
        if builder.record_count():
            waiting.append(await producer.send_batch(builder, topic, partition=partition))
    await asyncio.gather(*waiting)
    return last


async def receive(consumer: AIOKafkaConsumer, count: int) -> None:
    """Wait for so many records."""
    received = 0
    while received < count:
        received += sum(len(records) for records in (await consumer.getmany(timeout_ms=1000)).values())


def sku_of(level: int) -> str:
    """The product of a number, as `fill_catalogue` names it."""
    return f"SKU-{level:08d}"


def change_partition(level: int) -> int:
    """The partition that the changes of a product go to."""
    key = f"{ACCOUNT}:{WAREHOUSE}:{sku_of(level)}".encode()
    return crc32(key) % TOPICS[Topic.CHANGES].partitions


def _command(command_id: str, level: int) -> tuple[bytes, bytes, Headers]:
    data = {
        "account_id": ACCOUNT,
        "warehouse_id": WAREHOUSE,
        "sku": sku_of(level),
        "location_id": f"B-{level % BINS:04d}",
        "quantity": 1,
        "reason": "received",
    }
    return (
        f"{WAREHOUSE}:{sku_of(level)}".encode(),
        json.dumps(data).encode(),
        event_headers(AddInventory.TYPE, command_id),
    )
