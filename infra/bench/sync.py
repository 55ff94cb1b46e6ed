"""A CSV sync: from the drop into the bucket until every row has its status, its change and its published event."""

import asyncio
import tempfile
import time
from pathlib import Path

import psycopg

from consumers.event_audit import published_events
from consumers.settings import Settings
from infra.bench.baseline import plain_sql_seconds
from infra.bench.catalogue import ACCOUNT, WAREHOUSE, fill_catalogue, fill_levels, settle
from infra.bench.machine import peak_rss_mb
from infra.bench.uploads import write_upload
from infra.platform import Platform

_BASELINE = "baseline"
_LOOK_SECONDS = 0.1


def bench_sync(rows: int, data_dir: Path) -> dict[str, float]:
    """`sync.*`: rows/s, the ratio to plain SQL doing the same writes in the same run, and the peak of any worker."""
    with Platform(data_dir) as platform, tempfile.TemporaryDirectory() as folder:
        url = platform.settings.database_url.get_secret_value()
        upload = Path(folder) / "count.csv"
        write_upload(upload, rows)
        with psycopg.connect(url) as connection:
            for account_id in (ACCOUNT, _BASELINE):
                fill_catalogue(connection, account_id, rows)
                fill_levels(connection, account_id, rows)
            connection.commit()
            settle(connection)
        plain = plain_sql_seconds(url, _BASELINE, upload)
        with psycopg.connect(url, autocommit=True) as connection:
            settle(connection)
            seconds = _sync_seconds(platform, connection, upload)
        events = asyncio.run(_count_events(platform.settings))
        if events != rows:
            raise AssertionError(f"{events} events for {rows} changes")
        return {
            "sync.rows": rows,
            "sync.seconds": seconds,
            "sync.rows_per_s": rows / seconds,
            "sync.plain_sql_rows_per_s": rows / plain,
            "sync.ratio_to_sql": plain / seconds,
            "sync.peak_rss_mb": peak_rss_mb(platform.worker_pids),
        }


def _sync_seconds(platform: Platform, connection: psycopg.Connection, upload: Path) -> float:
    key = f"{ACCOUNT}/{WAREHOUSE}/{upload.name}"
    platform.objects.put_file(platform.settings.s3_uploads_bucket, key, upload)
    began = time.perf_counter()
    while not _is_done(connection):
        platform.check()
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - began


def _is_done(connection: psycopg.Connection) -> bool:
    """Whether the job has ended well and nothing waits in the outbox."""
    row = connection.execute(
        """SELECT status, error, (SELECT count(*) FROM outbox) FROM sync_jobs WHERE account_id = %s""", [ACCOUNT]
    ).fetchone()
    if row is not None and row[0] in ("error", "partial", "aborted"):
        raise AssertionError(f"the sync ended in {row[0]}: {row[1]}")
    return row is not None and row[0] == "success" and row[2] == 0


async def _count_events(settings: Settings) -> int:
    """Counted by reading the topic: a broker's end offsets need not be exact."""
    return len([event async for event in published_events(settings)])
