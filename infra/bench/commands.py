"""Single-level commands: how many per second through to result and event, and how long one takes at a steady rate."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from zlib import crc32

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumers.cloudevents import Headers, event_headers
from consumers.settings import Settings
from infra.bench.catalogue import ACCOUNT, BINS, WAREHOUSE, fill_catalogue, fill_levels, settle
from infra.bench.machine import cpu_seconds, peak_rss_mb
from infra.platform import Platform
from schemas.commands.stock import AddInventory
from schemas.topics import TOPICS, Topic

LEVELS = 50_000
HOT_LEVELS = 10
_STEADY_PER_S = 1_000
_STEADY_SECONDS = 20
_TICK_SECONDS = 0.01
_WORKERS = (("commands",), ("relay",))
_POLL_SECONDS = 0.02
_LONGEST_SECONDS = 600


def bench_commands(count: int, data_dir: Path) -> dict[str, float]:
    """`commands.*`: per second over `count` commands on 50,000 levels, `hot_per_s` over a fifth of that on ten levels;
    p50, p99 in ms at 1,000/s, publish to event.
    """
    spread = _drain(count, LEVELS, data_dir / "spread")
    hot = _drain(count // 5, HOT_LEVELS, data_dir / "hot")
    latencies = _latencies(data_dir / "steady")
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "commands.count": count,
        "commands.per_s": spread.per_s,
        "commands.peak_rss_mb": spread.peak_rss_mb,
        **{f"commands.cpu_us.{name}": micros for name, micros in spread.cpu_us.items()},
        "commands.hot_per_s": hot.per_s,
        "commands.p50_ms": percentiles[49] * 1000,
        "commands.p99_ms": percentiles[98] * 1000,
    }


@dataclass(frozen=True)
class _Drained:
    per_s: float
    peak_rss_mb: float
    cpu_us: dict[str, float]
    """Of each process group, per command."""


def _drain(count: int, levels: int, data_dir: Path) -> _Drained:
    """How fast a backlog of commands goes through to results and events that the broker has acknowledged.

    Producers and readers of a benchmark would take the same two cores: the commands are on the topic before the first
    worker starts, and the results and events are read, and counted, after the last was published.
    """
    with Platform(data_dir, ()) as platform, _filled(platform.settings) as database:
        last = asyncio.run(_publish_all(platform.settings, count, levels))
        for roles in _WORKERS:
            platform.start_worker(roles)
        _wait(platform, database, "SELECT EXISTS (SELECT FROM commands)")
        used, before = cpu_seconds(), _done(database)
        _wait(platform, database, "SELECT count(*) = %s FROM commands WHERE command_id = ANY(%s)", [len(last), last])
        _wait(platform, database, "SELECT NOT EXISTS (SELECT FROM outbox)")
        ended, done = time.time(), count - before
        (began,) = database.execute("SELECT extract(epoch FROM min(recorded_at)) FROM commands").fetchone() or (ended,)
        cpu_us = {name: (cpu - used[name]) / done * 1e6 for name, cpu in cpu_seconds().items()}
        memory = peak_rss_mb(platform.worker_pids)
        asyncio.run(_count_published(platform.settings, count))
        return _Drained(count / (ended - float(began)), memory, cpu_us)


@contextmanager
def _filled(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        fill_catalogue(connection, ACCOUNT, LEVELS)
        fill_levels(connection, ACCOUNT, LEVELS)
        connection.commit()
        settle(connection)  # and every statement is a transaction of its own from here on
        yield connection


def _done(database: psycopg.Connection) -> int:
    (count,) = database.execute("SELECT count(*) FROM commands").fetchone() or (0,)
    return int(count)


def _wait(
    platform: Platform, database: psycopg.Connection, question: LiteralString, values: Sequence[object] = ()
) -> None:
    """Until the answer is true."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while database.execute(question, values).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {_LONGEST_SECONDS} s still not: {question}")
        platform.check()
        time.sleep(_POLL_SECONDS)


async def _publish_all(settings: Settings, count: int, levels: int) -> list[str]:
    """The last command of each partition: when those are done, all are."""
    last: dict[int, str] = {}
    async with _producer(settings) as producer:
        for first in range(0, count, 10_000):
            ids = [f"load-{n}" for n in range(first, min(first + 10_000, count))]
            last |= await _publish(producer, settings, ids, levels)
    return list(last.values())


async def _count_published(settings: Settings, count: int) -> None:
    """TimeoutError where not every command has its result and its event on the topics."""
    async with _consumer(settings, Topic.COMMAND_RESULTS) as results, _consumer(settings, Topic.CHANGES) as changes:
        await asyncio.wait_for(asyncio.gather(_receive(results, count), _receive(changes, count)), _LONGEST_SECONDS)


def _latencies(data_dir: Path) -> list[float]:
    with Platform(data_dir, _WORKERS) as platform, _filled(platform.settings):
        return asyncio.run(_steady(platform.settings))


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
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
async def _consumer(settings: Settings, topic: Topic) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(f"{settings.kafka_topic_prefix}{topic}", **_reading(settings))
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _reading(settings: Settings) -> dict[str, object]:
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "fetch_max_wait_ms": 5,  # see consumers/subscription.py
    }


async def _steady(settings: Settings) -> list[float]:
    """Seconds from publishing to receiving the change event, for each command at the steady rate."""
    async with _producer(settings) as producer, _consumer(settings, Topic.CHANGES) as changes:
        await _publish(producer, settings, [f"warm-{n}" for n in range(100)], LEVELS)
        await _receive(changes, 100)  # the workers have joined and everything is connected
        return await _at_a_steady_rate(producer, changes, settings)


async def _at_a_steady_rate(producer: AIOKafkaProducer, changes: AIOKafkaConsumer, settings: Settings) -> list[float]:
    total = _STEADY_PER_S * _STEADY_SECONDS
    sent: dict[str, float] = {}
    latencies: list[float] = []

    async def publish() -> None:
        began = time.perf_counter()
        while len(sent) < total:
            due = min(total, int((time.perf_counter() - began) * _STEADY_PER_S) + 1)
            ids = [f"steady-{n}" for n in range(len(sent), due)]
            now = time.perf_counter()
            sent.update(dict.fromkeys(ids, now))
            await _publish(producer, settings, ids, LEVELS)
            await asyncio.sleep(_TICK_SECONDS)

    async def receive() -> None:
        while len(latencies) < total:
            for records in (await changes.getmany(timeout_ms=1000)).values():
                now = time.perf_counter()
                latencies.extend(now - sent[json.loads(record.value)["command_id"]] for record in records)

    await asyncio.gather(publish(), receive())
    return latencies


async def _publish(producer: AIOKafkaProducer, settings: Settings, ids: Sequence[str], levels: int) -> dict[int, str]:
    """An `inventory.add` for each id, on one of the levels at random, in as few requests as the order of keys allows.

    Returns the last id of each partition.
    """
    topic = f"{settings.kafka_topic_prefix}{Topic.COMMANDS}"
    partitions = TOPICS[Topic.COMMANDS].partitions
    builders = [producer.create_batch() for _ in range(partitions)]
    waiting = []
    last: dict[int, str] = {}
    for number, command_id in enumerate(ids):
        key, value, headers = _command(command_id, levels)
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


def _command(command_id: str, levels: int) -> tuple[bytes, bytes, Headers]:
    level = random.randint(1, levels)  # noqa: S311 - which level does not matter
    sku = f"SKU-{level:08d}"
    data = {
        "account_id": ACCOUNT,
        "warehouse_id": WAREHOUSE,
        "sku": sku,
        "location_id": f"B-{level % BINS:04d}",
        "quantity": 1,
        "reason": "received",
    }
    return f"{WAREHOUSE}:{sku}".encode(), json.dumps(data).encode(), event_headers(AddInventory.TYPE, command_id)


async def _receive(consumer: AIOKafkaConsumer, count: int) -> None:
    received = 0
    while received < count:
        received += sum(len(records) for records in (await consumer.getmany(timeout_ms=1000)).values())
