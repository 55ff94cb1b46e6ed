"""Ends a sync whose chunks are all done: tells of every row, writes the files of rejects, and cleans up."""

from collections.abc import Iterator

import psycopg

from pipeline import sync_views
from pipeline.object_failures import own_bucket
from pipeline.store import sync_parts
from pipeline.store import syncs as store
from pipeline.store.syncs import Job, SyncKey, work_prefix
from pipeline.syncs.layout import Layout
from pipeline.syncs.services import SyncServices
from pipeline.uploads.header import Header
from pipeline.uploads.keys import workbook_key
from pipeline.uploads.reject import Reject
from pipeline.uploads.rejects import rejects_file
from pipeline.uploads.rejects_workbook import fits, rejects_workbook
from schemas.jobs import SyncFinish
from schemas.uploads import REJECTS_PREFIX


def end_if_done(connection: psycopg.Connection, job: Job) -> bool:
    """End a held job whose last chunk was just counted, or have its rejects written first; whether it has ended."""
    status = job.status
    done = status.chunks_done == status.chunk_count
    if done and not (status.error_count or status.aborted_count):
        store.end_job(connection, job.key, None)
        return True
    if done:
        sync_parts.send_finish(connection, job.key)
    store.publish_status(connection, job.key)
    return False


def finish_sync(message: SyncFinish, services: SyncServices) -> None:
    """Write the file of rejects of a job whose chunks are all done, and end it. One that has ended stays as it is.

    The workbook of rejects is written behind the end, since nobody who waits for the job should wait for it.

    Raises:
        TryLater: a server is away; the same can be asked for again.
    """
    key = SyncKey(message.account_id, message.sync_id)
    with services.database.transaction() as connection:
        job = store.lock_job(connection, key)
        if job is None or job.status.chunks_done < job.status.chunk_count:
            return
        is_running = job.status.finished_at is None
        if is_running and store.has_failed_chunks(connection, key):
            store.insert_lost_items(connection, job)
    if is_running:
        _end(job, services)
    _write_workbook(job, services)


def _end(job: Job, services: SyncServices) -> None:
    key = job.key
    rejects_key = f"{REJECTS_PREFIX}{key.account_id}/{key.sync_id}.csv"
    with own_bucket():
        services.objects.upload_stream(services.uploads_bucket, rejects_key, _rejects(job, services))
    with services.database.transaction() as connection:
        now = store.require_job(connection, key)
        if now.status.finished_at is None:
            store.end_job(connection, key, rejects_key)
    services.objects.delete_prefix(services.work_bucket, work_prefix(key))


def _write_workbook(job: Job, services: SyncServices) -> None:
    """Write the workbook of rejects of a job that has ended, where there is none yet and a workbook can hold them."""
    with services.database.transaction() as connection:
        now = store.require_job(connection, job.key).status
    if now.rejects_key is None or not fits(_header(job), now.error_count + now.aborted_count):
        return
    bucket, key = services.uploads_bucket, workbook_key(now.rejects_key)
    with own_bucket():
        if services.objects.exists(bucket, key):
            return
        services.objects.upload_stream(bucket, key, rejects_workbook(_header(job), _rejected(job, services)))


def _rejects(job: Job, services: SyncServices) -> Iterator[bytes]:
    return rejects_file(_header(job), _rejected(job, services))


def _rejected(job: Job, services: SyncServices) -> Iterator[Reject]:
    return sync_views.rejects(services.database, job.key.account_id, job.key.sync_id)


def _header(job: Job) -> Header:
    return Layout.from_json(job.layout or {}).header
