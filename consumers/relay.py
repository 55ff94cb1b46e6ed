"""The outbox relay: publishes what transactions have written, in order, and forgets it when the broker has it.

Any number may run: whoever holds the claim publishes, the others wait. A relay that dies between publishing and
forgetting publishes again: events come at least once, in order per level, and a repeat has the same id.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeAlias
from zlib import crc32

import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from consumers.cloudevents import event_headers
from pipeline.errors import TryLater
from pipeline.store.database import Database
from pipeline.store.outbox import CHANNEL, Publishable, publish_outbox
from schemas.topics import TOPICS

log = logging.getLogger(__name__)

_MESSAGES_AT_ONCE: Final = 20_000
_WAKE_UP_SECONDS: Final = 5.0
"""How long to sleep at most when no notification comes; a lost one costs no more than this."""

_LAST_STEP_SECONDS: Final = 5.0
"""How long a relay that is stopped waits for the broker to acknowledge what was sent."""

PartitionBatch: TypeAlias = tuple[tuple[str, int], BatchBuilder]
"""Topic and partition, and the records for it."""


class Relay:
    """Publishes the outbox of one database."""

    def __init__(self, database: Database, producer: AIOKafkaProducer, topic_prefix: str) -> None:
        """`producer` decides how much goes into one request (`max_batch_size`)."""
        self._database = database
        self._producer = producer
        self._prefix = topic_prefix
        self._sending: Future[None] | None = None

    async def run(self) -> None:
        """Publish until cancelled. Where a server is away, wait and go on where it stopped."""
        pause = 0.2
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._database.url, autocommit=True) as listener:
                    await listener.execute(f"LISTEN {CHANNEL}")  # first listen, then look: nothing falls between
                    pause = 0.2
                    await self._publish_and_listen(listener)
            except (psycopg.OperationalError, TryLater, KafkaError) as error:
                log.warning("relay: %s; trying again in %s s", str(error).strip() or repr(error), pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 15)

    async def _publish_and_listen(self, listener: psycopg.AsyncConnection) -> None:
        send = partial(self._send_from_thread, asyncio.get_running_loop())
        while True:
            while await self._publish(send):
                pass
            async for _ in listener.notifies(timeout=_WAKE_UP_SECONDS, stop_after=1):
                break

    async def _publish(self, send: Callable[[Sequence[Publishable]], None]) -> int:
        """Publish the oldest batches. When cancelled, end first: a stopped producer would leave the thread waiting."""
        step = asyncio.create_task(asyncio.to_thread(publish_outbox, self._database, send, _MESSAGES_AT_ONCE))
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step], timeout=_LAST_STEP_SECONDS)
            if self._sending is not None:
                self._sending.cancel()  # the transaction is rolled back, and the next relay publishes it
            await asyncio.gather(step, return_exceptions=True)
            raise

    def _send_from_thread(self, loop: asyncio.AbstractEventLoop, messages: Sequence[Publishable]) -> None:
        self._sending = asyncio.run_coroutine_threadsafe(self._send(self._batches(messages)), loop)
        self._sending.result()

    def _batches(self, messages: Sequence[Publishable]) -> list[PartitionBatch]:
        """The messages as whole requests, in order for each partition.

        The partition of a key is its CRC-32, as in librdkafka's partitioner `consistent`: C code, where aiokafka's own
        partitioner would cost more than all the rest.
        """
        full: list[PartitionBatch] = []
        open_batches: dict[tuple[str, int], BatchBuilder] = {}
        for message in messages:
            topic = f"{self._prefix}{message.topic}"
            key = message.key.encode()
            place = (topic, crc32(key) % TOPICS[message.topic].partitions)
            value, headers = message.data.encode(), event_headers(message.type, message.id)
            batch = open_batches.get(place)
            if batch is None or batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                batch = self._producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    raise ValueError(f"a message of {len(value)} bytes does not fit into a request: {message.id}")
                open_batches[place] = batch
                full.append((place, batch))
        return full

    async def _send(self, batches: Sequence[PartitionBatch]) -> None:
        by_place: defaultdict[tuple[str, int], list[BatchBuilder]] = defaultdict(list)
        for place, batch in batches:
            by_place[place].append(batch)
        sent = await asyncio.gather(*(self._send_in_order(*item) for item in by_place.items()), return_exceptions=True)
        for outcome in sent:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send_in_order(self, place: tuple[str, int], batches: Sequence[BatchBuilder]) -> None:
        """Each request of a partition only when the one before it is acknowledged: one that fails is not overtaken."""
        topic, partition = place
        for batch in batches:
            await (await self._producer.send_batch(batch, topic, partition=partition))
