"""The scheduler's care for syncs: what failed is sent again, and what does not move; what is left over is removed."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from pipeline.object_failures import own_bucket
from pipeline.objects import ObjectStore
from pipeline.store import sync_parts
from pipeline.store import syncs as store
from pipeline.store.database import Database
from pipeline.store.syncs import WORK_PREFIX, SyncKey, work_prefix

LEFT_OVER_AFTER: Final = timedelta(hours=1)
"""How long files of an ended sync may lie in the work bucket: its last workers may still be at them."""


def send_due_parts(database: Database) -> int:
    """Send out again the parts that failed and whose pause is over; how many those are."""
    with database.transaction() as connection:
        return sync_parts.send_due(connection)


def resume_stuck(database: Database, seconds: float) -> list[SyncKey]:
    """Send out again all that is still to be done of jobs that have not moved for so long.

    Harmless where they only had to wait: what was done is not done again. Each is sent again once in that time.
    """
    with database.transaction() as connection:
        stuck = store.take_stuck(connection, seconds)
        for job in stuck:
            if job.is_planned:
                chunks = sync_parts.pending(connection, job.key, "chunk")
                sync_parts.send_chunks(connection, job.key, chunks)
                if not chunks:
                    sync_parts.send_finish(connection, job.key)
            else:
                sync_parts.send_ranges(connection, job.key, sync_parts.pending(connection, job.key, "range"))
                store.send_resume(connection, job.key)
    return [job.key for job in stuck]


def sweep_work(database: Database, objects: ObjectStore, work_bucket: str) -> list[SyncKey]:
    """Remove the files of syncs that have ended some time ago, which a lost worker has left; of which syncs.

    Raises:
        TryLater: the work bucket is away.
    """
    before = datetime.now(UTC) - LEFT_OVER_AFTER
    with own_bucket():
        old = {found.key for found in objects.list(work_bucket, WORK_PREFIX) if found.last_modified < before}
    swept = []
    for key in sorted(filter(None, map(_key_of, old)), key=lambda key: str(key.sync_id)):
        with database.transaction() as connection:
            job = store.read_job(connection, key)
        if key not in swept and (job is None or (job.status.finished_at or before) < before):
            with own_bucket():
                objects.delete_prefix(work_bucket, work_prefix(key))
            swept.append(key)
    return swept


def _key_of(object_key: str) -> SyncKey | None:
    _, account_id, sync_id, *_ = [*object_key.split("/"), "", ""]
    try:
        return SyncKey(account_id, UUID(sync_id))
    except ValueError:
        return None  # nothing of ours
