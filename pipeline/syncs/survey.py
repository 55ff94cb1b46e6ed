"""The wipe guard: looks at what a whole file would do before its first row is applied."""

from collections.abc import Callable, Iterator, Sequence

import psycopg

from pipeline.object_failures import own_bucket
from pipeline.store import wipe_guard
from pipeline.store.sync_parts import StoredRange
from pipeline.store.syncs import Job
from pipeline.store.wipe_guard import Share, Stock
from pipeline.syncs.layout import Layout
from pipeline.syncs.services import SyncServices

MIN_LEVELS = 10
"""Fewer levels, or SKUs, are no wipe, whatever their share is."""
_SHOWN = 3
"""Warehouses that a reason names."""


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
    reasons: list[str] = []
    zeroed_rows = sum(each.read.piece_rows[layout.chunk_count] for each in found if each.read)
    if layout.max_zeroed_percent is not None and zeroed_rows >= MIN_LEVELS:
        zeroed = wipe_guard.zeroed(connection, stock, _piece(found, layout.chunk_count, services))
        reasons += _too_many(zeroed, layout.max_zeroed_percent, "it would empty {} levels with stock")
    replaces = sum(each.read.piece_rows[layout.chunk_count + 1] for each in found if each.read)
    if layout.max_missing_percent is not None and replaces:
        missing = wipe_guard.missing(connection, stock, _piece(found, layout.chunk_count + 1, services))
        reasons += _too_many(missing, None, "it leaves out {} SKUs with stock")
    return "; ".join(reasons) or None


def _too_many(shares: Sequence[Share], percent: int | None, words: str) -> list[str]:
    """What is to be said where a share of a warehouse passes its own limit, or `percent`; and that of all together
    that have no limit of their own.

    So a file is held, too, that takes a little from each of many small warehouses.
    """
    passed = [
        words.format(_share(share)) + (f" of {share.warehouse_id}" if len(shares) > 1 else "")
        for share in shares
        if _passes(share, percent if share.percent is None else share.percent)
    ]
    if len(passed) > _SHOWN:
        passed = [*passed[:_SHOWN], f"and so in {len(passed) - _SHOWN:,} more warehouses"]
    others = [share for share in shares if share.percent is None]
    together = Share("", None, sum(share.part for share in others), sum(share.whole for share in others))
    return passed or ([words.format(_share(together))] if _passes(together, percent) else [])


def _passes(share: Share, percent: int | None) -> bool:
    return percent is not None and share.part >= MIN_LEVELS and share.part * 100 > percent * share.whole


def _share(share: Share) -> str:
    return f"{share.part:,} of {share.whole:,} ({share.part * 100 // share.whole} %)"


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
