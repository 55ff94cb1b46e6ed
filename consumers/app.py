"""The composition root: builds a worker from settings and runs its roles until it is told to stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from faststream.kafka import KafkaBroker

from consumers import commands, connections, snapshots, sync_chunks, syncs, uploads
from consumers.dead_letters import DeadLetters
from consumers.due import DueSchedules
from consumers.poller import Poller
from consumers.relay import Relay
from consumers.settings import Settings
from consumers.sync_care import SyncCare
from consumers.upkeep import Upkeep
from consumers.worker import Worker
from schemas.topics import Topic

log = logging.getLogger(__name__)

_ATTACH: Final[dict[str, tuple[Callable[[Worker], None], ...]]] = {
    "commands": (commands.attach,),
    "uploads": (uploads.attach,),
    "syncs": (syncs.attach, sync_chunks.attach),
    "snapshots": (snapshots.attach,),
}
ROLES: Final = (*_ATTACH, "relay", "scheduler")
"""What a worker can do. One process can do any of it, and any number of processes the same."""

_LARGEST_MESSAGE_BYTES: Final = 2 * 1024 * 1024
"""Twice what a topic takes by default: a dead letter is larger than its original by the headers of its origin."""


async def run_worker(settings: Settings, roles: Sequence[str]) -> None:
    """Run roles until SIGINT or SIGTERM; a broker that is away at the start is waited for.

    Raises:
        ValueError: a role is not one of ROLES.
        TooManyDeadLetters: see there.
    """
    if unknown := set(roles) - set(ROLES):
        raise ValueError(f"unknown role {', '.join(sorted(unknown))}; the roles are {', '.join(ROLES)}")
    _spare_the_garbage_collector()
    stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop() -> None:
        if not stopping.done():
            stopping.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    pause = 0.5
    while not stopping.done():
        try:
            async with _worker(settings, stopping) as worker:
                await _run_roles(worker, roles, stopping)
        except KafkaConnectionError as error:
            log.warning(
                "Kafka at %s does not answer (%s); trying again in %s s", settings.kafka_bootstrap_servers, error, pause
            )
            await asyncio.wait([stopping], timeout=pause)
            pause = min(pause * 2, 15)
    stopping.result()


def _spare_the_garbage_collector() -> None:
    """A batch is tens of thousands of objects without a cycle; for them the collector would walk through all modules
    again and again: nearly half of a worker's time. What is loaded now stays; the rest is looked at less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@asynccontextmanager
async def _worker(settings: Settings, stopping: "asyncio.Future[None]") -> AsyncIterator[Worker]:
    """The parts of a worker, connected."""

    def stop(reason: BaseException) -> None:
        if not stopping.done():
            stopping.set_exception(reason)

    producer = _new_producer(settings)
    database = connections.database(settings)
    objects = connections.object_store(settings)
    dead_letters = DeadLetters(producer, f"{settings.kafka_topic_prefix}{Topic.DEAD_LETTERS}", settings.dead_letter_cap)
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        apply_types=False,
        logger=logging.getLogger("faststream"),
        log_level=logging.DEBUG,
    )
    await producer.start()
    try:
        yield Worker(settings, broker, producer, database, objects, dead_letters, stop)
    finally:
        await broker.stop()
        await producer.stop()
        database.close()


def _new_producer(settings: Settings) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        max_request_size=_LARGEST_MESSAGE_BYTES,
    )


async def _run_roles(worker: Worker, roles: Sequence[str], stopping: "asyncio.Future[None]") -> None:
    for role in roles:
        for attach in _ATTACH.get(role, ()):
            attach(worker)
    tasks = [asyncio.create_task(task, name=role) for role, task in _loops(worker, roles)]
    try:
        # All at once: broker.start() has each group wait until the one before it has joined.
        await worker.broker.connect()
        await asyncio.gather(*(subscriber.start() for subscriber in worker.broker.subscribers))
        log.info("ready: %s", ", ".join(roles))
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()  # a loop ends only by an error, which ends the worker
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _loops(worker: Worker, roles: Sequence[str]) -> list[tuple[str, Coroutine[Any, Any, None]]]:
    """The roles that are no subscribers."""
    loops: list[tuple[str, Coroutine[Any, Any, None]]] = []
    if "relay" in roles:
        new_producer = partial(_new_producer, worker.settings)
        loops.append(("relay", Relay(worker.database, new_producer, worker.settings.kafka_topic_prefix).run()))
    if "scheduler" in roles:
        loops.append(("due schedules", DueSchedules(worker.database).run()))
        loops.append(("syncs", SyncCare(worker.database, worker.objects, worker.settings).run()))
        loops.append(("upkeep", Upkeep(worker.database, worker.settings).run()))
        if worker.settings.uploads_poll_seconds:
            loops.append(("poller", Poller(worker).run()))
    return loops
