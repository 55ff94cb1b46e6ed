"""Reads what a sync changed, as rows of a file that takes it back."""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements
from pipeline.store.syncs import Job

_SQL = statements("sync_reverts")


class Kept(NamedTuple):
    """Whether all rows of a job are kept, and all of its changes."""

    items: bool
    changes: bool


def what_is_kept(connection: psycopg.Connection, job: Job) -> Kept:
    """What is still known of an ended job."""
    found = connection.execute(_SQL["what_is_kept"], {"month": job.month, "began": job.status.created_at}).fetchone()
    assert found is not None  # noqa: S101 - a SELECT without FROM gives one row
    return Kept._make(found)


def compensating_rows(connection: psycopg.Connection, job: Job) -> Iterator[bytes]:
    """A CSV file with its header, piece by piece: one row for each level that the job has changed, by level."""
    parameters = job.key.parameters(month=job.month, owner=job.owner)
    with connection.cursor() as cursor, cursor.copy(_SQL["compensating_rows"], parameters) as copy:
        for piece in copy:
            yield bytes(piece)
