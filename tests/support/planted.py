"""Syncs that are written straight into the tables, as they stand when the pipeline is done with them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

import psycopg

from pipeline.store.database import Database

_JOB = """
    INSERT INTO sync_jobs (account_id, sync_id, warehouse_id, customer_account_id, url, dry_run, status, items_month,
                           range_count, ranges_done, chunk_count, chunks_done, total_count, success_count, error_count,
                           skipped_count, aborted_count, finished_at)
    SELECT %(account)s, %(id)s, 'w1', %(customer)s, %(url)s, %(dry_run)s, %(status)s, %(month)s, 1, 1, 2,
           %(chunks_done)s, %(total)s, %(success)s, %(error)s, %(skipped)s, %(aborted)s,
           CASE WHEN %(ended)s THEN now() END"""
_CHANGE = """
    WITH level AS (
        INSERT INTO levels AS l (account_id, warehouse_id, sku, location_id, available, version)
        VALUES (%(owner)s, 'w1', %(sku)s, %(location)s, %(delta)s, 1)
        ON CONFLICT (account_id, warehouse_id, sku, location_id, lot_id)
            DO UPDATE SET available = l.available + excluded.available, version = l.version + 1
        RETURNING level_id, version, available
    )
    INSERT INTO change_log (account_id, level_id, version, state, delta, after, batch_id, recorded_at,
                            provider_account_id, sync_id, sync_row)
    SELECT %(owner)s, level_id, version, 'available', %(delta)s, available, nextval('batch_ids'), now(), %(provider)s,
           %(id)s, %(row)s
    FROM level
    RETURNING level_id, version"""
_ITEM = """
    INSERT INTO sync_items (account_id, sync_id, month, row, line, byte_offset, status, sku, level_id, version,
                            to_level_id, to_version, merged_into)
    VALUES (%(account)s, %(id)s, %(month)s, %(row)s, %(row)s + 1, %(row)s * 10, %(status)s, %(sku)s, %(level)s,
            %(version)s, %(to_level)s, %(to_version)s, %(merged)s)"""


@dataclass(frozen=True)
class Row:
    """A row of a file. `delta` is what it changed of what is available, None: nothing; `to`: it moved units there."""

    status: str
    sku: str = "A"
    delta: int | None = None
    to: str | None = None
    merged_into: int | None = None


def plant_sync(
    database: Database,
    url: str,
    rows: Sequence[Row],
    *,
    status: str = "success",
    account_id: str = "acme",
    owner: str | None = None,
    dry_run: bool = False,
    total: int | None = None,
    month: date | None = None,
) -> None:
    """A sync of warehouse w1, known by its URL, in the present month or another. More in `total` than rows: it goes on.

    Of a dry run the rows say what they would have changed, and nothing is changed.
    """
    counts = Counter(row.status for row in rows)
    ended = status in {"success", "partial", "error", "aborted"}
    with database.transaction() as connection:
        [month] = connection.execute(
            "SELECT coalesce(%s, date_trunc('month', now() AT TIME ZONE 'UTC')::date)", [month]
        ).fetchone() or [month]
        connection.execute("SELECT create_sync_partitions(%s)", [month])
        about = {
            "account": account_id, "id": uuid4(), "customer": owner, "url": url, "dry_run": dry_run, "status": status,
            "month": month, "total": len(rows) if total is None else total, "ended": ended,
            "chunks_done": 2 if ended else 1,
            **{name: counts[name] for name in ("success", "error", "skipped", "aborted")},
        }  # fmt: skip
        connection.execute(_JOB, about)
        for number, row in enumerate(rows, 1):
            _plant_row(connection, row, {**about, "row": number}, owner or account_id)


def _plant_row(connection: psycopg.Connection, row: Row, about: dict[str, object], owner: str) -> None:
    legs: list[tuple[int | None, int | None]] = [(None, None), (None, None)]
    if row.delta is not None and about["dry_run"]:
        legs[0] = (4711, 9)
    elif row.delta is not None:
        places = [("unassigned", row.delta), *([(row.to, -row.delta)] if row.to else [])]
        for leg, (location, delta) in enumerate(places):
            sender = about["account"]
            change = {**about, "owner": owner, "provider": None if owner == sender else sender, "sku": row.sku,
                      "location": location, "delta": delta}  # fmt: skip
            legs[leg] = connection.execute(_CHANGE, change).fetchone() or legs[leg]
    names = {"level": legs[0][0], "version": legs[0][1], "to_level": legs[1][0], "to_version": legs[1][1]}
    item = {**about, **names, "status": row.status, "sku": row.sku, "merged": row.merged_into}
    connection.execute(_ITEM, item)
