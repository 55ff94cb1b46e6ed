"""Subscribes to `commands`: batches of orders, each carried out at most once."""

import asyncio
from collections.abc import Sequence

from consumers.cloudevents import Received, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from schemas.commands import COMMANDS, AnyCommand
from schemas.topics import Topic


def attach(worker: Worker) -> None:
    """Let this worker take part in carrying out commands."""
    topic = worker.topic(Topic.COMMANDS)

    async def handle(events: Sequence[Received[AnyCommand]]) -> None:
        received = [ReceivedCommand(event.id, event.data) for event in events]
        await asyncio.to_thread(apply_commands, received, worker.database)

    inbox = Inbox(topic, reader(COMMANDS), handle, worker.dead_letters)
    subscribe(
        worker.broker,
        topic,
        inbox.receive,
        max_records=worker.settings.command_batch_size,
        stop=worker.stop,
    )
