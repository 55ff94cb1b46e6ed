"""Looks whether a file repeats an earlier one, when all of it was read."""

import codecs
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from pipeline.store import repeats as store
from pipeline.store.repeats import EarlierJob
from pipeline.store.syncs import Job, SyncKey, read_job
from pipeline.syncs.layout import Layout
from pipeline.syncs.repeat_rule import (
    Duplicate,
    Earlier,
    FileReading,
    Verdict,
    duplicate_words,
    earlier_count,
    judge_count,
    judge_movements,
)
from schemas.jobs import SyncOptions
from schemas.states import Idempotency, SyncState

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


def look_for_repeat(
    connection: psycopg.Connection, job: Job, layout: Layout, *, has_movements: bool, repeat_within: timedelta
) -> Verdict:
    """What the rule of repeats says of a held job, all of whose file was read. The content is held from here on.

    Nothing is a repeat that is forced, only tried, or takes something back. Who confirms a dry run has seen what was
    applied before it: only jobs since then count.
    """
    if job.options.force or job.status.dry_run or job.status.reverts:
        return None
    reading = reading_of(job.options, layout)
    earlier = [_earlier(found, job) for found in store.earlier_jobs(connection, job, _since(connection, job))]
    if has_movements:
        whenever = job.options.idempotency is Idempotency.CONTENT
        return judge_movements(reading, earlier, repeat_within, whenever=whenever)
    same = earlier_count(reading, earlier)
    if same is not None and store.is_untouched(connection, job, same.sync_id):
        return Duplicate(same.sync_id, duplicate_words(same))
    return judge_count(reading, earlier)


def reading_of(options: SyncOptions, layout: Layout) -> FileReading:
    """How a file is understood. What is said and what goes without saying are the same."""
    header = layout.header
    encoding = codecs.lookup(options.encoding).name if options.encoding else "utf-8"
    return FileReading(
        encoding=encoding,
        columns=header.columns,
        separator=header.delimiter,
        numbers=layout.numbers,
        quotes=header.quoting,
        export=header.reading.export,
        action=layout.action,
        duplicates=options.duplicates,
        as_of=options.as_of,
    )


def _since(connection: psycopg.Connection, job: Job) -> datetime:
    if job.status.confirms is None:
        return _ALWAYS
    dry_run = read_job(connection, SyncKey(job.key.account_id, job.status.confirms))
    return dry_run.status.created_at if dry_run else _ALWAYS


def _earlier(found: EarlierJob, job: Job) -> Earlier:
    return Earlier(
        sync_id=found.sync_id,
        state=SyncState(found.status),
        created_at=found.created_at,
        age=job.status.created_at - found.created_at,
        reading=reading_of(SyncOptions.model_validate(found.options), Layout.from_json(found.layout)),
        total=found.total_count,
        applied=found.success_count,
        in_error=found.error_count,
        aborted=found.aborted_count,
        partly_reverted=found.partly_reverted,
    )
