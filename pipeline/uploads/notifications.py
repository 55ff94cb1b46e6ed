"""Turns announcements of dropped files into sync requests."""

import re
from typing import Final
from urllib.parse import unquote_plus

from pydantic import ValidationError

from pipeline.errors import Invalid
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync, sync_id_of_object
from schemas.uploads import KEY_LAYOUT, S3Notification

_KEY: Final = re.compile(r"([^/]+)/([^/]+)/[^/]+\.csv", re.IGNORECASE)


def is_upload_key(key: str) -> bool:
    """Whether an object key has the layout of an upload."""
    return _KEY.fullmatch(key) is not None


def sync_request_for(bucket: str, key: str, etag: str) -> RequestSync:
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
            }
        )
    except ValidationError as error:
        fields = ", ".join(str(part["loc"][0]) for part in error.errors())
        raise Invalid(ErrorCode.UPLOAD_KEY_LAYOUT, f"found {key}: not an id: {fields}") from error


def sync_requests(notification: S3Notification, uploads_bucket: str) -> list[RequestSync]:
    """The syncs that an S3 event message asks for: one for each object created in the uploads bucket.

    Raises:
        Invalid: UPLOAD_KEY_LAYOUT, one of the keys has another layout; INVALID_MESSAGE, a record lacks its ETag.
    """
    requests = []
    for record in notification.records:
        if "ObjectCreated:" not in record.event_name or record.s3.bucket.name != uploads_bucket:
            continue
        if not record.s3.object.etag:
            raise Invalid(ErrorCode.INVALID_MESSAGE, f"Records[].s3.object.eTag is missing for {record.s3.object.key}")
        requests.append(sync_request_for(uploads_bucket, unquote_plus(record.s3.object.key), record.s3.object.etag))
    return requests
