"""Reads messages about dropped files: S3 events as the stores write them, and as other services wrap them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from pydantic import ValidationError

from consumers.cloudevents import fault_words
from pipeline.errors import Invalid
from pipeline.uploads.drops import Announced
from schemas.errors import ErrorCode
from schemas.uploads import S3Entity, S3Record

MAX_DEPTH: Final = 20
"""How often a message may be wrapped: each step into a field, a list or a text counts."""
_LONGEST_KEY: Final = 1024
"""In bytes of UTF-8; S3 allows no longer one."""
_EXPECTED: Final = "expected Records[].s3, plain or as EventBridge, SNS, SQS, Kafka Connect or NooBaa's log wrap it"

_LISTS: Final = ("Records", "Messages")
_WRAPPERS: Final = ("Message", "Sns", "Body", "body", "payload", "notif", "data", "message")
"""The fields that hold another message, in the order in which they are tried: SNS (plain, and as Lambda gets it), SQS
(its API, and as Lambda gets it), Kafka Connect, NooBaa's log, CloudEvents, and what collectors of logs write."""
_CONFIRMATIONS: Final = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_TEST: Final = "s3:TestEvent"
_CREATED: Final = "ObjectCreated"
_NO_NEW_BYTES: Final = {"PutTagging", "DeleteTagging", "PutAcl", "PutRetention", "PutLegalHold"}
"""Of the events called ObjectCreated, those that are about an object which was there before."""
_OTHER_EVENTS: Final = {
    "TestEvent", "ObjectRemoved", "ObjectAccessed", "ObjectRestore", "ObjectTagging", "ObjectAcl", "ObjectLifecycle",
    "ObjectSynced", "ObjectTransition", "ObjectReplication", "Replication", "LifecycleExpiration",
    "LifecycleTransition", "Lifecycle", "IntelligentTiering", "ReducedRedundancyLostObject", "BucketCreated",
    "BucketRemoved", "ILM", "Scanner",
}  # fmt: skip
"""What else may happen, by the first part of the event's name, on AWS, MinIO, Ceph, NooBaa and RustFS."""
_BRIDGE_CREATED: Final = "Object Created"
_BRIDGE_OTHERS: Final = {
    "Object Deleted", "Object Restore Initiated", "Object Restore Completed", "Object Restore Expired",
    "Object Storage Class Changed", "Object Access Tier Changed", "Object ACL Updated", "Object Tags Added",
    "Object Tags Deleted", "Object Annotations Changed",
}  # fmt: skip


@dataclass
class Announcement:
    """What one message says: the files that were dropped, what is wrong with it, and what else it is about.

    One of the three has an entry, whatever the message is.
    """

    drops: list[Announced] = field(default_factory=list)
    faults: list[Invalid] = field(default_factory=list)
    other_events: list[str] = field(default_factory=list)
    """Events that start nothing and are no mistake: of tags, of removed objects, of tests."""


def read_announcement(value: bytes) -> Announcement:
    """Read a message, however it is wrapped. A bad part does not take the good ones beside it along.

    Raises:
        Invalid: INVALID_MESSAGE, it is no JSON.
    """
    try:
        message = json.loads(value)
    except (ValueError, RecursionError) as error:
        found = f"found {len(value):,} bytes that are no JSON: {value[:40]!r}" if value else "found an empty message"
        raise Invalid(ErrorCode.INVALID_MESSAGE, f"{found}; {_EXPECTED}") from error
    announcement = Announcement()
    _Reader(announcement).read(message, ())
    return announcement


@dataclass(frozen=True)
class _Reader:
    """Goes into a message, part by part; `path` leads from the whole message to the part."""

    found: Announcement

    def read(self, part: Any, path: tuple[str, ...]) -> None:
        if len(path) > MAX_DEPTH:
            self._refuse(path, f"found a message that is wrapped more than {MAX_DEPTH} times")
            return
        match part:
            case str():
                self._read_text(part, path)
            case list() if part:
                for number, each in enumerate(part):
                    self.read(each, (*path, f"[{number}]"))
            case dict():
                self._read_object(part, path)
            case _:
                self._refuse(path, f"found {_words(part)}")

    def _read_object(self, part: dict[str, Any], path: tuple[str, ...]) -> None:
        """What an object is, its fields tell."""
        if part.get("Event") == _TEST:
            self.found.other_events.append(_TEST)
        elif lists := [name for name in _LISTS if isinstance(part.get(name), list)]:
            self._read_list(part[lists[0]], lists[0], path)
        elif "detail-type" in part:
            self._read_bridge(part, path)
        elif part.get("Type") in _CONFIRMATIONS:
            self._refuse(path, f"found an SNS {part['Type']}: open its SubscribeURL once")
        elif isinstance(part.get("s3"), dict) or "eventName" in part:
            self._read_record(part, path)
        elif inner := [name for name in _WRAPPERS if isinstance(part.get(name), str | dict | list)]:
            self.read(part[inner[0]], (*path, f".{inner[0]}"))
        else:
            self._refuse(path, f"found an object with {_fields(part)}")

    def _read_text(self, text: str, path: tuple[str, ...]) -> None:
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            self._refuse(path, f"found a text that is no JSON: {text[:40]!r}")
            return
        self.read(inner, (*path, ""))

    def _read_list(self, records: list[Any], name: str, path: tuple[str, ...]) -> None:
        if not records:
            self.found.other_events.append(f"no {name}")
        else:
            self.read(records, (*path, f".{name}"))

    def _read_record(self, record: dict[str, Any], path: tuple[str, ...]) -> None:
        name = record.get("eventName")
        if isinstance(name, str):
            kind, _, way = name.removeprefix("s3:").partition(":")
            if kind in _OTHER_EVENTS or (kind == _CREATED and way in _NO_NEW_BYTES):
                self.found.other_events.append(name[:100])
                return
            if kind != _CREATED:
                self._refuse(path, f"found an event of the name {name[:80]!r}, which no store sends for a new object")
                return
        try:
            entity = S3Record.model_validate(record).s3
        except ValidationError as error:
            self._refuse(path, fault_words(error))
            return
        self._announce(entity, path, encoded=True)

    def _read_bridge(self, event: dict[str, Any], path: tuple[str, ...]) -> None:
        kind = str(event["detail-type"])
        if kind in _BRIDGE_OTHERS:
            self.found.other_events.append(kind)
        elif kind != _BRIDGE_CREATED:
            self._refuse(path, f"found an EventBridge event {kind[:80]!r} of {str(event.get('source'))[:40]!r}")
        else:
            try:
                entity = S3Entity.model_validate(_as_record(event.get("detail")))
            except ValidationError as error:
                self._refuse((*path, ".detail"), fault_words(error))
            else:
                self._announce(entity, path, encoded=False)

    def _announce(self, entity: S3Entity, path: tuple[str, ...], *, encoded: bool) -> None:
        """Keys of S3 events are URL-encoded, those of EventBridge are not; not every store keeps to it."""
        named = entity.object
        decoded = (_decoded(unquote_plus, named.key), _decoded(unquote, named.key))
        keys = [key for key in ((*decoded, named.key) if encoded else (named.key, *decoded)) if key]
        try:
            longest = max((len(key.encode()) for key in keys), default=0)
        except UnicodeEncodeError:
            longest = 0  # a lone surrogate, which no store can have in a key
        if not 0 < longest <= _LONGEST_KEY or not _is_plain(entity.bucket.name):
            found = f"found bucket {entity.bucket.name[:60]!r} and key {named.key[:60]!r}, which name no object"
            self._refuse(path, found)
            return
        if named.version_id and not _is_plain(named.version_id):
            self._refuse(path, f"found version {named.version_id[:60]!r}, which names none")
            return
        self.found.drops.append(
            Announced(entity.bucket.name, tuple(dict.fromkeys(keys)), named.version_id or None, named.sequencer or None)
        )

    def _refuse(self, path: tuple[str, ...], found: str) -> None:
        place = "".join(path).removeprefix(".")
        where = f"{place[:80]}: " if place else ""
        self.found.faults.append(Invalid(ErrorCode.INVALID_MESSAGE, f"{where}{found}; {_EXPECTED}"))


def _as_record(detail: Any) -> Any:
    """EventBridge writes some names otherwise than S3's own messages do."""
    if not isinstance(detail, Mapping) or not isinstance(detail.get("object"), Mapping):
        return detail
    named = detail["object"]
    return {**detail, "object": {"eTag": named.get("etag"), "versionId": named.get("version-id"), **named}}


def _is_plain(name: str) -> bool:
    """Whether it can be the name of a bucket or a version."""
    return bool(name) and name.isascii() and name.isprintable()


def _decoded(decode: Callable[..., str], key: str) -> str | None:
    try:
        return decode(key, errors="strict")
    except UnicodeDecodeError:
        return None


def _words(part: Any) -> str:
    match part:
        case None:
            return "null"
        case list():
            return "an empty list"
        case _:
            return str(part)[:40]


def _fields(part: Mapping[str, Any]) -> str:
    return f"the fields {', '.join(sorted(part))[:80]}" if part else "no fields"
