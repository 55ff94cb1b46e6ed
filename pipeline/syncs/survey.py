"""The wipe guard: looks at what a whole file would do before its first row is applied."""

from collections.abc import Callable, Iterator, Sequence

import psycopg

from pipeline.object_failures import own_bucket
from pipeline.store import wipe_guard
from pipeline.store.sync_parts import StoredRange
from pipeline.store.syncs import Job
from pipeline.store.wipe_guard import Stock
from pipeline.syncs.layout import Layout
from pipeline.syncs.services import SyncServices

MIN_LEVELS = 10
"""Fewer levels, or SKUs, are no wipe, whatever their share is."""


def objection(
    connection: psycopg.Connection, job: Job, layout: Layout, found: Sequence[StoredRange], services: SyncServices
) -> str | None:
    """What speaks against applying a file: it would empty too much of the stock, or leaves out too much of it.

    Only rows about the job's own stock are looked at, not those about other customers'. None where nothing speaks
    against it, or a person has looked at it.

    Raises:
        TryLater: the work bucket is away.
    """
    if job.is_checked_by_person:
        return None
    stock = Stock(job.owner, job.status.warehouse_id)
    reasons = []
    zeroed_rows = sum(each.read.piece_rows[layout.chunk_count] for each in found if each.read)
    if layout.max_zeroed_percent is not None and zeroed_rows >= MIN_LEVELS:
        zeroed, levels = wipe_guard.zeroed(connection, stock, _piece(found, layout.chunk_count, services))
        if zeroed >= MIN_LEVELS and zeroed * 100 > layout.max_zeroed_percent * levels:
            reasons.append(f"it would empty {_share(zeroed, levels)} levels with stock")
    replaces = sum(each.read.piece_rows[layout.chunk_count + 1] for each in found if each.read)
    if layout.max_missing_percent is not None and replaces:
        missing, skus = wipe_guard.missing(connection, stock, _piece(found, layout.chunk_count + 1, services))
        if missing >= MIN_LEVELS and missing * 100 > layout.max_missing_percent * skus:
            reasons.append(f"it leaves out {_share(missing, skus)} SKUs with stock")
    return "; ".join(reasons) or None


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part * 100 // whole} %)"


def _piece(found: Sequence[StoredRange], piece: int, services: SyncServices) -> Callable[[], Iterator[bytes]]:
    """The bytes of one piece of each range."""

    def read() -> Iterator[bytes]:
        for each in found:
            if each.read and each.read.pieces[piece]:
                start = sum(each.read.pieces[:piece])
                with own_bucket():
                    content = services.objects.read_range(
                        services.work_bucket, each.read.object_key, start, each.read.pieces[piece], etag=None
                    )
                yield content

    return read
