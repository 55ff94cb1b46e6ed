"""Carries out the requests about snapshots: writes the document, and stops when it is told to."""

from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg

from pipeline.errors import Invalid, TryLater
from pipeline.objects import ObjectStore
from pipeline.snapshots import jobs
from pipeline.snapshots.document import Document, begin
from pipeline.store.database import Database
from pipeline.store.statements import statements
from schemas.errors import ErrorCode
from schemas.jobs import AbortSnapshot, RequestSnapshot, SnapshotStatus
from schemas.states import SnapshotState


class _Aborted(Exception):  # noqa: N818 - an outcome, and not an error
    """Somebody aborted the job while its document was written."""


def request_snapshot(
    request: RequestSnapshot, database: Database, objects: ObjectStore, *, bucket: str, link_seconds: int
) -> None:
    """Write the snapshot to `{account_id}/{warehouse_id or "all"}/{snapshot_id}.json` and publish each state of it.

    The same request again does nothing when the job has ended, and starts over when its worker was lost. What is wrong
    with the request or the bucket ends the job in error. The link works for `link_seconds`, at most seven days.

    Raises:
        TryLater: PostgreSQL or the store is away, or another worker is writing this snapshot.
    """
    jobs.create(database, request)
    with database.transaction() as connection:
        begin(connection)
        _lock(connection, request)
        job = jobs.start(database, request.account_id, request.snapshot_id)
        if job is None:
            _tidy(request, database, objects, bucket)
            return
        try:
            _write(job, database, objects, connection, bucket=bucket, link_seconds=link_seconds)
        except Invalid as error:
            jobs.fail(database, job, _failure(error))
        except TryLater:
            raise
        except Exception as bug:  # the message becomes a dead letter, and its job must not wait for ever
            jobs.fail(database, job, Invalid(ErrorCode.MESSAGE_NOT_PROCESSABLE, repr(bug)))
            raise


def abort_snapshot(request: AbortSnapshot, database: Database) -> None:
    """Abort the job unless it has ended. Its writer sees that within some megabytes and removes what it wrote.

    Raises:
        Invalid: UNKNOWN_SNAPSHOT.
        TryLater: PostgreSQL is away.
    """
    jobs.abort(database, request)
    if jobs.find(database, request.account_id, request.snapshot_id) is None:
        raise Invalid(ErrorCode.UNKNOWN_SNAPSHOT, str(request.snapshot_id))


def _lock(connection: psycopg.Connection, request: RequestSnapshot) -> None:
    """Keep a second delivery of the request from writing the same object until the transaction ends."""
    row = connection.execute(statements("snapshots")["lock_document"], request.model_dump()).fetchone()
    if row != (True,):
        raise TryLater(f"another worker is writing the snapshot {request.snapshot_id}")


def _tidy(request: RequestSnapshot, database: Database, objects: ObjectStore, bucket: str) -> None:
    """Remove what is left of an aborted document: its worker may have been lost before it could."""
    job = jobs.find(database, request.account_id, request.snapshot_id)
    if job and job.status is SnapshotState.ABORTED:
        objects.delete_prefix(bucket, jobs.key_of(job))


def _failure(error: Invalid) -> Invalid:
    """The same failure with a code that fits a job which reads no file."""
    if error.code is ErrorCode.UNKNOWN_WAREHOUSE:
        return error
    return Invalid(ErrorCode.SNAPSHOT_FAILED, f"{error.code}: {error.detail}")


def _write(  # noqa: PLR0913 - the job, where it is read from and where it goes
    job: SnapshotStatus,
    database: Database,
    objects: ObjectStore,
    connection: psycopg.Connection,
    *,
    bucket: str,
    link_seconds: int,
) -> None:
    key = jobs.key_of(job)
    document = Document(connection, job)
    try:
        objects.delete_prefix(bucket, key)  # what an attempt left whose worker was lost
        with closing(document.pieces()) as pieces, closing(_until_aborted(pieces, database, job)) as checked:
            size_bytes = objects.upload_stream(bucket, key, checked)
    except _Aborted:
        return  # the upload is broken off: there is no object
    expires_at = datetime.now(UTC) + timedelta(seconds=link_seconds)
    completed = jobs.complete(
        database,
        job,
        product_count=document.product_count,
        level_count=document.level_count,
        size_bytes=size_bytes,
        snapshot_url=objects.presigned_get(bucket, key, link_seconds),
        expires_at=expires_at,
    )
    if completed is None:
        objects.delete_prefix(bucket, key)


def _until_aborted(pieces: Iterable[bytes], database: Database, job: SnapshotStatus) -> Generator[bytes, None, None]:
    for piece in pieces:
        if jobs.is_aborted(database, job.account_id, job.snapshot_id):
            raise _Aborted
        yield piece
