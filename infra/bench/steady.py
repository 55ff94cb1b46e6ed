"""How long single commands take at a steady rate: from publishing to what comes back on a topic."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumers.settings import Settings
from infra.bench.load import LevelOf, publish

_TICK_SECONDS: Final = 0.025
_PATIENCE_SECONDS: Final = 120
"""For what has not come back yet when the last command was sent."""


@dataclass(frozen=True)
class Return:
    """A topic on which commands come back; `awaits` says which of them do. `seconds` by command id, once measured."""

    consumer: AIOKafkaConsumer
    awaits: Callable[[str], bool] = lambda _: True
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rate:
    """So many commands a second, called {name}-0, {name}-1, …, on the levels that `level_of` says."""

    name: str
    per_s: int
    level_of: LevelOf


async def measure(
    producer: AIOKafkaProducer,
    settings: Settings,
    rate: Rate,
    is_over: Callable[[float], bool],
    returns: Sequence[Return],
) -> None:
    """Send commands until `is_over`, which is given the seconds since the first one, and fill in `seconds` of returns.

    Raises:
        TimeoutError: some commands never came back.
    """
    sent: dict[str, float] = {}
    ended = asyncio.Event()

    async def send() -> None:
        began = time.perf_counter()
        while not is_over((now := time.perf_counter()) - began):
            ids = [f"{rate.name}-{n}" for n in range(len(sent), int((now - began) * rate.per_s) + 1)]
            sent.update(dict.fromkeys(ids, now))
            await publish(producer, settings, ids, rate.level_of)
            await asyncio.sleep(_TICK_SECONDS)
        ended.set()

    async def take(back: Return) -> None:
        while not ended.is_set() or any(back.awaits(i) and i not in back.seconds for i in sent):
            for records in (await back.consumer.getmany(timeout_ms=200)).values():
                now = time.perf_counter()
                for record in records:
                    command_id = json.loads(record.value)["command_id"]
                    if command_id in sent:
                        back.seconds.setdefault(command_id, now - sent[command_id])

    async def take_all() -> None:
        takers = asyncio.gather(*(take(back) for back in returns))
        await ended.wait()
        await asyncio.wait_for(takers, _PATIENCE_SECONDS)

    await asyncio.gather(send(), take_all())


def anywhere(levels: int) -> LevelOf:
    """Any of the products 1..levels."""
    return lambda _: random.randint(1, levels)  # noqa: S311 - which one does not matter
