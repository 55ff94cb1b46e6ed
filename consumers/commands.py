"""Subscribes to `commands`: batches of orders, each carried out at most once."""

import asyncio
from collections.abc import Sequence
from typing import Final

from consumers.cloudevents import Received, Record, read_event
from consumers.inbox import Inbox
from consumers.rejections import rejection
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.commands.handler import apply_commands, publish_rejections
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from schemas.commands import COMMANDS
from schemas.commands.base import RESERVED_IDS, Command
from schemas.errors import ErrorCode
from schemas.topics import Topic

_LONGEST_FETCH_MS: Final = 50
"""Somebody waits for the result of a command: see consumers/subscription.py for what more fetches cost."""


def attach(worker: Worker) -> None:
    """Let this worker take part in carrying out commands."""
    topic = worker.topic(Topic.COMMANDS)

    async def handle(events: Sequence[Received[Command]]) -> None:
        received = [ReceivedCommand(event.id, event.data, event.source) for event in events]
        await asyncio.to_thread(apply_commands, received, worker.database)

    async def tell(letters: Sequence[tuple[Record, Invalid]]) -> None:
        results = [result for letter in letters if (result := rejection(*letter))]
        if results:
            await asyncio.to_thread(publish_rejections, results, worker.database)

    inbox = Inbox(topic, read_command, handle, worker.dead_letters, tell)
    for _ in range(worker.settings.command_consumers):
        subscribe(
            worker.broker,
            topic,
            inbox.receive,
            max_records=worker.settings.command_batch_size,
            stop=worker.stop,
            longest_fetch_ms=_LONGEST_FETCH_MS,
        )


def read_command(record: Record) -> Received[Command]:
    """Read a record as a command.

    Raises:
        Invalid: as `read_event`; also INVALID_MESSAGE where the id is one of onhand's own.
    """
    received = read_event(record, COMMANDS)
    if received.id.startswith(RESERVED_IDS):
        raise Invalid(ErrorCode.INVALID_MESSAGE, f"id: begins with {RESERVED_IDS!r}, which is onhand's own")
    return received
