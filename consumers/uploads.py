"""Subscribes to `uploads`: messages about dropped files, each file a request to sync it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from consumers.cloudevents import event_headers
from consumers.envelopes import Announcement, read_announcement
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.errors import Invalid
from pipeline.uploads.drops import Announced, take_drop
from schemas.jobs import RequestSync
from schemas.topics import Topic

Take = Callable[[Announced], RequestSync | None]
Send = Callable[[RequestSync], Awaitable[None]]
_MOST_FAULTS: Final = 3


async def request_syncs(announced: Sequence[Announcement], take: Take, send: Send) -> None:
    """Request what can be requested; only then say what cannot.

    A message with a bad record becomes a dead letter. Where it came with others, they are all given once more, each by
    itself: a request that is repeated is known as the same sync.

    Raises:
        Invalid: what is wrong with the bad records.
        TryLater: a server is away.
    """
    for announcement in announced:
        for drop in announcement.drops:
            if (request := await asyncio.to_thread(take, drop)) is not None:
                await send(request)
    faults = [fault for announcement in announced for fault in announcement.faults]
    if faults:
        raise Invalid(faults[0].code, "; ".join(fault.detail for fault in faults[:_MOST_FAULTS]))


def attach(worker: Worker) -> None:
    """Let this worker take part in turning dropped files into sync requests."""
    topic = worker.topic(Topic.UPLOADS)
    take = partial(
        take_drop,
        uploads_bucket=worker.settings.s3_uploads_bucket,
        database=worker.database,
        objects=worker.objects,
    )

    async def send(request: RequestSync) -> None:
        await worker.producer.send_and_wait(
            worker.topic(Topic.SYNCS),
            key=str(request.sync_id).encode(),
            value=request.model_dump_json().encode(),
            headers=event_headers(request.TYPE, str(request.sync_id)),
        )

    handle = partial(request_syncs, take=take, send=send)
    inbox = Inbox(topic, lambda record: read_announcement(record.value or b""), handle, worker.dead_letters)
    subscribe(worker.broker, topic, inbox.receive, max_records=100, stop=worker.stop)
