"""Every topic: its direction, key, partitions, retention and compaction. `onhand topics apply` makes them so."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from pydantic import BaseModel

from schemas.cloudevents import EventType
from schemas.commands import COMMANDS
from schemas.events import ChannelCountsRequested, ChannelUpdate, CommandResult, LevelChanged, UploadSkipped
from schemas.jobs import SNAPSHOT_REQUESTS, SYNC_REQUESTS, SnapshotStatus, SyncChunk, SyncFinish, SyncRange, SyncStatus
from schemas.uploads import S3Notification

DEFAULT_PREFIX: Final = "inventory."


class Topic(StrEnum):
    """A topic's name without its prefix."""

    COMMANDS = "commands"
    COMMAND_RESULTS = "command-results"
    CHANGES = "changes"
    CHANNEL_UPDATES = "channel-updates"
    UPLOADS = "uploads"
    SKIPPED_UPLOADS = "skipped-uploads"
    SYNCS = "syncs"
    SYNC_CHUNKS = "sync-chunks"
    SYNC_STATUS = "sync-status"
    SNAPSHOTS = "snapshots"
    SNAPSHOT_STATUS = "snapshot-status"
    DEAD_LETTERS = "dead-letters"


class Direction(StrEnum):
    """Who writes the topic: IN others, OUT onhand for others, INTERNAL onhand for itself."""

    IN = "in"
    OUT = "out"
    INTERNAL = "internal"


@dataclass(frozen=True)
class TopicSpec:
    """What a topic is. `payloads`: the CloudEvents types that it carries; empty where it carries no CloudEvents."""

    name: Topic
    direction: Direction
    key: str
    about: str
    partitions: int
    retention: timedelta
    compacted: bool = False
    max_message_bytes: int | None = None
    payloads: tuple[tuple[str, type[BaseModel]], ...] = ()

    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka names them."""
        retention_ms = str(int(self.retention.total_seconds() * 1000))
        policy = "compact" if self.compacted else "delete"
        config = {"cleanup.policy": policy, "retention.ms": retention_ms}
        if self.max_message_bytes is not None:
            config["max.message.bytes"] = str(self.max_message_bytes)
        return config


_WEEK: Final = timedelta(days=7)

TOPICS: Final[dict[Topic, TopicSpec]] = {
    spec.name: spec
    for spec in (
        TopicSpec(
            Topic.COMMANDS,
            Direction.IN,
            "{warehouse_id}:{sku} advised, any accepted",
            "Orders to change stock or the catalogue.",
            12,
            _WEEK,
            payloads=tuple(COMMANDS.items()),
        ),
        TopicSpec(
            Topic.COMMAND_RESULTS,
            Direction.OUT,
            "command id",
            "What became of each command.",
            12,
            _WEEK,
            max_message_bytes=2 * 1024 * 1024,  # a result names each level that its lines touched
            payloads=((EventType.COMMAND_RESULT, CommandResult),),
        ),
        TopicSpec(
            Topic.CHANGES,
            Direction.OUT,
            "{account_id}:{warehouse_id}:{sku}",
            "Every change of every level, in order per key.",
            12,
            _WEEK,
            payloads=((EventType.LEVEL_CHANGED, LevelChanged),),
        ),
        TopicSpec(
            Topic.CHANNEL_UPDATES,
            Direction.OUT,
            "{account_id}:{channel}:{external_location_id}:{sku}",
            "What each linked channel location should show, after every change of what is available.",
            12,
            _WEEK,
            payloads=(
                (EventType.CHANNEL_UPDATE, ChannelUpdate),
                (EventType.CHANNEL_COUNTS_REQUESTED, ChannelCountsRequested),
            ),
        ),
        TopicSpec(
            Topic.UPLOADS,
            Direction.IN,
            "object key",
            "S3 event messages: files that were dropped into the uploads bucket.",
            3,
            _WEEK,
        ),
        TopicSpec(
            Topic.SKIPPED_UPLOADS,
            Direction.OUT,
            "object key",
            "Objects in the uploads bucket that started no sync, each with its reason.",
            3,
            _WEEK,
            payloads=((EventType.UPLOAD_SKIPPED, UploadSkipped),),
        ),
        TopicSpec(
            Topic.SYNCS,
            Direction.IN,
            "sync id",
            "Requests to start, abort, approve, confirm or revert a CSV sync.",
            3,
            _WEEK,
            payloads=tuple(SYNC_REQUESTS.items()),
        ),
        TopicSpec(
            Topic.SYNC_CHUNKS,
            Direction.INTERNAL,
            "sync id, and range or chunk",
            "The parts of syncs, shared by all workers.",
            12,
            _WEEK,
            payloads=(
                (EventType.SYNC_RANGE, SyncRange),
                (EventType.SYNC_CHUNK, SyncChunk),
                (EventType.SYNC_FINISH, SyncFinish),
            ),
        ),
        TopicSpec(
            Topic.SYNC_STATUS,
            Direction.OUT,
            "sync id",
            "The latest state of each sync, with live counts.",
            3,
            _WEEK,
            compacted=True,
            payloads=((EventType.SYNC_STATUS, SyncStatus),),
        ),
        TopicSpec(
            Topic.SNAPSHOTS,
            Direction.IN,
            "snapshot id",
            "Requests to start or abort a snapshot.",
            3,
            _WEEK,
            payloads=tuple(SNAPSHOT_REQUESTS.items()),
        ),
        TopicSpec(
            Topic.SNAPSHOT_STATUS,
            Direction.OUT,
            "snapshot id",
            "The latest state of each snapshot, with its link.",
            3,
            _WEEK,
            compacted=True,
            payloads=((EventType.SNAPSHOT_STATUS, SnapshotStatus),),
        ),
        TopicSpec(
            Topic.DEAD_LETTERS,
            Direction.OUT,
            "original key",
            "Messages that cannot be processed: the original bytes, and headers that say whence and why.",
            3,
            timedelta(days=30),
            max_message_bytes=2 * 1024 * 1024,  # an original of the usual 1 MiB, and its origin
        ),
    )
}

S3_NOTIFICATION: Final = S3Notification
"""The payload of UPLOADS, which is no CloudEvent."""


class DeadLetterHeader(StrEnum):
    """The headers that a dead letter carries beside the original ones."""

    TOPIC = "onhand-topic"
    PARTITION = "onhand-partition"
    OFFSET = "onhand-offset"
    CONSUMER = "onhand-consumer"
    CODE = "onhand-code"
    MESSAGE = "onhand-message"
    ATTEMPTS = "onhand-attempts"
