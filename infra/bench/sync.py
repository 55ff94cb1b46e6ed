"""A sync: from the drop into the bucket until every row has its status, its change and its published event."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from consumers.event_audit import published_events
from consumers.settings import Settings
from infra.bench.baseline import plain_sql_seconds
from infra.bench.catalogue import ACCOUNT, WAREHOUSE, fill_catalogue, fill_levels, settle
from infra.bench.machine import cpu_micros, cpu_seconds, peak_rss_mb
from infra.bench.uploads import bad_rows, write_upload, write_workbook
from infra.platform import Platform

_BASELINE: Final = "baseline"
_BAD: Final = "bad10"
_LOOK_SECONDS: Final = 0.1


def bench_sync(rows: int, data_dir: Path) -> dict[str, float]:
    """`sync.*`: rows/s, CPU µs per row, the ratio to plain SQL doing the same writes, the peak of any worker, and
    `bad10_ratio`: the time of a file with 10 % bad rows over that of the clean one. All in one run, each on levels of
    its own.
    """
    with Platform(data_dir) as platform, tempfile.TemporaryDirectory() as folder:
        clean, bad = Path(folder) / "count.csv", Path(folder) / "bad.csv"
        write_upload(clean, rows)
        write_upload(bad, rows, bad=True)
        url = platform.settings.database_url.get_secret_value()
        _fill(url, rows, (ACCOUNT, _BAD, _BASELINE))
        plain = plain_sql_seconds(url, _BASELINE, clean)
        run = _sync(platform, ACCOUNT, clean, rows)
        peak = peak_rss_mb(platform.worker_pids)
        with_bad = _sync(platform, _BAD, bad, rows, bad_rows(rows))
        _check_events(platform.settings, 2 * rows - bad_rows(rows))
        return {
            "sync.rows": rows,
            "sync.seconds": run.seconds,
            "sync.rows_per_s": rows / run.seconds,
            "sync.plain_sql_rows_per_s": rows / plain,
            "sync.ratio_to_sql": plain / run.seconds,
            "sync.bad10_ratio": with_bad.seconds / run.seconds,
            "sync.peak_rss_mb": peak,
            **{f"sync.cpu_us.{name}": micros for name, micros in run.cpu_us.items()},
        }


def bench_large_sync(rows: int, data_dir: Path) -> dict[str, float]:
    """`sync.*_10m`: rows/s, and the peak of any worker, for a file that is ten times as large."""
    with Platform(data_dir) as platform, tempfile.TemporaryDirectory() as folder:
        upload = Path(folder) / "count.csv"
        write_upload(upload, rows)
        _fill(platform.settings.database_url.get_secret_value(), rows, (ACCOUNT,))
        run = _sync(platform, ACCOUNT, upload, rows)
        peak = peak_rss_mb(platform.worker_pids)
        _check_events(platform.settings, rows)
        return {
            "sync.rows_10m": rows,
            "sync.seconds_10m": run.seconds,
            "sync.rows_per_s_10m": rows / run.seconds,
            "sync.peak_rss_mb_10m": peak,
        }


def bench_workbook(rows: int, data_dir: Path) -> dict[str, float]:
    """`workbook.*`: the seconds from the drop of an Excel workbook with eight columns to its last event, and the peak
    of any worker.
    """
    with Platform(data_dir) as platform, tempfile.TemporaryDirectory() as folder:
        upload = Path(folder) / "count.xlsx"
        write_workbook(upload, rows)
        _fill(platform.settings.database_url.get_secret_value(), rows, (ACCOUNT,))
        run = _sync(platform, ACCOUNT, upload, rows)
        peak = peak_rss_mb(platform.worker_pids)
        _check_events(platform.settings, rows)
        return {
            "workbook.rows": rows,
            "workbook.seconds": run.seconds,
            "workbook.rows_per_s": rows / run.seconds,
            "workbook.peak_rss_mb": peak,
        }


@dataclass(frozen=True)
class _Run:
    seconds: float
    cpu_us: dict[str, float]
    """Of each process group, per row."""


def _fill(url: str, rows: int, accounts: tuple[str, ...]) -> None:
    with psycopg.connect(url) as connection:
        for account_id in accounts:
            fill_catalogue(connection, account_id, rows)
            fill_levels(connection, account_id, rows)
        connection.commit()
        settle(connection)


def _sync(platform: Platform, account_id: str, upload: Path, rows: int, bad: int = 0) -> _Run:
    """Drop the file, and wait until its job has ended as it should and nothing waits in the outbox."""
    with psycopg.connect(platform.settings.database_url.get_secret_value(), autocommit=True) as connection:
        settle(connection)
        key = f"{account_id}/{WAREHOUSE}/{upload.name}"
        platform.objects.put_file(platform.settings.s3_uploads_bucket, key, upload)
        used, began = cpu_seconds(), time.perf_counter()
        while not _is_done(connection, account_id, rows, bad):
            platform.check()
            time.sleep(_LOOK_SECONDS)
        seconds = time.perf_counter() - began
    return _Run(seconds, cpu_micros(used, rows))


def _is_done(connection: psycopg.Connection, account_id: str, rows: int, bad: int) -> bool:
    row = connection.execute(
        """SELECT status, coalesce(error, held_reason), success_count, error_count, (SELECT count(*) FROM outbox)
           FROM sync_jobs WHERE account_id = %s AND (finished_at IS NOT NULL OR status = 'held')""",
        [account_id],
    ).fetchone()
    if row is None:
        return False
    status, why, *counts, waiting = row
    if status != ("partial" if bad else "success") or counts != [rows - bad, bad]:
        raise AssertionError(f"the sync ended in {status} with {counts} good and bad rows: {why}")
    return bool(waiting == 0)


def _check_events(settings: Settings, changes: int) -> None:
    """AssertionError where not each change has its one event."""
    events = asyncio.run(_count_events(settings))
    if events != changes:
        raise AssertionError(f"{events} events for {changes} changes")


async def _count_events(settings: Settings) -> int:
    """Counted by reading the topic: a broker's end offsets need not be exact."""
    count = 0
    async for _ in published_events(settings):
        count += 1
    return count
