"""Subscribes to `snapshots`: requests to write or abort a snapshot."""

import asyncio
from collections.abc import Sequence
from functools import partial

from consumers.aborts import attach_aborts
from consumers.cloudevents import Received, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.snapshots.handler import abort_snapshot, request_snapshot
from schemas.jobs import SNAPSHOT_REQUESTS, AbortSnapshot, RequestSnapshot
from schemas.topics import Topic


def attach(worker: Worker) -> None:
    """Let this worker take part in writing snapshots."""
    settings, topic = worker.settings, worker.topic(Topic.SNAPSHOTS)
    write = partial(
        request_snapshot,
        database=worker.database,
        objects=worker.objects,
        bucket=settings.s3_snapshots_bucket,
        link_seconds=settings.snapshot_link_hours * 3600,
    )

    abort = partial(abort_snapshot, database=worker.database)

    async def handle(events: Sequence[Received[RequestSnapshot | AbortSnapshot]]) -> None:
        for event in events:
            if isinstance(event.data, RequestSnapshot):
                await asyncio.to_thread(write, event.data)
            else:
                await asyncio.to_thread(abort, event.data)

    inbox = Inbox(topic, reader(SNAPSHOT_REQUESTS), handle, worker.dead_letters)
    attach_aborts(worker, topic, SNAPSHOT_REQUESTS, AbortSnapshot, abort)
    subscribe(worker.broker, topic, inbox.receive, max_records=1, stop=worker.stop)
