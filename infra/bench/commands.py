"""Single-level commands: how many per second through to result and event, and how long one takes at a steady rate."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from consumers.settings import Settings
from infra.bench.catalogue import ACCOUNT, fill_catalogue, fill_levels, settle
from infra.bench.load import consumer_of, producer_to, publish, receive
from infra.bench.machine import cpu_micros, cpu_seconds, peak_rss_mb
from infra.bench.steady import Rate, Return, anywhere, measure
from infra.platform import Platform
from schemas.topics import Topic

LEVELS = 50_000
HOT_LEVELS = 10
_STEADY_PER_S = 1_000
_STEADY_SECONDS = 20
_WORKERS = (("commands",), ("relay",))
_POLL_SECONDS = 0.02
_LONGEST_SECONDS = 600


def bench_commands(count: int, data_dir: Path) -> dict[str, float]:
    """`commands.*`: per second over `count` commands on 50,000 levels, `hot_per_s` over a fifth of that on ten levels;
    p50, p99 in ms at 1,000/s, publish to event.
    """
    spread = _drain(count, LEVELS, data_dir / "spread")
    hot = _drain(count // 5, HOT_LEVELS, data_dir / "hot")
    latencies = _latencies(data_dir / "steady")
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "commands.count": count,
        "commands.per_s": spread.per_s,
        "commands.peak_rss_mb": spread.peak_rss_mb,
        **{f"commands.cpu_us.{name}": micros for name, micros in spread.cpu_us.items()},
        "commands.hot_per_s": hot.per_s,
        "commands.p50_ms": percentiles[49] * 1000,
        "commands.p99_ms": percentiles[98] * 1000,
    }


@dataclass(frozen=True)
class _Drained:
    per_s: float
    peak_rss_mb: float
    cpu_us: dict[str, float]
    """Of each process group, per command."""


def _drain(count: int, levels: int, data_dir: Path) -> _Drained:
    """How fast a backlog of commands goes through to results and events that the broker has acknowledged.

    Producers and readers of a benchmark would take the same two cores: the commands are on the topic before the first
    worker starts, and the results and events are read, and counted, after the last was published.
    """
    with Platform(data_dir, ()) as platform, _filled(platform.settings) as database:
        last = asyncio.run(_publish_all(platform.settings, count, levels))
        for roles in _WORKERS:
            platform.start_worker(roles)
        _wait(platform, database, "SELECT EXISTS (SELECT FROM commands)")
        used, before = cpu_seconds(), _done(database)
        _wait(platform, database, "SELECT count(*) = %s FROM commands WHERE command_id = ANY(%s)", [len(last), last])
        _wait(platform, database, "SELECT NOT EXISTS (SELECT FROM outbox)")
        ended, done = time.time(), count - before
        (began,) = database.execute("SELECT extract(epoch FROM min(recorded_at)) FROM commands").fetchone() or (ended,)
        cpu_us = cpu_micros(used, done)
        memory = peak_rss_mb(platform.worker_pids)
        asyncio.run(_count_published(platform.settings, count))
        return _Drained(count / (ended - float(began)), memory, cpu_us)


@contextmanager
def _filled(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        fill_catalogue(connection, ACCOUNT, LEVELS)
        fill_levels(connection, ACCOUNT, LEVELS)
        connection.commit()
        settle(connection)  # and every statement is a transaction of its own from here on
        yield connection


def _done(database: psycopg.Connection) -> int:
    (count,) = database.execute("SELECT count(*) FROM commands").fetchone() or (0,)
    return int(count)


def _wait(
    platform: Platform, database: psycopg.Connection, question: LiteralString, values: Sequence[object] = ()
) -> None:
    """Until the answer is true."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while database.execute(question, values).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {_LONGEST_SECONDS} s still not: {question}")
        platform.check()
        time.sleep(_POLL_SECONDS)


async def _publish_all(settings: Settings, count: int, levels: int) -> list[str]:
    """The last command of each partition: when those are done, all are."""
    last: dict[int, str] = {}
    async with producer_to(settings) as producer:
        for first in range(0, count, 10_000):
            ids = [f"load-{n}" for n in range(first, min(first + 10_000, count))]
            last |= await publish(producer, settings, ids, anywhere(levels))
    return list(last.values())


async def _count_published(settings: Settings, count: int) -> None:
    """TimeoutError where not every command has its result and its event on the topics."""
    async with consumer_of(settings, Topic.COMMAND_RESULTS) as results, consumer_of(settings, Topic.CHANGES) as changes:
        await asyncio.wait_for(asyncio.gather(receive(results, count), receive(changes, count)), _LONGEST_SECONDS)


def _latencies(data_dir: Path) -> list[float]:
    with Platform(data_dir, _WORKERS) as platform, _filled(platform.settings):
        return asyncio.run(_steady(platform.settings))


async def _steady(settings: Settings) -> list[float]:
    """Seconds from publishing to receiving the change event, for each command at the steady rate."""
    async with producer_to(settings) as producer, consumer_of(settings, Topic.CHANGES) as changes:
        await publish(producer, settings, [f"warm-{n}" for n in range(100)], anywhere(LEVELS))
        await receive(changes, 100)  # the workers have joined and everything is connected
        back = Return(changes)
        rate = Rate("steady", _STEADY_PER_S, anywhere(LEVELS))
        await measure(producer, settings, rate, lambda seconds: seconds >= _STEADY_SECONDS, [back])
        return [*back.seconds.values()]
