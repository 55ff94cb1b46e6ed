"""The outbox relay: publishes what transactions have written, in order, and forgets it when the broker has it.

Any number may run: whoever holds the claim publishes, the others wait. A relay that dies between publishing and
forgetting publishes again: events come at least once, in order per level, and a repeat has the same id.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from consumers.packing import Limits, Requests, pack
from pipeline.errors import TryLater
from pipeline.store.database import Database
from pipeline.store.outbox import CHANNEL, Publishable, publish_outbox
from schemas.topics import Topic

log = logging.getLogger(__name__)

_MESSAGES_AT_ONCE: Final = 8_000
_WAKE_UP_SECONDS: Final = 5.0
"""How long to sleep at most when no notification comes; a lost one costs no more than this."""

_LAST_STEP_SECONDS: Final = 5.0
"""How long a relay that is stopped waits for the broker to acknowledge what was sent."""


class Relay:
    """Publishes the outbox of one database."""

    def __init__(self, database: Database, new_producer: Callable[[], AIOKafkaProducer], topic_prefix: str) -> None:
        """A producer that has failed is replaced: what the broker refused is missing in its sequence for ever."""
        self._database = database
        self._new_producer = new_producer
        self._prefix = topic_prefix
        self._limits = Limits()
        self._sending: Future[None] | None = None

    async def run(self) -> None:
        """Publish until cancelled. Where a server is away, wait and go on where it stopped."""
        pause = 0.2
        while True:
            try:
                async with self._producer() as producer, self._listener() as listener:
                    pause = 0.2
                    await self._publish_and_listen(producer, listener)
            except (psycopg.OperationalError, TryLater, KafkaError) as error:
                log.warning("relay: %s; trying again in %s s", str(error).strip() or repr(error), pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 15)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = self._new_producer()
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()

    @asynccontextmanager
    async def _listener(self) -> AsyncIterator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(self._database.url, autocommit=True) as listener:
            await listener.execute(f"LISTEN {CHANNEL}")  # first listen, then look: nothing falls between
            yield listener

    async def _publish_and_listen(self, producer: AIOKafkaProducer, listener: psycopg.AsyncConnection) -> None:
        send = partial(self._send_from_thread, asyncio.get_running_loop(), producer)
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

    def _send_from_thread(
        self, loop: asyncio.AbstractEventLoop, producer: AIOKafkaProducer, messages: Sequence[Publishable]
    ) -> None:
        requests = pack(messages, self._prefix, self._limits)
        self._sending = asyncio.run_coroutine_threadsafe(self._send(producer, requests), loop)
        self._sending.result()

    async def _send(self, producer: AIOKafkaProducer, requests: Requests) -> None:
        partitions = (self._send_in_order(producer, *place, batches) for place, batches in requests.items())
        for outcome in await asyncio.gather(*partitions, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send_in_order(
        self, producer: AIOKafkaProducer, topic: Topic, partition: int, requests: Sequence[BatchBuilder]
    ) -> None:
        """Each request of a partition only when the one before it is acknowledged: one that fails is not overtaken."""
        for request in requests:
            try:
                await (await producer.send_batch(request, f"{self._prefix}{topic}", partition=partition))
            except MessageSizeTooLargeError:
                self._limits.refused(topic, request)  # and all is packed and published again
                raise
