"""Aborts have a lane of their own: one that waited behind the very job that it is to stop would come too late.

Each abort is read twice: in order with the requests, and here at once, in a second consumer group. Here it may overtake
the request that it belongs to; then nothing is known of the job yet, and the ordered lane will stop it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from consumers.cloudevents import Received, Record, reader
from consumers.inbox import Inbox
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.errors import Invalid

A = TypeVar("A", bound=BaseModel)


def attach_aborts(
    worker: Worker, topic: str, models: Mapping[str, type[Any]], kind: type[A], abort: Callable[[A], None]
) -> None:
    """Call `abort` at once for every message of `kind`; what else is on the topic is the ordered lane's."""
    read_event = reader(models)

    def read(record: Record) -> Received[Any] | None:
        try:
            return read_event(record)
        except Invalid:
            return None

    async def handle(events: Sequence[Received[Any] | None]) -> None:
        for event in events:
            if event is not None and isinstance(event.data, kind):
                await asyncio.to_thread(_abort_if_known, abort, event.data)

    group = f"{topic}.aborts"
    inbox = Inbox(group, read, handle, worker.dead_letters)
    subscribe(worker.broker, topic, inbox.receive, max_records=100, stop=worker.stop, group=group)


def _abort_if_known(abort: Callable[[A], None], request: A) -> None:
    try:
        abort(request)
    except Invalid:
        return
