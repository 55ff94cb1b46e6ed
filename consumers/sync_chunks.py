"""Subscribes to `sync-chunks`: the parts of syncs, shared by all workers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from consumers.cloudevents import Received, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.sync_services import sync_services
from consumers.worker import Worker
from pipeline.syncs.apply import apply_chunk
from pipeline.syncs.finish import finish_sync
from pipeline.syncs.services import SyncServices
from pipeline.syncs.split import split_range
from schemas.cloudevents import EventType
from schemas.jobs import SyncChunk, SyncFinish, SyncRange
from schemas.topics import Topic

_PARTS: Final[dict[str, type[SyncRange | SyncChunk | SyncFinish]]] = {
    EventType.SYNC_RANGE.value: SyncRange,
    EventType.SYNC_CHUNK.value: SyncChunk,
    EventType.SYNC_FINISH.value: SyncFinish,
}
_HANDLERS: Final[dict[type[Any], Callable[[Any, SyncServices], None]]] = {
    SyncRange: split_range,
    SyncChunk: apply_chunk,
    SyncFinish: finish_sync,
}


def attach(worker: Worker) -> None:
    """Let this worker take part in reading and applying the parts of syncs."""
    topic, services = worker.topic(Topic.SYNC_CHUNKS), sync_services(worker)

    async def handle(events: Sequence[Received[SyncRange | SyncChunk | SyncFinish]]) -> None:
        for event in events:
            await asyncio.to_thread(_HANDLERS[type(event.data)], event.data, services)

    inbox = Inbox(topic, reader(_PARTS), handle, worker.dead_letters)
    for _ in range(worker.settings.sync_consumers):
        subscribe(worker.broker, topic, inbox.receive, max_records=1, stop=worker.stop)
