"""Uploads: the S3 event message that announces a file, and where in the bucket a file belongs.

Source: Amazon S3 event message structure 2.x; MinIO writes the same `Records`, beside a `Key` of its own.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

KEY_LAYOUT: Final = "{account_id}/{warehouse_id}/{name}.csv"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class S3Object(_Part):
    """The object as the event names it. `key` is URL-encoded, a space as `+`."""

    key: str
    etag: str | None = Field(default=None, alias="eTag")
    size: int | None = None


class S3Bucket(_Part):
    """The bucket as the event names it."""

    name: str


class S3Entity(_Part):
    """Bucket and object."""

    bucket: S3Bucket
    object: S3Object


class S3Record(_Part):
    """One thing that happened. Names are `ObjectCreated:Put` on AWS and `s3:ObjectCreated:Put` on MinIO."""

    event_name: str = Field(alias="eventName")
    s3: S3Entity


class S3Notification(_Part):
    """One message of the topic `uploads`."""

    records: tuple[S3Record, ...] = Field(default=(), alias="Records")
    event: str | None = Field(default=None, alias="Event")
    """`s3:TestEvent` where a notification was just configured; such a message has no records."""
