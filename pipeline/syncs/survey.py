"""The wipe guard: looks at what a whole file would do before its first row is applied."""

from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl
import psycopg

from pipeline.object_failures import own_bucket
from pipeline.store import wipe_guard
from pipeline.store.sync_parts import RangeRead, StoredRange
from pipeline.store.syncs import Job
from pipeline.store.wipe_guard import Held, Stock
from pipeline.syncs.batches import groups
from pipeline.syncs.layout import Layout
from pipeline.syncs.pieces import read_piece
from pipeline.syncs.services import SyncServices
from pipeline.syncs.sums import Sums
from schemas.states import Duplicates
from schemas.upload_rows import MOVE

MIN_LEVELS = 10
"""Fewer levels, or SKUs, are no wipe, whatever their share is."""


def objection(  # noqa: PLR0913, PLR0917 - the job, what was found in its file, and where that lies
    connection: psycopg.Connection,
    job: Job,
    layout: Layout,
    found: Sequence[StoredRange],
    sums: Sums,
    services: SyncServices,
) -> str | None:
    """What speaks against applying a file: it would take too much of the stock, or leaves out too much of it.

    Only rows about the job's own stock are looked at, not those about other customers'. None where nothing speaks
    against it, or a person has looked at it.

    Raises:
        TryLater: the work bucket is away.
    """
    if job.is_checked_by_person:
        return None
    stock = Stock(job.owner, job.status.warehouse_id)
    read = [each.read for each in found if each.read]
    reasons = [_loss(connection, stock, job.options.duplicates, layout, read, sums, services)]
    if layout.max_missing_percent is not None and any(each.piece_rows[layout.chunk_count] for each in read):
        missing, skus = wipe_guard.missing(connection, stock, partial(_skus, read, layout, services))
        if missing >= MIN_LEVELS and missing * 100 > layout.max_missing_percent * skus:
            reasons.append(f"it leaves out {_share(missing, skus)} SKUs with stock")
    return "; ".join(filter(None, reasons)) or None


def _loss(  # noqa: PLR0913, PLR0917 - as above
    connection: psycopg.Connection,
    stock: Stock,
    duplicates: Duplicates,
    layout: Layout,
    read: Sequence[RangeRead],
    sums: Sums,
    services: SyncServices,
) -> str | None:
    """The levels that a file would empty, or the units that it would take away, where those are too many.

    The rows are only compared with the levels where their sums leave it open.
    """
    percent = layout.max_zeroed_percent
    if percent is None or percent == 100 or sums.counted_rows + sums.removing_rows < MIN_LEVELS:
        return None
    held = wipe_guard.count_stock(connection, stock)
    if held.levels < MIN_LEVELS or not may_lose(sums, held, percent, duplicates):
        return None
    effect = wipe_guard.weigh(connection, stock, duplicates, partial(_rows, read, layout, services))
    if effect.emptied >= MIN_LEVELS and effect.emptied * 100 > percent * held.levels:
        return f"it would empty {_share(effect.emptied, held.levels)} levels with stock"
    if effect.lowered >= MIN_LEVELS and effect.lost_units * 100 > percent * held.units:
        return f"it would take away {_share(effect.lost_units, held.units)} units"
    return None


def may_lose(sums: Sums, held: Held, percent: int, duplicates: Duplicates) -> bool:
    """Whether a file could empty more than a share of the levels, or take away more than a share of the units.

    Only rows that count nothing, and those that remove, empty levels. Of the units, those that remove can take what
    they say; those that count leave behind at least what they add up to, apart from the largest, which may be a total
    that is no row of its own. Where the last copy of a row counts, their sum says nothing.
    """
    if (sums.zero_rows + sums.removing_rows) * 100 > percent * held.levels:
        return True
    counted = 0 if duplicates is Duplicates.LAST else sums.counted_units - sums.largest_count
    lost_by_counts = max(0, held.units - counted) if sums.counted_rows else 0
    return (lost_by_counts + sums.removed_units) * 100 > percent * held.units


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part * 100 // whole} %)"


def _rows(read: Sequence[RangeRead], layout: Layout, services: SyncServices) -> Iterator[bytes]:
    """The good rows about the job's own stock, as the guard wants them. A move takes nothing out of the warehouse."""
    for each in read:
        for content in groups(partial(_fetched, each, services, 0), sum(each.pieces[: layout.chunk_count])):
            own = read_piece(content, 0).lazy().filter(
                pl.col("errors").is_null(),
                pl.col("customer_account_id").is_in(["", layout.owner]),
                pl.col("action") != MOVE,
            )  # fmt: skip
            yield (
                own.select("sku", "location", "lot", "action", "target")
                .collect()
                .write_csv(include_header=False)
                .encode()
            )


def _skus(read: Sequence[RangeRead], layout: Layout, services: SyncServices) -> Iterator[bytes]:
    """The SKUs that rows count."""
    for each in read:
        if size := each.pieces[layout.chunk_count]:
            yield _fetched(each, services, sum(each.pieces[: layout.chunk_count]), 0, size)


def _fetched(read: RangeRead, services: SyncServices, first: int, start: int, size: int) -> bytes:
    with own_bucket():
        return services.objects.read_range(services.work_bucket, read.object_key, first + start, size, etag=None)
