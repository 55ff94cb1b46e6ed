"""Subscribes to `uploads`: S3 event messages, each a request to sync the files that it names."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from consumers.cloudevents import Record, event_headers, fault_words
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.errors import Invalid
from pipeline.store.database import Database
from pipeline.uploads.notifications import Drop, creates_object, drop_of, is_news
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync
from schemas.topics import Topic
from schemas.uploads import S3Record

log = logging.getLogger(__name__)

Send = Callable[[RequestSync], Awaitable[None]]
_MOST_FAULTS = 3


@dataclass
class Announcement:
    """What one message says: the files that were dropped, and what is wrong with its other records."""

    drops: list[Drop] = field(default_factory=list)
    faults: list[Invalid] = field(default_factory=list)


class _Envelope(BaseModel):
    """schemas.uploads.S3Notification, whose records are read one by one: a bad one must not take the others along."""

    records: tuple[Any, ...] = Field(default=(), alias="Records")


def read_announcement(value: bytes, uploads_bucket: str) -> Announcement:
    """Read a message.

    Raises:
        Invalid: INVALID_MESSAGE, it is no S3 event message at all.
    """
    try:
        envelope = _Envelope.model_validate_json(value)
    except ValidationError as error:
        raise Invalid(ErrorCode.INVALID_MESSAGE, fault_words(error)) from error
    announcement = Announcement()
    for record in envelope.records:
        if isinstance(record, dict) and not creates_object(record.get("eventName")):
            continue
        try:
            drop = drop_of(S3Record.model_validate(record), uploads_bucket)
        except ValidationError as error:
            announcement.faults.append(Invalid(ErrorCode.INVALID_MESSAGE, fault_words(error)))
        except Invalid as error:
            announcement.faults.append(error)
        else:
            announcement.drops += [drop] if drop else []
    return announcement


async def request_syncs(announced: Sequence[Announcement], database: Database, send: Send) -> None:
    """Request what can be requested; only then say what cannot.

    A message with a bad record becomes a dead letter. Where it came with others, they are all given once more, each by
    itself: a request that is repeated is known as the same sync.

    Raises:
        Invalid: what is wrong with the bad records.
        TryLater: the database is away.
    """
    for drop in chain.from_iterable(announcement.drops for announcement in announced):
        if await asyncio.to_thread(is_news, drop, database):
            await send(drop.request)
        else:
            log.info("uploads: %s was replaced since event %s; it is left alone", drop.key, drop.sequencer)
    faults = [fault for announcement in announced for fault in announcement.faults]
    if faults:
        raise Invalid(faults[0].code, "; ".join(fault.detail for fault in faults[:_MOST_FAULTS]))


def attach(worker: Worker) -> None:
    """Let this worker take part in turning dropped files into sync requests."""
    topic = worker.topic(Topic.UPLOADS)

    def read(record: Record) -> Announcement:
        return read_announcement(record.value or b"", worker.settings.s3_uploads_bucket)

    async def send(request: RequestSync) -> None:
        await worker.producer.send_and_wait(
            worker.topic(Topic.SYNCS),
            key=str(request.sync_id).encode(),
            value=request.model_dump_json().encode(),
            headers=event_headers(request.TYPE, str(request.sync_id)),
        )

    handle = partial(request_syncs, database=worker.database, send=send)
    inbox = Inbox(topic, read, handle, worker.dead_letters)
    subscribe(worker.broker, topic, inbox.receive, max_records=100, stop=worker.stop)
