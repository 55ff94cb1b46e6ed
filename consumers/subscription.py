"""How every subscriber is attached: in batches of raw records, acknowledged after the work, retried after a pause."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker
from faststream.kafka.schemas import Topic as DeclaredTopic

from consumers.cloudevents import Record
from consumers.dead_letters import TooManyDeadLetters
from pipeline.errors import TryLater

log = logging.getLogger(__name__)

_PAUSES: Final = (0.2, 0.5, 1, 2, 5, 10, 15)
"""Seconds before the same records are taken again, longer each time up to the last."""

_LONGEST_WORK_MS: Final = 30 * 60 * 1000
"""Planning a file or writing a snapshot may take minutes; a dead worker is noticed by its heartbeats, in seconds."""

_LONGEST_FETCH_MS: Final = 200
"""How long the broker may hold an empty fetch. Kafka answers when the first record comes. The embedded broker waits to
the end whatever comes, and every record waits with it; but each fetch costs it and the worker a millisecond."""

Receive = Callable[[Sequence[Record]], Awaitable[None]]


def subscribe(  # noqa: PLR0913 - what a subscription is
    broker: KafkaBroker,
    topic: str,
    receive: Receive,
    *,
    max_records: int,
    stop: Callable[[BaseException], None],
    group: str | None = None,
    longest_fetch_ms: int = _LONGEST_FETCH_MS,
) -> None:
    """Attach `receive` to a topic, in `group` or the consumer group of the topic's name.

    Offsets are committed after it returns. After TryLater, or when the broker does not take a dead letter, nothing is
    committed and the same records come again after a pause. `stop` ends the worker.
    """
    pauses = _Pauses(topic)

    async def on_records(records: tuple[Record, ...]) -> None:
        try:
            await receive(records)
        except (TryLater, KafkaError) as reason:
            await pauses.wait(reason)
            raise NackMessage from reason
        except TooManyDeadLetters as reason:
            stop(reason)
            raise NackMessage from reason
        pauses.reset()

    broker.subscriber(
        DeclaredTopic(topic, declare=False),
        group_id=group or topic,
        batch=True,
        max_records=max_records,
        batch_timeout_ms=500,  # an empty look; records are handed over as they come
        fetch_max_wait_ms=longest_fetch_ms,
        max_poll_interval_ms=_LONGEST_WORK_MS,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        parser=_parse,
        decoder=_decode,
    )(on_records)


class _Pauses:
    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._failures = 0

    async def wait(self, reason: Exception) -> None:
        pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        self._failures += 1
        log.warning("%s: %s; trying again in %s s", self._topic, reason, pause)
        await asyncio.sleep(pause)

    def reset(self) -> None:
        self._failures = 0


async def _parse(records: tuple[Record, ...], parse: Callable[[Any], Awaitable[Any]]) -> Any:
    """FastStream's message without its reading of headers, which fails on bytes that are not UTF-8."""
    message = await parse((replace(records[0], headers=()),))
    message.raw_message = records
    return message


async def _decode(message: Any) -> tuple[Record, ...]:
    records: tuple[Record, ...] = message.raw_message
    return records
