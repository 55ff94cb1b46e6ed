"""Syncs as the pipeline leaves them in the database, written there without it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.types.json import Jsonb

from pipeline.store.database import Database
from pipeline.uploads.header import read_header

HEADER = asdict(read_header(b"sku,quantity\n"))


def add_job(database: Database, **columns: Any) -> UUID:
    """A job of account acme in w1, with these columns; `header` is that of its layout."""
    header = columns.pop("header", HEADER)
    job = {"account_id": "acme", "sync_id": uuid4(), "warehouse_id": "w1", "url": "s3://uploads/acme/w1/stock.csv"}
    job |= {"layout": {"header": header, "chunk_count": 1} if header else None} | columns
    if "status" in job and job["status"] not in {"pending", "planning", "held", "processing"}:
        job = {"finished_at": "now"} | job
    _insert(database, "sync_jobs", [job])
    sync_id: UUID = job["sync_id"]
    return sync_id


def add_rows(database: Database, sync_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Rows 1, 2, 3… of a sync with these columns; `raw` are the bytes that are kept of one that was not applied."""
    items = []
    rejects = []
    for number, row in enumerate(rows, 1):
        key = {"account_id": "acme", "sync_id": sync_id, "month": _month(database, sync_id), "row": number}
        raw = row.get("raw")
        item = {"line": number + 1, "byte_offset": 13 + 10 * number, "status": "success", "sku": f"S-{number}"} | row
        items.append(key | {name: value for name, value in item.items() if name != "raw"})
        if raw is not None:
            rejects.append(key | {"raw": raw})
    _insert(database, "sync_items", items)
    _insert(database, "sync_rejects", rejects)


def add_diffs(database: Database, sync_id: UUID, changes: Sequence[tuple[str, int, int]]) -> None:
    """What rows 1, 2, 3… of a dry run would change: SKU, units before and after, in the bin A-1 without a lot."""
    place = {"owner_account_id": "acme", "warehouse_id": "w1", "location_id": "A-1", "lot_id": "", "leg": 1}
    key = {"account_id": "acme", "sync_id": sync_id, "month": _month(database, sync_id)}
    lines = [
        {"row": row, "sku": sku, "before": before, "after": after}
        for row, (sku, before, after) in enumerate(changes, 1)
    ]
    _insert(database, "sync_diffs", [key | place | line for line in lines])


def error(code: str, field: str = "sku", value: str | None = None) -> dict[str, Any]:
    """An error as a row keeps it."""
    return {"code": code, "field": field, "value": value, "suggestion": None, "found": None}


def _month(database: Database, sync_id: UUID) -> Any:
    with database.transaction() as connection:
        row = connection.execute("SELECT items_month FROM sync_jobs WHERE sync_id = %s", [sync_id]).fetchone()
    assert row is not None
    return row[0]


def _insert(database: Database, table: str, rows: Sequence[dict[str, Any]]) -> None:
    with database.transaction() as connection, connection.cursor() as cursor:
        for row in rows:
            values = [Jsonb(value) if isinstance(value, dict | list) else value for value in row.values()]
            query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            )
            cursor.execute(query, values)
