"""Proves invariant 5 against the topic itself: every change is there, in order per level."""

from collections.abc import AsyncIterator
from itertools import chain
from math import inf
from typing import Any

from aiokafka import AIOKafkaConsumer

from consumers.settings import Settings
from pipeline.audit import Finding
from pipeline.store.database import Database
from pipeline.store.statements import statements
from schemas.topics import Topic

_NAME = "every published change is on the topic, in order per level"
_EXAMPLES = 5


async def audit_events(settings: Settings, database: Database, account_id: str | None = None) -> Finding:
    """Read the whole topic `changes` and compare it with the change log.

    What was recorded before the oldest message that the topic still has, and is not there, cannot be checked: it is
    counted in the finding's name. Needs memory for the ids of all changes.
    """
    with database.transaction() as connection:
        rows = connection.execute(statements("audit")["published_changes"], {"account_id": account_id})
        missing = {event_id: recorded_at.timestamp() for event_id, recorded_at in rows}
    total = len(missing)
    last: dict[str, int] = {}
    faults: list[str] = []
    oldest = inf
    async for event_id, published_at in published_events(settings):
        oldest = min(oldest, published_at)
        if account_id is not None and not event_id.startswith(f"{account_id}:"):
            continue
        level, version = event_id.rpartition(":")[0], int(event_id.rpartition(":")[2])
        if version > last.get(level, version) + 1:
            faults.append(f"{level}: version {version} comes after {last[level]}")
        last[level] = max(last.get(level, 0), version)
        missing.pop(event_id, None)
    lost = sorted(event_id for event_id, recorded_at in missing.items() if recorded_at >= oldest)
    faults += [f"{event_id} is not on the topic" for event_id in lost]
    older = len(missing) - len(lost)
    name = f"{_NAME} ({older:,} are older than the topic: not checked)" if older else _NAME
    return Finding(5, name, total - older, len(faults), tuple(faults[:_EXAMPLES]))


async def published_events(settings: Settings) -> AsyncIterator[tuple[str, float]]:
    """Id and time of publishing of all events that were on the topic at the start, in order per partition."""
    topic = f"{settings.kafka_topic_prefix}{Topic.CHANGES}"
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())
        ends = {p: end for p, end in (await consumer.end_offsets(partitions)).items() if end > 0}
        polled: dict[Any, Any] = {}
        # Until a poll comes back empty, too: the ends that the embedded broker tells are short of its last batch.
        while polled or [p for p, end in ends.items() if await consumer.position(p) < end]:
            polled = await consumer.getmany(timeout_ms=1000)
            for record in chain.from_iterable(polled.values()):
                yield dict(record.headers)["ce_id"].decode(), record.timestamp / 1000
    finally:
        await consumer.stop()
