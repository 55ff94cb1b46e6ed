"""CloudEvents 1.0: the attributes that onhand reads and writes, in binary and in structured content mode.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding (headers `ce_*`, content type
`application/cloudevents+json`).
"""

import binascii
from base64 import b64decode
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from schemas.identifiers import MAX_ID_LENGTH, PRINTABLE_PATTERN

SPEC_VERSION: Final = "1.0"
SOURCE: Final = "onhand"
STRUCTURED_CONTENT_TYPE: Final = "application/cloudevents+json"
JSON_CONTENT_TYPE: Final = "application/json"

EventId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=PRINTABLE_PATTERN)]
Attribute = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE_PATTERN)]


class EventType(StrEnum):
    """The CloudEvents `type` of everything that onhand emits."""

    LEVEL_CHANGED = "inventory.level.changed.v1"
    COMMAND_RESULT = "inventory.command.result.v1"
    CHANNEL_UPDATE = "inventory.channel.update.v1"
    CHANNEL_COUNTS_REQUESTED = "inventory.channel.counts-requested.v1"
    SYNC_RANGE = "inventory.sync.range.v1"
    SYNC_CHUNK = "inventory.sync.chunk.v1"
    SYNC_FINISH = "inventory.sync.finish.v1"
    SYNC_STATUS = "inventory.sync.status.v1"
    SNAPSHOT_STATUS = "inventory.snapshot.status.v1"
    UPLOAD_SKIPPED = "inventory.upload.skipped.v1"


class Attributes(BaseModel):
    """The context attributes. Extensions are accepted and ignored, as the specification asks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: EventId
    type: Attribute
    source: Attribute
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str | None = None


def _decoded(value: object) -> bytes:
    try:
        return b64decode(value if isinstance(value, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("no base64") from None


class StructuredEvent(Attributes):
    """An event in structured mode: attributes and data in one JSON object.

    The data is an object in `data`, or the bytes of its JSON in `data_base64`.
    """

    data: dict[str, Any] | None = None
    data_base64: Annotated[bytes, BeforeValidator(_decoded)] | None = None

    def packed(self) -> bytes:
        """The bytes in `data_base64`, where there is no `data`.

        Raises:
            ValueError: there is neither, or both.
        """
        if self.data_base64 is None or self.data is not None:
            raise ValueError("give data, or data_base64 in its place")
        return self.data_base64
