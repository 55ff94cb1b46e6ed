"""Ends the planning of a sync, once all of its file was read: number the rows, look twice, and send the chunks out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from pipeline.errors import Invalid
from pipeline.store import sync_parts
from pipeline.store import syncs as store
from pipeline.store.sync_parts import StoredRange
from pipeline.store.syncs import Job, Planned, SyncKey, work_prefix
from pipeline.syncs.layout import Layout
from pipeline.syncs.pieces import LEFT_AS_IT_IS
from pipeline.syncs.repeat_rule import Duplicate, Hold
from pipeline.syncs.repeats import look_for_repeat
from pipeline.syncs.services import SyncServices
from pipeline.syncs.sums import Sums
from pipeline.syncs.survey import objection
from pipeline.syncs.unread import unread
from pipeline.syncs.whole_file import read_otherwise
from schemas.errors import ErrorCode
from schemas.states import FailurePolicy, SyncState


@dataclass(frozen=True)
class _File:
    """What was found in a file. `row_counts`: of each chunk that has rows."""

    layout: Layout
    ranges: Sequence[StoredRange]
    sums: Sums
    row_counts: Mapping[int, int]


def begin_processing(key: SyncKey, services: SyncServices) -> None:
    """Move a job on whose file was cut and read to its end; nothing happens to one that is not so far.

    Raises:
        TryLater: a server is away; nothing was changed.
    """
    with services.database.transaction() as connection:
        job = store.lock_job(connection, key)
        if job is None or job.state is not SyncState.PLANNING or job.ranges_done != job.range_count:
            return
        _begin(connection, job, services)
        ended = store.require_job(connection, key).status.finished_at is not None
    if ended:
        services.objects.delete_prefix(services.work_bucket, work_prefix(key))


def _begin(connection: psycopg.Connection, job: Job, services: SyncServices) -> None:
    ranges = sync_parts.ranges(connection, job.key)
    if read_otherwise(connection, job, ranges):
        return
    file = _file(job, ranges)
    repeat = look_for_repeat(
        connection, job, file.layout,
        has_movements=file.sums.moving_rows > 0, repeat_within=timedelta(hours=services.limits.repeat_hours),
    )  # fmt: skip
    if isinstance(repeat, Duplicate):
        store.end_as_duplicate(connection, job.key, repeat.of, repeat.words)
        return
    total = sum(file.row_counts.values())
    if job.options.on_error is FailurePolicy.ALL_OR_NOTHING and total > services.limits.atomic_max_rows:
        detail = f"{total:,} rows, the limit is {services.limits.atomic_max_rows:,}"
        store.fail_job(connection, job.key, Invalid(ErrorCode.SYNC_TOO_LARGE, detail))
        return
    sync_parts.number_rows(connection, job.key)
    sync_parts.insert_chunks(connection, job.key, file.row_counts)
    planned = _planned(connection, job, file, repeat, services)
    store.end_planning(connection, job.key, planned)
    if planned.status is not SyncState.HELD:
        sync_parts.send_chunks(connection, job.key, file.row_counts)


def _file(job: Job, ranges: Sequence[StoredRange]) -> _File:
    layout = Layout.from_json(job.layout or {})
    sums = sum((Sums(**each.read.sums) for each in ranges if each.read), Sums())
    return _File(layout, ranges, sums, _rows_by_chunk(ranges, layout.chunk_count))


def _rows_by_chunk(found: Sequence[StoredRange], chunk_count: int) -> dict[int, int]:
    """The rows of each chunk that has some."""
    rows: Counter[int] = Counter()
    for each in found:
        if each.read:
            rows.update(dict(enumerate(each.read.piece_rows[:chunk_count])))
    return {chunk: count for chunk, count in sorted(rows.items()) if count}


def _objections(
    connection: psycopg.Connection, job: Job, file: _File, repeat: Hold | None, services: SyncServices
) -> tuple[list[str], str | None]:
    """Warnings, and all that speaks against applying the file before a person has looked at it."""
    doubt = None if job.is_checked_by_person else job.doubt
    passed, unread_reason = unread(job, file.layout, file.ranges)
    wiped = objection(connection, job, file.layout, file.ranges, file.sums, services)
    return passed, "; ".join(filter(None, (doubt, unread_reason, repeat and repeat.reason, wiped))) or None


def _planned(
    connection: psycopg.Connection, job: Job, file: _File, repeat: Hold | None, services: SyncServices
) -> Planned:
    read = [each.read for each in file.ranges if each.read]
    warnings: Counter[str] = Counter()
    for each in read:
        warnings.update(each.warnings)
    invalid, total = sum(r.invalid_count for r in read), sum(r.row_count for r in read)
    texts = [f"{count:,} {text}" for text, count in warnings.items()]
    if not total:
        texts.append("the file has a header and no rows: nothing was changed")
    elif warnings[LEFT_AS_IT_IS] == total:
        texts.append("no row sets any stock: nothing is changed")
    if not file.layout.header.quoting:
        texts.append("no field of the file is in quotes: quotes were taken as text")
    limit = job.options.max_errors
    held = abort = None
    status = SyncState.PROCESSING if total else SyncState.SUCCESS
    if limit is not None and invalid >= limit:
        status, abort = SyncState.ABORTED, f"stopped after {invalid} rows in error, before any was applied"
    else:
        passed, doubts = _objections(connection, job, file, repeat, services)
        texts += passed
        if doubts and total and not job.status.dry_run:
            status, held = SyncState.HELD, doubts
        elif doubts:
            texts.insert(0, f"without --dry-run this sync would be held: {doubts}" if total else doubts)
    return Planned(
        status=status,
        total_count=total,
        invalid_count=invalid,
        blank_count=sum(r.blank_count for r in read),
        chunk_count=len(file.row_counts),
        warnings=texts,
        held_reason=held,
        abort_reason=abort,
    )
