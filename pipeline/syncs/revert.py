"""Writes the file that takes back what a sync changed: one row for each level that it changed."""

from collections.abc import Iterator
from uuid import uuid4

from pipeline.errors import Invalid
from pipeline.object_failures import own_bucket
from pipeline.store import sync_reverts
from pipeline.store import syncs as store
from pipeline.store.syncs import Job, PlainSource, SyncKey
from pipeline.syncs.plain import PlainFile
from pipeline.syncs.services import SyncServices
from schemas.errors import ErrorCode


def write_revert_file(job: Job, services: SyncServices) -> PlainFile:
    """The file of a job that reverts another one: what that one added to a level is removed, what it removed is added.

    Each row expects the version that the other job left behind, so that a level that has changed since is skipped.

    Raises:
        Invalid: SYNC_ITEMS_NOT_KEPT or HISTORY_NOT_KEPT, it is not known any more what the other job changed.
        TryLater: a server is away.
    """
    assert job.status.reverts is not None  # noqa: S101 - the caller has looked
    with services.database.transaction() as connection:
        reverted = store.require_job(connection, SyncKey(job.key.account_id, job.status.reverts))
        kept = sync_reverts.what_is_kept(connection, reverted)
    if not kept.items:
        raise Invalid(ErrorCode.SYNC_ITEMS_NOT_KEPT, str(reverted.key.sync_id))
    if not kept.changes:
        raise Invalid(ErrorCode.HISTORY_NOT_KEPT, f"sync {reverted.key.sync_id} began {reverted.status.created_at}")

    def lines() -> Iterator[bytes]:
        with services.database.transaction() as connection:
            yield from sync_reverts.compensating_rows(connection, reverted)

    object_key = f"{job.work_prefix}revert-{uuid4().hex}.csv"
    with own_bucket():
        size = services.objects.upload_stream(services.work_bucket, object_key, lines())
        etag = services.objects.head(services.work_bucket, object_key).etag
    return PlainFile(PlainSource(services.work_bucket, object_key, etag, size), etag, is_copy=True)
