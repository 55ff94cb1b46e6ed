"""Aborts have a lane of their own: one that waited behind the very job that it is to stop would come too late.

Each abort is read twice: in order with the requests, and here at once, in a second consumer group. Here it may overtake
the request that it belongs to; then nothing is known of the job yet, and the ordered lane will stop it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from consumers.cloudevents import Record, reader
from consumers.subscription import subscribe
from consumers.worker import Worker
from pipeline.errors import Invalid, TryLater

log = logging.getLogger(__name__)

A = TypeVar("A", bound=BaseModel)


def attach_aborts(
    worker: Worker, topic: str, models: Mapping[str, type[Any]], kind: type[A], abort: Callable[[A], None]
) -> None:
    """Call `abort` at once for every message of `kind`; what else is on the topic is the ordered lane's."""
    read = reader(models)

    async def receive(records: Sequence[Record]) -> None:
        for record in records:
            try:
                event = read(record)
                if isinstance(event.data, kind):
                    await asyncio.to_thread(abort, event.data)
            except TryLater:
                raise
            except Invalid:
                continue  # the ordered lane will answer it
            except Exception:
                log.exception("an abort cannot be processed at once; the ordered lane will say what is wrong with it")

    subscribe(worker.broker, topic, receive, max_records=100, stop=worker.stop, group=f"{topic}.aborts")
