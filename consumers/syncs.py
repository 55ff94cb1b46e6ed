"""Subscribes to `syncs`: requests to plan or abort a CSV sync."""

import asyncio
from collections.abc import Sequence
from functools import partial

from consumers.aborts import attach_aborts
from consumers.cloudevents import Received, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.syncs.plan import Planner, abort_sync, request_sync
from pipeline.uploads.source import SourceLimits
from pipeline.web import WebLimits
from schemas.jobs import SYNC_REQUESTS, AbortSync, RequestSync
from schemas.topics import Topic


def attach(worker: Worker) -> None:
    """Let this worker take part in planning syncs."""
    settings, topic = worker.settings, worker.topic(Topic.SYNCS)
    planner = Planner(
        worker.database,
        worker.objects,
        settings.s3_work_bucket,
        settings.chunk_bytes,
        SourceLimits(
            settings.s3_uploads_bucket,
            settings.s3_source_buckets,
            WebLimits(settings.fetch_timeout_seconds, settings.upload_max_bytes, settings.fetch_allow_private),
        ),
    )

    abort = partial(abort_sync, database=worker.database)

    async def handle(events: Sequence[Received[RequestSync | AbortSync]]) -> None:
        for event in events:
            if isinstance(event.data, RequestSync):
                await asyncio.to_thread(request_sync, event.data, planner)
            else:
                await asyncio.to_thread(abort, event.data)

    inbox = Inbox(topic, reader(SYNC_REQUESTS), handle, worker.dead_letters)
    attach_aborts(worker, topic, SYNC_REQUESTS, AbortSync, abort)
    subscribe(worker.broker, topic, inbox.receive, max_records=1, stop=worker.stop)
