"""Single-level commands: how many per second through to result and event, and how long one takes at a steady rate."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumers.cloudevents import Headers, event_headers
from consumers.settings import Settings
from infra.bench.catalogue import ACCOUNT, BINS, WAREHOUSE, fill_catalogue, fill_levels, settle
from infra.bench.machine import peak_rss_mb
from infra.platform import Platform
from schemas.commands import AddInventory
from schemas.topics import TOPICS, Topic

LEVELS = 50_000
_STEADY_PER_S = 1_000
_STEADY_SECONDS = 20
_TICK_SECONDS = 0.01
_WORKERS = (("commands",), ("relay",))


def bench_commands(count: int, data_dir: Path) -> dict[str, float]:
    """`commands.*`: per second over `count` commands on 50,000 levels; p50, p99 in ms at 1,000/s, publish to event."""
    with Platform(data_dir, _WORKERS) as platform:
        with psycopg.connect(platform.settings.database_url.get_secret_value()) as connection:
            fill_catalogue(connection, ACCOUNT, LEVELS)
            fill_levels(connection, ACCOUNT, LEVELS)
            connection.commit()
            settle(connection)
        seconds, latencies = asyncio.run(_measure(platform.settings, count))
        percentiles = statistics.quantiles(latencies, n=100)
        return {
            "commands.count": count,
            "commands.per_s": count / seconds,
            "commands.p50_ms": percentiles[49] * 1000,
            "commands.p99_ms": percentiles[98] * 1000,
            "commands.peak_rss_mb": peak_rss_mb(platform.worker_pids),
        }


async def _measure(settings: Settings, count: int) -> tuple[float, list[float]]:
    prefix = settings.kafka_topic_prefix
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_idempotence=settings.kafka_idempotence,
        max_batch_size=256 * 1024,
    )
    results = AIOKafkaConsumer(f"{prefix}{Topic.COMMAND_RESULTS}", **_reading(settings))
    changes = AIOKafkaConsumer(f"{prefix}{Topic.CHANGES}", **_reading(settings))
    await asyncio.gather(producer.start(), results.start(), changes.start())
    try:
        await _warm_up(producer, results, changes, settings)
        seconds = await _throughput(producer, results, changes, settings, count)
        latencies = await _steady(producer, changes, settings)
    finally:
        await asyncio.gather(producer.stop(), results.stop(), changes.stop())
    return seconds, latencies


def _reading(settings: Settings) -> dict[str, object]:
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "fetch_max_wait_ms": 5,  # see consumers/subscription.py
    }


async def _warm_up(
    producer: AIOKafkaProducer, results: AIOKafkaConsumer, changes: AIOKafkaConsumer, settings: Settings
) -> None:
    """Wait until the workers have joined and everything is connected."""
    await _publish(producer, settings, [f"warm-{n}" for n in range(100)])
    await asyncio.gather(_receive(results, 100), _receive(changes, 100))


async def _throughput(
    producer: AIOKafkaProducer, results: AIOKafkaConsumer, changes: AIOKafkaConsumer, settings: Settings, count: int
) -> float:
    """Seconds from the first command published until the last result and the last event were received."""
    began = time.perf_counter()
    await asyncio.gather(
        _publish(producer, settings, [f"load-{n}" for n in range(count)]),
        _receive(results, count),
        _receive(changes, count),
    )
    return time.perf_counter() - began


async def _steady(producer: AIOKafkaProducer, changes: AIOKafkaConsumer, settings: Settings) -> list[float]:
    """Seconds from publishing to receiving the change event, for each command at the steady rate."""
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
            await _publish(producer, settings, ids)
            await asyncio.sleep(_TICK_SECONDS)

    async def receive() -> None:
        while len(latencies) < total:
            for records in (await changes.getmany(timeout_ms=1000)).values():
                now = time.perf_counter()
                latencies.extend(now - sent[json.loads(record.value)["command_id"]] for record in records)

    await asyncio.gather(publish(), receive())
    return latencies


async def _publish(producer: AIOKafkaProducer, settings: Settings, ids: Sequence[str]) -> None:
    """One `inventory.add` for each id, on a random level, in as few requests as the order of keys allows."""
    topic = f"{settings.kafka_topic_prefix}{Topic.COMMANDS}"
    partitions = TOPICS[Topic.COMMANDS].partitions
    builders = [producer.create_batch() for _ in range(partitions)]
    waiting = []
    for number, command_id in enumerate(ids):
        key, value, headers = _command(command_id)
        partition = crc32(key) % partitions
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


def _command(command_id: str) -> tuple[bytes, bytes, Headers]:
    level = random.randint(1, LEVELS)  # noqa: S311 - which level does not matter
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
