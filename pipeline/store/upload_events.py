"""Remembers what was heard of the objects of the uploads bucket: the last event of each, and which started no sync."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from pipeline.store.outbox import OutgoingMessage, publish
from pipeline.store.statements import statements
from pipeline.uploads.keys import account_of
from schemas.cloudevents import EventType
from schemas.events import UploadSkipped
from schemas.topics import Topic
from schemas.uploads import SkipReason

_SQL = statements("upload_events")


@dataclass(frozen=True)
class Skipped:
    """An object that started no sync. `etag`: where the store was asked for it; `detail` is a sentence for a person."""

    bucket: str
    key: str
    etag: str | None
    reason: SkipReason
    detail: str


def take_event(connection: psycopg.Connection, bucket: str, key: str, sequencer: str) -> bool:
    """Remember an event; False where a later one of the same object was seen. The last one may come again.

    `sequencer` is hexadecimal. Of two values the higher one is the later one, after the shorter one was filled up with
    zeros at its end.

    Source: Amazon S3 user guide, event message structure.
    """
    comparable = sequencer.upper().rstrip("0")
    return connection.execute(_SQL["take_event"], {"bucket": bucket, "key": key, "sequencer": comparable}).rowcount > 0


def note_skipped(connection: psycopg.Connection, skipped: Skipped) -> bool:
    """Note and publish that an object started no sync; one that is known for this reason is counted only.

    Whether it is new: it was not known, or it has another content by now.
    """
    key, detail = _storable(skipped.key), _storable(skipped.detail)
    account_id = account_of(key)
    parameters = {**vars(skipped), "key": key, "detail": detail, "account_id": account_id}
    row = connection.execute(_SQL["note_skipped"], parameters).fetchone()
    assert row is not None  # noqa: S101 - INSERT … ON CONFLICT DO UPDATE gives its row
    skipped_at: datetime
    is_new, skipped_at = row
    if is_new:
        event = UploadSkipped(
            account_id=account_id, bucket=skipped.bucket, key=key, etag=skipped.etag, reason=skipped.reason,
            detail=detail, skipped_at=skipped_at,
        )  # fmt: skip
        message = OutgoingMessage(Topic.SKIPPED_UPLOADS, key or skipped.bucket, EventType.UPLOAD_SKIPPED, event)
        publish(connection, account_id or "", [message])
    return bool(is_new)


def delete_old_events(connection: psycopg.Connection, days: int) -> int:
    """Forget the objects of which nothing was heard for so many days; how many."""
    parameters = {"days": days}
    return sum(connection.execute(_SQL[name], parameters).rowcount for name in ("delete_old_events", "delete_skipped"))


def _storable(text: str) -> str:
    """A key may hold any character; PostgreSQL stores no NUL."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
