"""Subscribes to `syncs`: requests to start, stop, approve, confirm or revert a CSV sync."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from consumers.aborts import attach_aborts
from consumers.cloudevents import Received, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.sync_services import sync_services
from consumers.worker import Worker
from pipeline.syncs import requests
from pipeline.syncs.services import SyncServices
from schemas.jobs import (
    SYNC_REQUESTS,
    AbortSync,
    ApproveSync,
    ConfirmSync,
    RequestSync,
    ResumeSync,
    RevertSync,
    SyncRequest,
)
from schemas.topics import Topic

_HANDLERS: Final[dict[type[Any], Callable[[Any, SyncServices], None]]] = {
    RequestSync: requests.request_sync,
    AbortSync: lambda request, services: requests.abort_sync(request, services.database),
    ApproveSync: lambda request, services: requests.approve_sync(request, services.database),
    ConfirmSync: requests.confirm_sync,
    RevertSync: requests.revert_sync,
    ResumeSync: requests.resume_sync,
}


def attach(worker: Worker) -> None:
    """Let this worker take part in planning syncs."""
    topic, services = worker.topic(Topic.SYNCS), sync_services(worker)

    async def handle(events: Sequence[Received[SyncRequest]]) -> None:
        for event in events:
            await asyncio.to_thread(_HANDLERS[type(event.data)], event.data, services)

    inbox = Inbox(topic, reader(SYNC_REQUESTS), handle, worker.dead_letters)
    abort = partial(requests.abort_sync, database=worker.database)
    attach_aborts(worker, topic, SYNC_REQUESTS, AbortSync, abort)
    subscribe(worker.broker, topic, inbox.receive, max_records=1, stop=worker.stop)
