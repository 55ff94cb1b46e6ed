"""Proves invariant 5 against the topic itself: every change is there, in order per level."""

from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import chain
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

    Tells the truth for as long as the topic keeps its messages: what retention has removed counts as missing. Needs
    memory for the ids of all changes.
    """
    with database.transaction() as connection:
        rows = connection.execute(statements("audit")["published_changes"], {"account_id": account_id})
        expected = {event_id for (event_id,) in rows}
    last: dict[str, int] = defaultdict(int)
    faults: list[str] = []
    missing = set(expected)
    async for event_id in _event_ids(settings):
        level, _, version = event_id.rpartition(":")
        if account_id is not None and not event_id.startswith(f"{account_id}:"):
            continue
        if int(version) > last[level] + 1:
            faults.append(f"{level}: version {version} comes after {last[level]}")
        last[level] = max(last[level], int(version))
        missing.discard(event_id)
    faults += [f"{event_id} is not on the topic" for event_id in sorted(missing)]
    return Finding(5, _NAME, len(expected), len(faults), tuple(faults[:_EXAMPLES]))


async def _event_ids(settings: Settings) -> AsyncIterator[str]:
    """The ids of all events that were on the topic when the reading began, in order per partition."""
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
                yield dict(record.headers)["ce_id"].decode()
    finally:
        await consumer.stop()
