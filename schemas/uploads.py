"""Uploads: the S3 event message that announces a file, and where in the bucket a file belongs.

Source: Amazon S3 event message structure 2.x; MinIO writes the same `Records`, beside a `Key` of its own. Other
services wrap such a message; `consumers/envelopes.py` knows them.
"""

import codecs
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from schemas.identifiers import PRINTABLE_PATTERN

KEY_LAYOUT: Final = "{account_id}/{warehouse_id}/{name}"
FORCE_FOLDER: Final = "force"
"""A drop at {account_id}/{warehouse_id}/force/{name} is applied although its content was applied before."""
FORCE_METADATA: Final = "onhand-force"
"""The object metadata that says the same, with the value `true`."""
UPLOAD_SUFFIXES: Final = ("csv", "txt", "tsv", "gz", "zip", "xlsx")
"""How the names of uploads end."""
SUBMITTED_FOLDER: Final = "submitted"
"""Files at {account_id}/{warehouse_id}/submitted/… belong to a request that names them: their drop is no request."""
REJECTS_PREFIX: Final = "rejects/"
"""Where in the uploads bucket the files of rejects are: rejects/{account_id}/{sync_id}.csv, and .xlsx beside it."""


class UploadColumn(StrEnum):
    """The columns that onhand reads."""

    SKU = "sku"
    QUANTITY = "quantity"
    ACTION = "action"
    REASON = "reason"
    LOCATION = "location"
    TO_LOCATION = "to_location"
    LOT = "lot"
    NOTE = "note"
    EXPECTED_QUANTITY = "expected_quantity"
    EXPECTED_VERSION = "expected_version"
    CUSTOMER_ACCOUNT_ID = "customer_account_id"
    WAREHOUSE = "warehouse"


class SkipReason(StrEnum):
    """Why a drop started no sync. A reason never changes its meaning."""

    EMPTY = "empty"
    """The object was empty when it was announced: a placeholder, whose content is still to come."""
    FOLDER = "folder"
    """A marker of a folder, no file."""
    SYSTEM_FILE = "system_file"
    """What operating systems leave in folders: Thumbs.db, desktop.ini, .DS_Store, ._name, __MACOSX."""
    HIDDEN = "hidden"
    """The name begins with a dot, or with ~$ as the lock files of Excel do."""
    UNFINISHED = "unfinished"
    """A part of a transfer: name.tmp, name.part, name.filepart, name.crdownload."""
    FILE_TYPE = "file_type"
    """The name does not end as one of an upload does."""
    WRONG_FOLDER = "wrong_folder"
    """The key does not say whose stock it is."""
    OTHER_BUCKET = "other_bucket"
    """The event is about another bucket. That is noted once for each bucket."""
    NOT_FOUND = "not_found"
    """The store has no object under the key that the event names."""
    FORBIDDEN = "forbidden"
    """The store does not let onhand read the object."""
    REPLACED = "replaced"
    """The event came late: a later version of the object was announced before."""


IGNORED: Final = "ignore"
"""In the place of a column: the file's column of this name is left out on purpose."""

_NO_CHARACTER_SETS: Final = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
"""Python knows them as encodings; some take a time that grows with the square of the text."""


def _known(encoding: str) -> str:
    try:
        info = codecs.lookup(encoding)
        if info.name in _NO_CHARACTER_SETS:
            raise LookupError  # noqa: TRY301 - as where there is none
        text = isinstance(info.incrementaldecoder(errors="replace").decode(b"", True), str)
    except (LookupError, TypeError, ValueError, AssertionError):
        text = False
    if not text:
        raise ValueError("must be an encoding of text that Python knows, as cp1252 or shift_jis")
    return info.name


ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE_PATTERN)]
"""A name in the header of a file, as people write it; a line break in it is written as a space."""
Encoding = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(_known)]
"""The name of a text encoding, as Python spells it."""


class DecimalMark(StrEnum):
    """What stands before the decimals of a number; the other one of the two stands between thousands."""

    COMMA = ","
    POINT = "."


class RowAction(StrEnum):
    """What a row of a file does to its level."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"
    MOVE = "move"


ColumnMeaning = UploadColumn | Literal["ignore"]
"""What a name in a header is said to mean: a column that onhand reads, or IGNORED."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class S3Object(_Part):
    """The object as the event names it. `key` is URL-encoded, a space as `+`; not every store does so.

    `etag`, `size` and `version_id` may be missing: the store is asked what is there.
    """

    key: str
    etag: str | None = Field(default=None, alias="eTag")
    size: int | None = None
    version_id: str | None = Field(default=None, alias="versionId")
    sequencer: str | None = None
    """Hexadecimal; the later event of a key has the higher one, the shorter one filled up with zeros behind."""


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
