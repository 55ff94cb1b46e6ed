"""Subscribes to `sync-chunks`: the parts of planned syncs, shared by all workers."""

import asyncio
from collections.abc import Sequence

from consumers.cloudevents import Received, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.syncs.apply import apply_chunk
from schemas.cloudevents import EventType
from schemas.jobs import SyncChunk
from schemas.topics import Topic


def attach(worker: Worker) -> None:
    """Let this worker take part in applying chunks."""
    topic = worker.topic(Topic.SYNC_CHUNKS)

    async def handle(events: Sequence[Received[SyncChunk]]) -> None:
        for event in events:
            await asyncio.to_thread(
                apply_chunk, event.data, worker.database, worker.objects, work_bucket=worker.settings.s3_work_bucket
            )

    inbox = Inbox(topic, reader({EventType.SYNC_CHUNK.value: SyncChunk}), handle, worker.dead_letters)
    subscribe(worker.broker, topic, inbox.receive, max_records=1, stop=worker.stop)
