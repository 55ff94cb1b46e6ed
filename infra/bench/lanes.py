"""Whether a large sync slows single commands: their latency while one runs, and without it in the same run."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from aiokafka import AIOKafkaProducer

from infra.bench.catalogue import ACCOUNT, WAREHOUSE, fill_catalogue, fill_levels, settle
from infra.bench.load import LevelOf, change_partition, consumer_of, producer_to, publish, receive
from infra.bench.steady import Rate, Return, anywhere, measure
from infra.bench.uploads import write_upload
from infra.platform import Platform
from schemas.topics import Topic

_PER_S: Final = 500
_OTHERS: Final = 50_000
"""Products that the file does not name."""
_READ_PARTITION: Final = 0
"""The one partition of changes that is read: reading all of a sync's would take a core from those who are measured."""
_ALONE_SECONDS: Final = 60
_SECONDS_PER_ROW: Final = 1 / 50_000
"""A try with fewer rows than usual is over sooner."""
_LOOK_SECONDS: Final = 0.5


def bench_lanes(rows: int, data_dir: Path) -> dict[str, float]:
    """`lanes.*`: latency of single commands at 500/s in ms while a sync of `rows` rows runs, from its drop to its end.

    `p50_ms` and `p99_ms` are from publishing to the change event, `result_*` to the result; `file_*` and `other_*` are
    of commands on products that the file names and on others; `alone_*` is the same load before the sync. On Apache
    Kafka: the embedded broker takes longer for each fetch the more requests it keeps, and ten minutes are many.
    """
    with Platform(data_dir, kafka="apache") as platform, tempfile.TemporaryDirectory() as folder:
        upload = Path(folder) / "count.csv"
        write_upload(upload, rows)
        with psycopg.connect(platform.settings.database_url.get_secret_value()) as connection:
            fill_catalogue(connection, ACCOUNT, rows + _OTHERS)
            fill_levels(connection, ACCOUNT, rows + _OTHERS)
            connection.commit()
            settle(connection)
            alone, during, seconds = asyncio.run(_measure(platform, connection, upload, rows))
    return {
        "lanes.rows": rows,
        "lanes.seconds": seconds,
        "lanes.rows_per_s": rows / seconds,
        **_figures("lanes", during),
        **_figures("lanes.alone", alone),
    }


@dataclass(frozen=True)
class _Latencies:
    """Seconds by command id."""

    results: dict[str, float]
    changes: dict[str, float]


async def _measure(
    platform: Platform, connection: psycopg.Connection, upload: Path, rows: int
) -> tuple[_Latencies, _Latencies, float]:
    """Latencies without the sync and with it, and how long the sync ran in seconds."""
    async with producer_to(platform.settings) as producer:
        await _warm_up(platform, producer, rows)
        alone_seconds = min(_ALONE_SECONDS, 5 + rows * _SECONDS_PER_ROW)
        alone = await _latencies(platform, producer, rows, "alone", lambda seconds: seconds >= alone_seconds)
        await asyncio.to_thread(connection.execute, "CHECKPOINT")
        key = f"{ACCOUNT}/{WAREHOUSE}/{upload.name}"
        await asyncio.to_thread(platform.objects.put_file, platform.settings.s3_uploads_bucket, key, upload)
        began = time.perf_counter()
        watch = asyncio.create_task(_until_done(platform, connection))
        during = await _latencies(platform, producer, rows, "during", lambda _: watch.done())
        return alone, during, await watch - began


async def _warm_up(platform: Platform, producer: AIOKafkaProducer, rows: int) -> None:
    """When this is over, the workers have joined and everything is connected."""
    async with consumer_of(platform.settings, Topic.COMMAND_RESULTS) as results:
        await publish(producer, platform.settings, [f"warm-{n}" for n in range(100)], _both(rows))
        await receive(results, 100)


async def _latencies(
    platform: Platform, producer: AIOKafkaProducer, rows: int, name: str, is_over: Callable[[float], bool]
) -> _Latencies:
    """Every second command is on a product of the file."""
    settings, level_of = platform.settings, _both(rows)
    levels: dict[str, int] = {}

    def remembered(command_id: str) -> int:
        return levels.setdefault(command_id, level_of(command_id))

    async with (
        consumer_of(settings, Topic.COMMAND_RESULTS, begin="latest") as results,
        consumer_of(settings, Topic.CHANGES, [_READ_PARTITION], begin="latest") as changes,
    ):
        returns = (
            Return(results),
            Return(changes, lambda command_id: change_partition(levels[command_id]) == _READ_PARTITION),
        )
        await measure(producer, settings, Rate(name, _PER_S, remembered), is_over, returns)
    return _Latencies(*(back.seconds for back in returns))


def _both(rows: int) -> LevelOf:
    """Even numbers are on products of the file, odd ones on others."""
    file, others = anywhere(rows), anywhere(_OTHERS)
    return lambda command_id: file(command_id) if _is_on_file(command_id) else rows + others(command_id)


def _is_on_file(command_id: str) -> bool:
    return int(command_id.rpartition("-")[2]) % 2 == 0


async def _until_done(platform: Platform, connection: psycopg.Connection) -> float:
    """When the sync has ended, and well."""
    query = (
        "SELECT status, coalesce(error, held_reason) FROM sync_jobs WHERE finished_at IS NOT NULL OR status = 'held'"
    )
    while (row := await asyncio.to_thread(lambda: connection.execute(query).fetchone())) is None:
        platform.check()
        await asyncio.sleep(_LOOK_SECONDS)
    if row[0] != "success":
        raise AssertionError(f"the sync ended in {row[0]}: {row[1]}")
    return time.perf_counter()


def _figures(name: str, latencies: _Latencies) -> dict[str, float]:
    figures = {
        "": [*latencies.changes.values()],
        "result_": [*latencies.results.values()],
        "file_": [seconds for command_id, seconds in latencies.changes.items() if _is_on_file(command_id)],
        "other_": [seconds for command_id, seconds in latencies.changes.items() if not _is_on_file(command_id)],
    }
    return {
        f"{name}.{which}{percentile}_ms": value * 1000
        for which, seconds in figures.items()
        for percentile, value in zip(("p50", "p99"), _percentiles(seconds), strict=True)
    }


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th."""
    percentiles = statistics.quantiles(seconds, n=100)
    return percentiles[49], percentiles[98]
