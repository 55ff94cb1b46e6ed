"""What happens when a part of a sync fails: it is tried again after a pause that grows, and at last given up."""

import logging
from collections.abc import Callable
from typing import Final

import psycopg

from pipeline.errors import Invalid, TryLater
from pipeline.store import chunks, sync_parts
from pipeline.store import syncs as store
from pipeline.store.sync_parts import Kind
from pipeline.store.syncs import Job, RowCounts, SyncKey
from pipeline.syncs.chunk_rows import keep_rejected, left_of, work_of
from pipeline.syncs.finish import end_if_done
from pipeline.syncs.services import SyncServices
from schemas.errors import ErrorCode
from schemas.states import ItemStatus

log = logging.getLogger(__name__)

_WRONG_FILE = (ErrorCode.FILE_CHANGED, ErrorCode.FILE_NOT_FOUND, ErrorCode.FILE_FORBIDDEN, ErrorCode.FILE_NOT_CSV)
_MOST_LOST: Final = 10
"""A part that has taken so many workers with it, without anything of it getting done, has failed: memory may not do."""


class WorkersLost(Exception):  # noqa: N818 - as the others in pipeline/errors.py
    """Whoever began with a part was lost in the middle of it, again and again."""


def attempt(services: SyncServices, job: Job, kind: Kind, part: int, work: Callable[[], None]) -> None:
    """Do a part of a sync. Where it fails, that is counted; the scheduler sends it again when its pause is over.

    A file that has changed or is gone ends a job that is being planned at once.

    Raises:
        TryLater: a server is away, which is no failure of the part.
    """
    try:
        _begin(services, job.key, kind, part)
        work()
    except TryLater:
        with services.database.transaction() as connection:
            sync_parts.leave(connection, job.key, kind, part)
        raise
    except Exception as error:
        log.warning("sync %s: %s %s failed", job.key.sync_id, kind, part, exc_info=error)
        with services.database.transaction() as connection:
            _note(connection, services, job, kind, part, error)


def _begin(services: SyncServices, key: SyncKey, kind: Kind, part: int) -> None:
    with services.database.transaction() as connection:
        times = sync_parts.begin(connection, key, kind, part)
    if times > _MOST_LOST:
        raise WorkersLost(f"{times - 1} times the worker was lost that had begun with it")


def _note(  # noqa: PLR0913, PLR0917 - which part, and what happened to it
    connection: psycopg.Connection, services: SyncServices, job: Job, kind: Kind, part: int, error: Exception
) -> None:
    cause = str(error) or repr(error)
    if kind == "range" and isinstance(error, Invalid) and error.code in _WRONG_FILE:
        _fail_planning(connection, job, error)
        return
    if kind == "range" and not job.is_same_planning(store.require_job(connection, job.key)):
        return
    attempts = sync_parts.note_failure(connection, job.key, kind, part, cause)
    if attempts < services.limits.part_attempts:
        return
    if kind == "range":
        detail = f"range {part} failed {attempts} times: {cause}"
        _fail_planning(connection, job, Invalid(ErrorCode.PART_FAILED, detail))
    else:
        _give_up_chunk(connection, services, job.key, part)


def _fail_planning(connection: psycopg.Connection, job: Job, reason: Invalid) -> None:
    if job.is_same_planning(store.require_job(connection, job.key)):
        store.fail_job(connection, job.key, reason)


def _give_up_chunk(connection: psycopg.Connection, services: SyncServices, key: SyncKey, chunk: int) -> None:
    """Have all its rows in error that have no status yet."""
    held = sync_parts.lock_chunk(connection, key, chunk)
    job = store.read_job(connection, key)
    if held is None or job is None or held.status != "pending":
        return
    left = held.row_count - held.rows_done
    try:
        with connection.transaction():
            rows = _tell_of_rows(connection, services, job, chunk, held.rows_done)
    except TryLater:
        raise
    except Exception:
        log.exception("sync %s: the rows of chunk %s are lost", key.sync_id, chunk)
        rows = RowCounts({ItemStatus.ERROR: left}, {ErrorCode.PART_FAILED.value: left})
    sync_parts.count_step(connection, key, chunk, left, "failed")
    counted_job = store.count_rows(connection, key, rows, ends_chunk=True, error_code=ErrorCode.PART_FAILED)
    end_if_done(connection, counted_job)


def _tell_of_rows(
    connection: psycopg.Connection, services: SyncServices, job: Job, chunk: int, rows_done: int
) -> RowCounts:
    work = work_of(job)
    frames = left_of(sync_parts.pieces(connection, job.key, chunk), rows_done, services)
    for frame in frames():
        chunks.stage_rows(connection, frame)
    counts = chunks.fail_staged(connection, work)
    keep_rejected(connection, work, frames)
    return RowCounts(counts, chunks.count_errors(connection))
