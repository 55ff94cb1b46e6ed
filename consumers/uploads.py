"""Subscribes to `uploads`: S3 event messages, each a request to sync the files that it names."""

from collections.abc import Sequence
from itertools import chain

from pydantic import ValidationError

from consumers.cloudevents import Record, event_headers, fault_words
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.errors import Invalid
from pipeline.uploads.notifications import sync_requests
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync
from schemas.topics import Topic
from schemas.uploads import S3Notification


def attach(worker: Worker) -> None:
    """Let this worker take part in turning dropped files into sync requests."""
    topic = worker.topic(Topic.UPLOADS)

    def read(record: Record) -> list[RequestSync]:
        try:
            notification = S3Notification.model_validate_json(record.value or b"")
        except ValidationError as error:
            raise Invalid(ErrorCode.INVALID_MESSAGE, fault_words(error)) from error
        return sync_requests(notification, worker.settings.s3_uploads_bucket)

    async def handle(announced: Sequence[list[RequestSync]]) -> None:
        for request in chain.from_iterable(announced):
            await worker.producer.send_and_wait(
                worker.topic(Topic.SYNCS),
                key=str(request.sync_id).encode(),
                value=request.model_dump_json().encode(),
                headers=event_headers(request.TYPE, str(request.sync_id)),
            )

    inbox = Inbox(topic, read, handle, worker.dead_letters)
    subscribe(worker.broker, topic, inbox.receive, max_records=100, stop=worker.stop)
