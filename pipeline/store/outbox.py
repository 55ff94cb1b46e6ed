"""The transactional outbox: what a transaction has to say is written with it and published after it by the relay."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import accumulate, islice, repeat, takewhile
from operator import add
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from pipeline.store.change_events import level_changed_events
from pipeline.store.channel_updates import channel_updates
from pipeline.store.database import Database, notify_after_commit
from pipeline.store.statements import statements
from schemas.cloudevents import EventType
from schemas.topics import Topic

CHANNEL: Final = "onhand_outbox"
"""Where the relay listens."""

_SQL = statements("outbox")
_CLAIMED_AT_ONCE: Final = 500
EXPRESS_MESSAGES: Final = 2_000
"""How many changes of files are published before batches of commands may go first; and the most of those."""


@dataclass(frozen=True)
class OutgoingMessage:
    """A CloudEvent that a transaction publishes; its subject is the key. It is a fact, or an order to onhand itself."""

    topic: Topic
    key: str
    type: EventType | str
    data: BaseModel

    def as_json(self) -> dict[str, object]:
        """The form in which the outbox keeps it."""
        return {"topic": self.topic, "key": self.key, "type": self.type, "data": self.data.model_dump(mode="json")}


class Batch(NamedTuple):
    """The number of a batch of writes and its time, which all rows of the batch carry.

    Both are taken while the locks are held: of two batches that change the same level, the later one has the higher
    number, and the later time too as long as the server's clock is not set back.
    """

    batch_id: int
    recorded_at: str
    """As PostgreSQL writes and reads it."""


def announce_batch(
    connection: psycopg.Connection,
    account_id: str,
    *,
    change_count: int = 0,
    result_count: int = 0,
    messages: Sequence[OutgoingMessage] = (),
) -> Batch:
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
    notify_after_commit(connection, CHANNEL)
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives the row that it inserted
    return Batch._make(row)


def publish(connection: psycopg.Connection, account_id: str, messages: Sequence[OutgoingMessage]) -> None:
    """Publish messages after the commit of this transaction, which must hold the lock of the row that they describe."""
    announce_batch(connection, account_id, messages=messages)


def await_publishing(connection: psycopg.Connection) -> None:
    """Wait until a relay is done with what it has in hand; where none is at work, nothing is waited for.

    A large file is applied faster than it is published; a command on one of its levels would wait for all of that.
    """
    connection.execute(_SQL["await_publishing"])


@dataclass(frozen=True)
class PendingBatch:
    """A batch that waits to be published. `has_channels`: its account has linked locations of sales channels."""

    account_id: str
    batch_id: int
    change_count: int
    result_count: int
    messages: list[dict[str, Any]]
    recorded_at: datetime
    has_channels: bool

    @property
    def size(self) -> int:
        """How many messages it is, at most; those to channels not counted."""
        return self.change_count + self.result_count + len(self.messages)


class Publishable(NamedTuple):
    """A message as the relay sends it. `id` is the CloudEvents id: a repeat of the message has the same."""

    topic: Topic
    type: str
    id: str
    key: str
    data: bytes


def claim_batches(connection: psycopg.Connection, max_messages: int) -> list[PendingBatch]:
    """The oldest unpublished batches, at least one and at most about `max_messages` messages, if there are any.

    They stay claimed until the transaction ends; another relay waits for it.
    """
    batches = _claim(connection, "claim_batches", {"limit": _CLAIMED_AT_ONCE})
    sizes = accumulate(batch.size for batch in batches)
    return [batch for batch, total in zip(batches, sizes, strict=True) if batch is batches[0] or total <= max_messages]


def claim_express(connection: psycopg.Connection, claimed: Sequence[PendingBatch]) -> list[PendingBatch]:
    """Small batches of commands that may be published before the rest of the claimed ones, in their order.

    None of them changes a level of which an earlier change waits to be published, so that the order per level is kept.
    """
    found = _claim(connection, "claim_express", {"behind": claimed[-1].batch_id, "most": EXPRESS_MESSAGES})
    # A channel is told the sum over all bins, and the last sum must be the latest: nothing goes first there.
    batches = list(takewhile(lambda batch: not batch.has_channels, found))
    if not any(batch.change_count for batch in batches):
        return batches
    first = connection.execute(_SQL["first_that_has_to_wait"], _lines_of(batches)).fetchone()
    waits = first[0] if first else None
    return [batch for batch in batches if waits is None or batch.batch_id < waits]


def _claim(connection: psycopg.Connection, statement: str, parameters: dict[str, Any]) -> list[PendingBatch]:
    return [
        PendingBatch(account_id, batch_id, changes, results, messages or [], recorded_at, has_channels)
        for account_id, batch_id, changes, results, messages, recorded_at, has_channels in connection.execute(
            _SQL[statement], parameters
        )
    ]


def messages_of(connection: psycopg.Connection, batches: Sequence[PendingBatch]) -> Iterator[Publishable]:
    """All messages of some claimed batches, in the order in which each topic gets them."""
    with_changes = [batch for batch in batches if batch.change_count]
    if with_changes and (lines := _copied(connection, "copy_changes_of_batches", with_changes)):
        yield from _publishables(Topic.CHANGES, EventType.LEVEL_CHANGED, level_changed_events(lines).rows())
    with_channels = [batch for batch in batches if batch.has_channels]
    if with_channels and (lines := _copied(connection, "copy_channel_updates_of_batches", with_channels)):
        yield from _publishables(Topic.CHANNEL_UPDATES, EventType.CHANNEL_UPDATE, channel_updates(lines).rows())
    with_results = {"batch_ids": [batch.batch_id for batch in batches if batch.result_count]}
    if with_results["batch_ids"]:
        results = connection.execute(_SQL["results_of_batches"], with_results, binary=True).fetchall()
        yield from _publishables(Topic.COMMAND_RESULTS, EventType.COMMAND_RESULT, results)
    for batch in batches:
        for number, m in enumerate(batch.messages):
            data = json.dumps(m["data"], ensure_ascii=False, separators=(",", ":")).encode()
            yield Publishable(Topic(m["topic"]), m["type"], f"message:{batch.batch_id}:{number}", m["key"], data)


def _publishables(topic: Topic, type_: EventType, rows: Iterable[tuple[str, str, bytes]]) -> Iterator[Publishable]:
    """Rows of id, key and data as messages of one kind: without a call of Python code for each."""
    return map(partial(tuple.__new__, Publishable), map(add, repeat((topic, type_)), rows))


def _copied(connection: psycopg.Connection, statement: str, batches: Sequence[PendingBatch]) -> bytes:
    """What a COPY of the ledger lines of some batches gives, as CSV."""
    with connection.cursor() as cursor, cursor.copy(_SQL[statement], _lines_of(batches)) as copy:
        return b"".join(copy)


def _lines_of(batches: Sequence[PendingBatch]) -> dict[str, Any]:
    """Where the ledger lines of some batches are."""
    return {
        "account_ids": sorted({batch.account_id for batch in batches}),
        "batch_ids": [batch.batch_id for batch in batches],
        "times": sorted({batch.recorded_at for batch in batches}),
    }


def delete_batches(connection: psycopg.Connection, batches: Sequence[PendingBatch]) -> None:
    """Forget claimed batches, all of whose messages the broker has acknowledged."""
    connection.execute(_SQL["delete_batches"], {"batch_ids": [batch.batch_id for batch in batches]})


def publish_outbox(database: Database, send: Callable[[Sequence[Publishable]], None], max_messages: int) -> int:
    """Publish the oldest batches; how many batches that were, 0 when nothing waits.

    `send` gets at most `max_messages` at once, and returns when the broker has acknowledged them. When it raises, some
    of the batches' messages may be published, and all of them will be published again. What commands have brought
    meanwhile is not kept waiting behind the changes of a large file: it goes out in between (see `claim_express`).
    """
    with database.transaction() as connection:
        connection.execute(_SQL["prefer_indexes"])
        batches = claim_batches(connection, max_messages)
        messages = messages_of(connection, batches)
        has_file = sum(batch.change_count for batch in batches if not batch.result_count) > EXPRESS_MESSAGES
        if has_file:
            _publish_express(connection, batches, send)
        while part := list(islice(messages, EXPRESS_MESSAGES if has_file else max_messages)):
            send(part)
            if has_file:
                _publish_express(connection, batches, send)
        if batches:
            delete_batches(connection, batches)
    return len(batches)


def _publish_express(
    connection: psycopg.Connection, claimed: Sequence[PendingBatch], send: Callable[[Sequence[Publishable]], None]
) -> None:
    if express := claim_express(connection, claimed):
        send(list(messages_of(connection, express)))
        delete_batches(connection, express)
