"""The transactional outbox: what a transaction has to say is written with it and published after it by the relay."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from pipeline.store.change_events import level_changed_events
from pipeline.store.database import Database
from pipeline.store.statements import statements
from schemas.cloudevents import EventType
from schemas.topics import Topic

CHANNEL: Final = "onhand_outbox"
"""Where the relay listens."""

_SQL = statements("outbox")
_CLAIMED_AT_ONCE: Final = 500


@dataclass(frozen=True)
class OutgoingMessage:
    """A CloudEvent that a transaction publishes; its subject is the key."""

    topic: Topic
    key: str
    type: EventType
    data: BaseModel

    def as_json(self) -> dict[str, object]:
        """The form in which the outbox keeps it."""
        return {"topic": self.topic, "key": self.key, "type": self.type, "data": self.data.model_dump(mode="json")}


def announce_batch(
    connection: psycopg.Connection,
    account_id: str,
    *,
    change_count: int = 0,
    result_count: int = 0,
    messages: Sequence[OutgoingMessage] = (),
) -> int:
    """Number a batch of writes; change_log and commands rows that carry the number are published after the commit.

    To be called when the transaction holds the locks of everything that the batch says something about: the order of
    the numbers is then the order of the changes (see the table's comment).
    """
    row = connection.execute(
        _SQL["announce_batch"],
        {
            "account_id": account_id,
            "change_count": change_count,
            "result_count": result_count,
            "messages": Jsonb([message.as_json() for message in messages]) if messages else None,
        },
    ).fetchone()
    connection.execute(_SQL["wake_relay"])
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives the row that it inserted
    return int(row[0])


def publish(connection: psycopg.Connection, account_id: str, messages: Sequence[OutgoingMessage]) -> None:
    """Publish messages after the commit of this transaction, which must hold the lock of the row that they describe."""
    announce_batch(connection, account_id, messages=messages)


@dataclass(frozen=True)
class PendingBatch:
    """A batch that waits to be published."""

    batch_id: int
    change_count: int
    result_count: int
    messages: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """How many messages it is, at most."""
        return self.change_count + self.result_count + len(self.messages)


class Publishable(NamedTuple):
    """A message as the relay sends it. `id` is the CloudEvents id: a repeat of the message has the same."""

    topic: Topic
    type: str
    id: str
    key: str
    data: str


def claim_batches(connection: psycopg.Connection, max_messages: int) -> list[PendingBatch]:
    """The oldest unpublished batches, at least one and at most about `max_messages` messages, if there are any.

    They stay claimed until the transaction ends; another relay waits for it.
    """
    rows = connection.execute(_SQL["claim_batches"], {"limit": _CLAIMED_AT_ONCE}).fetchall()
    batches = [
        PendingBatch(batch_id, changes, results, messages or []) for batch_id, changes, results, messages in rows
    ]
    sizes = accumulate(batch.size for batch in batches)
    return [batch for batch, total in zip(batches, sizes, strict=True) if batch is batches[0] or total <= max_messages]


def messages_of(connection: psycopg.Connection, batches: Sequence[PendingBatch]) -> Iterator[Publishable]:
    """All messages of some claimed batches, in the order in which each topic gets them."""
    with_changes = {"batch_ids": [batch.batch_id for batch in batches if batch.change_count]}
    with_results = {"batch_ids": [batch.batch_id for batch in batches if batch.result_count]}
    if with_changes["batch_ids"]:
        with connection.cursor() as cursor, cursor.copy(_SQL["copy_changes_of_batches"], with_changes) as copy:
            events = level_changed_events(b"".join(copy))
        for key, event_id, data in events:
            yield Publishable(Topic.CHANGES, EventType.LEVEL_CHANGED, event_id, key, data)
    if with_results["batch_ids"]:
        for key, event_id, data in connection.execute(_SQL["results_of_batches"], with_results):
            yield Publishable(Topic.COMMAND_RESULTS, EventType.COMMAND_RESULT, event_id, key, data)
    for batch in batches:
        for number, m in enumerate(batch.messages):
            event_id = f"message:{batch.batch_id}:{number}"
            yield Publishable(Topic(m["topic"]), m["type"], event_id, m["key"], json.dumps(m["data"]))


def delete_batches(connection: psycopg.Connection, batches: Sequence[PendingBatch]) -> None:
    """Forget claimed batches, all of whose messages the broker has acknowledged."""
    connection.execute(_SQL["delete_batches"], {"batch_ids": [batch.batch_id for batch in batches]})


def publish_outbox(database: Database, send: Callable[[Sequence[Publishable]], None], max_messages: int) -> int:
    """Publish the oldest batches; how many batches that were, 0 when nothing waits.

    `send` returns when the broker has acknowledged all that it was given. When it raises, some of it may be published,
    and all of it will be published again.
    """
    with database.transaction() as connection:
        batches = claim_batches(connection, max_messages)
        messages = list(messages_of(connection, batches))
        if batches:
            send(messages)
            delete_batches(connection, batches)
    return len(batches)
