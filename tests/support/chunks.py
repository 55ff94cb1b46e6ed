"""Chunks straight on the store: rows are validated, staged and applied as one chunk of a sync of account acme."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import polars as pl
import psycopg
from psycopg.rows import dict_row

from pipeline.store import chunks
from pipeline.store.chunks import ChunkWork, Effect
from pipeline.store.database import Database
from pipeline.store.syncs import SyncKey
from pipeline.uploads.rows import validate_rows
from schemas.states import Duplicates, ItemStatus
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN, PROBLEM_COLUMN
from tests.support.giving import give, new
from tests.support.orders import fill_catalogue

Row = Mapping[str, Any]
"""What is said of a row, by column."""

_READ = {
    "line": pl.Int64, "byte_offset": pl.Int64, "raw": pl.Binary, PROBLEM_COLUMN: pl.String,
    **dict.fromkeys((*COLUMNS, OVERFLOW_COLUMN), pl.String),
}  # fmt: skip


def read_rows(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as the reader gives them; what is not said of a row is empty, its SKU A and its quantity 1."""
    blank: dict[str, Any] = dict.fromkeys((*COLUMNS, OVERFLOW_COLUMN), "")
    filled = [
        blank | {"sku": "A", "quantity": "1", "line": n + 1, "byte_offset": 10 * n, "raw": b"raw %d" % n, **row}
        for n, row in enumerate(rows, 1)
    ]
    return pl.DataFrame(filled, schema=_READ)


def numbered(rows: Sequence[Row], first: int = 1) -> pl.DataFrame:
    """Validated rows with their numbers in the file."""
    return validate_rows(read_rows(rows)).with_row_index("row", offset=first).with_columns(pl.col("row").cast(pl.Int32))


@dataclass(frozen=True)
class Applied:
    """What became of a chunk."""

    sync_id: UUID
    counts: dict[ItemStatus, int]
    error_counts: dict[str, int]
    items: list[dict[str, Any]]

    @property
    def fates(self) -> list[str]:
        """Of each row its status, or its codes if it is in error."""
        return [
            " ".join(sorted(set(codes(item)))) if item["status"] == "error" else item["status"] for item in self.items
        ]


def codes(item: Mapping[str, Any]) -> list[str]:
    """The codes of a row's errors, in alphabetical order."""
    return sorted(error["code"] for error in item["errors"] or ())


def work(key: SyncKey, month: date, **changes: Any) -> ChunkWork:
    """What a chunk of acme's for warehouse w1 is about."""
    said: dict[str, Any] = {
        "warehouse_id": "w1", "customer_account_id": None, "actor": None, "duplicates": Duplicates.ERROR, "as_of": None,
        "skip_changed": False,
    }  # fmt: skip
    return ChunkWork(key, month=month, **(said | changes))


@contextmanager
def open_chunk(database: Database, *rows: Row) -> Iterator[tuple[psycopg.Connection, SyncKey, date]]:
    """A transaction with a chunk in it that is staged, of a job that has no other."""
    key = SyncKey("acme", uuid4())
    with database.transaction() as connection:
        found = connection.execute("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date").fetchone()
        assert found is not None
        chunks.stage_rows(connection, numbered(rows))
        yield connection, key, found[0]


def apply_rows(database: Database, *rows: Row, effect: Effect = Effect.APPLY, **changes: Any) -> Applied:
    """Apply rows as the one chunk of a job, which ends with it."""
    with open_chunk(database, *rows) as (connection, key, month):
        about = work(key, month, **changes)
        counts = chunks.apply_staged(connection, about, effect)
        rejected = chunks.staged_rows_to_reject(connection)
        chunks.keep_rejects(connection, about, numbered(rows).filter(pl.col("row").is_in(rejected.implode())))
        error_counts = chunks.count_errors(connection)
        insert_job(connection, about, counts, dry_run=effect is Effect.CHECK)
    return Applied(key.sync_id, counts, error_counts, items(database, key.sync_id))


def insert_job(
    connection: psycopg.Connection, about: ChunkWork, counts: dict[ItemStatus, int], *, dry_run: bool
) -> None:
    """The row of a job that has ended with these counts."""
    connection.execute(
        """INSERT INTO sync_jobs (account_id, sync_id, warehouse_id, customer_account_id, url, status, items_month,
               dry_run, total_count, success_count, error_count, skipped_count, aborted_count, finished_at)
           VALUES (%s, %s, %s, %s, 's3://uploads/x.csv', 'success', %s, %s, %s, %s, %s, %s, %s, now())""",
        [about.key.account_id, about.key.sync_id, about.warehouse_id, about.customer_account_id, about.month, dry_run,
         sum(counts.values()), *(counts.get(status, 0) for status in ItemStatus)],
    )  # fmt: skip


def items(database: Database, sync_id: UUID) -> list[dict[str, Any]]:
    """The rows of sync_items, in the order of the file."""
    with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM sync_items WHERE sync_id = %s ORDER BY row", [sync_id]).fetchall()


def levels(database: Database) -> dict[tuple[str, ...], int]:
    """What is on hand where there is something: by account, SKU, location and lot (where there is one)."""
    with database.transaction() as connection:
        found = connection.execute(
            "SELECT on_hand, account_id, sku, location_id, lot_id FROM levels WHERE on_hand <> 0"
        ).fetchall()
    return {tuple(part for part in key if part): on_hand for on_hand, *key in found}


def fill_house(database: Database) -> None:
    """Acme's catalogue with a product L that has lots, and a customer `shop` that has the like and lets acme write."""
    fill_catalogue(database)
    shop = {"account_id": "shop"}
    give(
        database,
        new("warehouse.upsert", warehouse_id="w1", name="Shop", **shop),
        new("location.create", warehouse_id="w1", location_id="b1", name="A-01", **shop),
        *(new("product.upsert", sku=sku, **shop) for sku in "AB"),
        *(new("product.upsert", sku="L", lot_tracked=True, **owner) for owner in ({}, shop)),
        *(new("lot.upsert", sku="L", lot_id=lot, **owner) for owner in ({}, shop) for lot in ("l1", "l2")),
        new("account.link", provider_account_id="acme", scope="write", **shop),
    )


def fill_level(database: Database, available: int, reserved: int = 0, **place: str) -> None:
    """Stock SKU A, or what else `place` says."""
    where = {"warehouse_id": "w1", "sku": "A", **place}
    said = [new("inventory.add", quantity=available, **where)] if available else []
    if reserved:
        said.append(new("inventory.adjust", state="reserved", delta=reserved, **where))
    assert set(give(database, *said)) <= {"applied"}


def row(sku: str = "A", quantity: int | str = 1, action: str = "replace", **more: Any) -> Row:
    """One row of an upload."""
    return {"sku": sku, "quantity": str(quantity), "action": action, **more}
