"""Turns announcements of dropped files into sync requests."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from pydantic import ValidationError

from pipeline.errors import Invalid
from pipeline.store.database import Database
from pipeline.store.upload_events import take_event
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync, sync_id_of_object
from schemas.uploads import KEY_LAYOUT, REJECTS_PREFIX, SUBMITTED_FOLDER, S3Record

_CREATED: Final = "ObjectCreated:"
_KEY: Final = re.compile(r"([^/]+)/([^/]+)/[^/]+\.(csv(\.gz|\.zip)?|zip)", re.IGNORECASE)
_NO_DROP: Final = re.compile(rf"{REJECTS_PREFIX}.*|[^/]+/[^/]+/{SUBMITTED_FOLDER}/.*", re.DOTALL)
_SEQUENCER: Final = re.compile(r"[0-9A-Fa-f]{1,100}")


@dataclass(frozen=True)
class Drop:
    """A file that was dropped, and the sync that it asks for. `sequencer` is that of the event, where it has one."""

    bucket: str
    key: str
    sequencer: str | None
    request: RequestSync


def is_upload_key(key: str) -> bool:
    """Whether an object key has the layout of an upload."""
    return _KEY.fullmatch(key) is not None and not is_no_drop(key)


def is_no_drop(key: str) -> bool:
    """Whether an object key is one of onhand's own: a file of rejects, or a file that a request names."""
    return _NO_DROP.fullmatch(key) is not None


def creates_object(event_name: object) -> bool:
    """Whether an event of this name says that there is a new object. Other events are no business of onhand."""
    return not isinstance(event_name, str) or _CREATED in event_name


def drop_of(record: S3Record, uploads_bucket: str) -> Drop | None:
    """What a record says was dropped into the uploads bucket; None where it says something else.

    Raises:
        Invalid: UPLOAD_KEY_LAYOUT, the key has another layout; INVALID_MESSAGE, the record lacks the ETag.
    """
    bucket, entity = record.s3.bucket.name, record.s3.object
    if not creates_object(record.event_name) or bucket != uploads_bucket:
        return None
    try:
        key = unquote_plus(entity.key, errors="strict")
    except UnicodeDecodeError as error:
        raise Invalid(ErrorCode.UPLOAD_KEY_LAYOUT, f"found {entity.key}, which is not UTF-8") from error
    if is_no_drop(key):
        return None
    if not entity.etag:
        raise Invalid(ErrorCode.INVALID_MESSAGE, f"Records[].s3.object.eTag is missing for {entity.key}")
    sequencer = entity.sequencer if entity.sequencer and _SEQUENCER.fullmatch(entity.sequencer) else None
    return Drop(bucket, key, sequencer, sync_request_for(bucket, key, entity.etag, entity.version_id))


def sync_request_for(bucket: str, key: str, etag: str, version_id: str | None = None) -> RequestSync:
    """The sync of one dropped object. The same object version always gives the same sync id.

    Raises:
        Invalid: UPLOAD_KEY_LAYOUT, the key does not name an account and a warehouse.
    """
    layout = _KEY.fullmatch(key)
    if layout is None:
        raise Invalid(ErrorCode.UPLOAD_KEY_LAYOUT, f"found {key}, expected {KEY_LAYOUT}")
    try:
        return RequestSync.model_validate(
            {
                "account_id": layout[1],
                "warehouse_id": layout[2],
                "sync_id": sync_id_of_object(bucket, key, etag),
                "url": f"s3://{bucket}/{key}",
                "etag": etag.strip('"'),
                "announced": True,
                "version_id": version_id or None,
            }
        )
    except ValidationError as error:
        fields = ", ".join(str(part["loc"][0]) for part in error.errors())
        raise Invalid(ErrorCode.UPLOAD_KEY_LAYOUT, f"found {key}: it gives no valid {fields}") from error


def is_news(drop: Drop, database: Database) -> bool:
    """Whether no later event of the object is known. An event without a sequencer always is news.

    It is remembered before its request is sent out: should that fail, the same event comes again, and is news again.

    Raises:
        TryLater: the database is away.
    """
    if drop.sequencer is None:
        return True
    with database.transaction() as connection:
        return take_event(connection, drop.bucket, drop.key, drop.sequencer)
