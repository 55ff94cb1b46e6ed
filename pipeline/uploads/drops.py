"""Turns what is said of an object in the uploads bucket into a sync request, or into a note why there is none.

What is said is a hint: it may come late, twice, and with half of what there is to know. What counts is what the store
has.
"""

import logging
import re
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from pipeline.errors import Invalid
from pipeline.object_failures import own_bucket
from pipeline.objects import ObjectInfo, ObjectStore
from pipeline.store.database import Database
from pipeline.store.upload_events import Skipped, note_skipped, take_event
from pipeline.uploads.keys import Place, Refusal, is_own, place_of
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync, sync_id_of_object
from schemas.uploads import FORCE_METADATA, SkipReason

log = logging.getLogger(__name__)

_SEQUENCER: Final = re.compile(r"[0-9A-Fa-f]{1,100}")
_NO_VERSION: Final = "null"
_QUIET: Final = {SkipReason.FOLDER, SkipReason.SYSTEM_FILE, SkipReason.HIDDEN, SkipReason.UNFINISHED, SkipReason.EMPTY}
"""What comes with folders and mounts by itself, and is nobody's mistake."""


@dataclass(frozen=True)
class Announced:
    """An object that a message says was created.

    `keys` are the ways in which its key can be read, the likely one first. Version and sequencer are as the message has
    them.
    """

    bucket: str
    keys: tuple[str, ...]
    version_id: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True)
class _Found:
    """What the store has under a key."""

    key: str
    place: Place
    info: ObjectInfo


def take_drop(
    announced: Announced, uploads_bucket: str, database: Database, objects: ObjectStore
) -> RequestSync | None:
    """The sync that an object asks for; None where it asks for none, which is noted with the reason.

    The same object in the same version is always the same sync. Nothing is said of onhand's own files.

    Raises:
        TryLater: the store or the database is away, or there is no uploads bucket; the same can be announced again.
    """
    if announced.bucket != uploads_bucket:
        detail = f"onhand reads drops from {uploads_bucket} (ONHAND_S3_UPLOADS_BUCKET)"
        decision: RequestSync | Skipped = Skipped(announced.bucket, "", None, SkipReason.OTHER_BUCKET, detail)
    elif any(map(is_own, announced.keys)):
        return None
    else:
        decision = _decide(announced, database, objects)
    if isinstance(decision, RequestSync):
        return decision
    with database.transaction() as connection:
        is_new = note_skipped(connection, decision)
    if is_new:
        _log(decision)
    return None


def _decide(announced: Announced, database: Database, objects: ObjectStore) -> RequestSync | Skipped:
    """What becomes of an object in the uploads bucket."""
    places = {key: place_of(key) for key in announced.keys}
    found = _find(announced, places, objects)
    if isinstance(found, Refusal):
        return Skipped(announced.bucket, announced.keys[0], None, found.reason, found.detail)
    if not found.info.size:
        detail = "it was empty when it was announced: a placeholder; its content is a drop of its own when it comes"
        outcome: RequestSync | Refusal = Refusal(SkipReason.EMPTY, detail)
    elif _is_late(announced, found, database):
        detail = f"a later version than {found.info.version_id} was announced before"
        outcome = Refusal(SkipReason.REPLACED, detail)
    else:
        outcome = _request(announced.bucket, found)
    if isinstance(outcome, Refusal):
        return Skipped(announced.bucket, found.key, found.info.etag, outcome.reason, outcome.detail)
    return outcome


def _find(announced: Announced, places: dict[str, Place | Refusal], objects: ObjectStore) -> _Found | Refusal:
    """What is there under the first of the keys that can be those of uploads, and under which there is something."""
    asked = []
    for key, place in places.items():
        if isinstance(place, Refusal):
            continue
        try:
            info = _look(announced, key, objects)
        except Invalid as error:
            if error.code is not ErrorCode.FILE_FORBIDDEN:
                raise
            detail = f"the store refuses {key}; grant onhand read access, and drop it again"
            return Refusal(SkipReason.FORBIDDEN, detail)
        if info is not None:
            return _Found(key, place, info)
        asked.append(key)
    likely = places[announced.keys[0]]
    if isinstance(likely, Refusal):
        return likely
    return Refusal(SkipReason.NOT_FOUND, f"the store has no {' and no '.join(map(repr, asked))}")


def _look(announced: Announced, key: str, objects: ObjectStore) -> ObjectInfo | None:
    """The version that is named, where the bucket has it, or else what is there now."""
    named = announced.version_id
    for version in (None,) if named in {None, _NO_VERSION} else (named, None):
        try:
            return objects.head(announced.bucket, key, version_id=version)
        except Invalid as error:
            if error.code is not ErrorCode.FILE_NOT_FOUND:
                raise
            if not error.detail.startswith("s3://"):  # the bucket itself is not there
                with own_bucket():
                    raise
    return None


def _is_late(announced: Announced, found: _Found, database: Database) -> bool:
    """Whether the event is of a version that was replaced, and whose successor is known. Without versions there is only
    what is there now.

    A version is remembered before its request is sent out: should that fail, the same event comes again, and is no late
    one.
    """
    sequencer, version = announced.sequencer, found.info.version_id
    if version is None or version != announced.version_id or not (sequencer and _SEQUENCER.fullmatch(sequencer)):
        return False
    with database.transaction() as connection:
        return not take_event(connection, announced.bucket, found.key, sequencer)


def _request(bucket: str, found: _Found) -> RequestSync | Refusal:
    info, place = found.info, found.place
    try:
        return RequestSync.model_validate({
            "account_id": place.account_id,
            "warehouse_id": place.warehouse_id,
            "sync_id": sync_id_of_object(
                bucket, found.key, etag=info.etag, last_modified=info.last_modified, version_id=info.version_id
            ),
            "url": f"s3://{bucket}/{found.key}",
            "etag": info.etag,
            "version_id": info.version_id,
            "announced": True,
            "force": place.force or info.metadata.get(FORCE_METADATA, "").lower() == "true",
        })  # fmt: skip
    except ValidationError as error:
        fields = ", ".join(str(part["loc"][0]) for part in error.errors())
        return Refusal(SkipReason.WRONG_FOLDER, f"found {found.key}: it gives no valid {fields}")


def _log(skipped: Skipped) -> None:
    log.log(
        logging.INFO if skipped.reason in _QUIET else logging.WARNING,
        "uploads: s3://%s/%s starts no sync (%s): %s", skipped.bucket, skipped.key, skipped.reason, skipped.detail,
    )  # fmt: skip
