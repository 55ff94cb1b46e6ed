"""The wipe guard: looks at what a whole file would do before its first row is applied."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

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
from schemas.identifiers import ALL_WAREHOUSES
from schemas.states import Duplicates
from schemas.upload_rows import MOVE

MIN_LEVELS = 10
"""Fewer levels, or SKUs, are no wipe, whatever their share is."""
_NONE_HELD = 100
_SHOWN = 3
"""Warehouses that a reason names."""


class _Share(NamedTuple):
    """A part of what a warehouse has. `percent`: how many the warehouse itself allows; `levels`: how many are less."""

    warehouse_id: str
    percent: int | None
    part: int
    whole: int
    levels: int

    def passes(self, percent: int | None) -> bool:
        """Whether the part is more than the warehouse allows, or more than `percent` where it says nothing."""
        limit = percent if self.percent is None else self.percent
        return limit is not None and self.levels >= MIN_LEVELS and self.part * 100 > limit * self.whole

    def __str__(self) -> str:
        return f"{self.part:,} of {self.whole:,} ({self.part * 100 // self.whole} %)"


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
    reasons: list[str] = []
    if _may_lose_too_much(connection, stock, job.options.duplicates, layout, sums):
        rows = partial(_rows, read, layout, services)
        effects = wipe_guard.weigh(connection, stock, job.options.duplicates, rows)
        emptied = [_Share(e.warehouse_id, e.percent, e.emptied, e.levels, e.emptied) for e in effects]
        lost = [_Share(e.warehouse_id, e.percent, e.lost_units, e.units, e.lowered) for e in effects]
        reasons += _too_many(emptied, layout.max_zeroed_percent, "it would empty {} levels with stock") or _too_many(
            lost, layout.max_zeroed_percent, "it would take away {} units"
        )
    if layout.max_missing_percent is not None and any(each.piece_rows[layout.chunk_count] for each in read):
        missing = wipe_guard.missing(connection, stock, partial(_skus, read, layout, services))
        shares = [_Share(*share, levels=share.part) for share in missing]
        reasons += _too_many(shares, None, "it leaves out {} SKUs with stock")
    return "; ".join(reasons) or None


def _may_lose_too_much(
    connection: psycopg.Connection, stock: Stock, duplicates: Duplicates, layout: Layout, sums: Sums
) -> bool:
    """Whether the rows have to be compared with the levels: where their sums leave it open."""
    percent = layout.max_zeroed_percent
    if percent is None or sums.counted_rows + sums.removing_rows < MIN_LEVELS:
        return False
    if stock.warehouse_id == ALL_WAREHOUSES:  # the sums are not kept by warehouse, and each has a share of its own
        return True
    if percent == _NONE_HELD:
        return False
    held = wipe_guard.count_stock(connection, stock)
    return held.levels >= MIN_LEVELS and may_lose(sums, held, percent, duplicates)


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


def _too_many(shares: Sequence[_Share], percent: int | None, words: str) -> list[str]:
    """What is to be said where a share of a warehouse passes its own limit, or `percent`; and that of all together
    that have no limit of their own.

    So a file is held, too, that takes a little from each of many small warehouses.
    """
    passed = [
        words.format(share) + (f" of {share.warehouse_id}" if len(shares) > 1 else "")
        for share in shares
        if share.passes(percent)
    ]
    if len(passed) > _SHOWN:
        passed = [*passed[:_SHOWN], f"and so in {len(passed) - _SHOWN:,} more warehouses"]
    others = [share for share in shares if share.percent is None]
    together = _Share(
        "",
        None,
        part=sum(share.part for share in others),
        whole=sum(share.whole for share in others),
        levels=sum(share.levels for share in others),
    )
    return passed or ([words.format(together)] if together.passes(percent) else [])


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
                own.select("sku", "location", "lot", "warehouse", "action", "target")
                .collect()
                .write_csv(include_header=False)
                .encode()
            )


def _skus(read: Sequence[RangeRead], layout: Layout, services: SyncServices) -> Iterator[bytes]:
    """The SKUs that rows count, each with what its row has as warehouse."""
    for each in read:
        if size := each.pieces[layout.chunk_count]:
            yield _fetched(each, services, sum(each.pieces[: layout.chunk_count]), 0, size)


def _fetched(read: RangeRead, services: SyncServices, first: int, start: int, size: int) -> bytes:
    with own_bucket():
        return services.objects.read_range(services.work_bucket, read.object_key, first + start, size, etag=None)
