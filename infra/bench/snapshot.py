"""A snapshot of many levels: from the request until the document lies in the bucket with its link."""

import asyncio
import time
import uuid
from pathlib import Path

import psycopg
from aiokafka import AIOKafkaProducer

from consumers.cloudevents import event_headers
from infra.bench.catalogue import ACCOUNT, WAREHOUSE, fill_catalogue, fill_levels, settle
from infra.bench.machine import peak_rss_mb
from infra.platform import Platform
from schemas.jobs import RequestSnapshot
from schemas.topics import Topic

_LOOK_SECONDS = 0.1


def bench_snapshot(levels: int, data_dir: Path) -> dict[str, float]:
    """`snapshot.*`: levels per second, seconds, and the peak memory of the worker."""
    with Platform(data_dir, (("snapshots",),)) as platform:
        settings = platform.settings
        with psycopg.connect(settings.database_url.get_secret_value()) as connection:
            fill_catalogue(connection, ACCOUNT, levels)
            fill_levels(connection, ACCOUNT, levels)
            connection.commit()
            settle(connection)
            _seconds(platform, connection, account_id="nobody")  # the worker has joined when this is done
            seconds = _seconds(platform, connection, account_id=ACCOUNT, warehouse_id=WAREHOUSE)
        return {
            "snapshot.levels": levels,
            "snapshot.seconds": seconds,
            "snapshot.rows_per_s": levels / seconds,
            "snapshot.peak_rss_mb": peak_rss_mb(platform.worker_pids),
        }


def _seconds(
    platform: Platform, connection: psycopg.Connection, account_id: str, warehouse_id: str | None = None
) -> float:
    """Seconds from the request until the job has ended well."""
    request = RequestSnapshot.model_validate(
        {"account_id": account_id, "snapshot_id": uuid.uuid4(), "warehouse_id": warehouse_id}
    )
    began = time.perf_counter()
    asyncio.run(_publish(platform, request))
    while (status := _status(connection, request)) != "success":
        if status in ("error", "aborted"):
            raise AssertionError(f"the snapshot ended in {status}")
        platform.check()
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - began


def _status(connection: psycopg.Connection, request: RequestSnapshot) -> str | None:
    row = connection.execute(
        "SELECT status FROM snapshot_jobs WHERE account_id = %s AND snapshot_id = %s",
        [request.account_id, request.snapshot_id],
    ).fetchone()
    return row[0] if row else None


async def _publish(platform: Platform, request: RequestSnapshot) -> None:
    settings = platform.settings
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, enable_idempotence=settings.kafka_idempotence
    ) as producer:
        await producer.send_and_wait(
            f"{settings.kafka_topic_prefix}{Topic.SNAPSHOTS}",
            key=str(request.snapshot_id).encode(),
            value=request.model_dump_json().encode(),
            headers=event_headers(request.TYPE, str(request.snapshot_id)),
        )
