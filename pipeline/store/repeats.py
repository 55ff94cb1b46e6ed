"""Reads what there was of a file before: jobs with the same content, and whether one of them still stands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from pipeline.store.statements import statements
from pipeline.store.syncs import Job
from schemas.identifiers import UNASSIGNED

_SQL = statements("repeats")


class EarlierJob(NamedTuple):
    """A job of the same content and stock that has applied rows, or may still do so, as the database has it."""

    sync_id: UUID
    status: str
    created_at: datetime
    options: Mapping[str, Any]
    layout: Mapping[str, Any]
    total_count: int
    success_count: int
    error_count: int
    aborted_count: int
    partly_reverted: bool


def earlier_jobs(connection: psycopg.Connection, job: Job, since: datetime) -> list[EarlierJob]:
    """The newest 100 that were asked for after `since`, the newest first; not those that were taken back as a whole.

    Of two jobs that ask at the same time, the second one waits until the first transaction has ended.
    """
    parameters = job.key.parameters(
        content_hash=job.content_hash, warehouse_id=job.status.warehouse_id, owner=job.owner, since=since
    )
    connection.execute(_SQL["hold_content"], parameters)
    return [EarlierJob._make(row) for row in connection.execute(_SQL["earlier_jobs"], parameters)]


def is_untouched(connection: psycopg.Connection, job: Job, earlier_id: UUID) -> bool:
    """Whether each level that an earlier count named is as it left it; False where that is not certain."""
    parameters = {
        "account_id": job.key.account_id, "owner": job.owner, "earlier_id": earlier_id, "unassigned": UNASSIGNED
    }  # fmt: skip
    return connection.execute(_SQL["is_untouched"], parameters).fetchone() == (True,)
