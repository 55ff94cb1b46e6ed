"""Snapshots without a broker: the stock of account acme, and requests that are handed straight to the pipeline."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.objects import ObjectStore
from pipeline.snapshots import document, jobs
from pipeline.snapshots.handler import request_snapshot
from pipeline.store.database import Database
from schemas.jobs import RequestSnapshot, SnapshotStatus
from schemas.snapshot import Snapshot

BUCKET = "snapshots"
ODD_SKU = 'Ä"\\/\u2028 😀'
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
RECENTLY = datetime(2024, 1, 1, tzinfo=UTC)

CATALOGUE = """
INSERT INTO warehouses (account_id, warehouse_id, name, slotting)
VALUES ('acme', 'east', 'East', 'dynamic'), ('acme', 'west', 'West', 'dynamic'), ('other', 'east', 'East', 'dynamic');
INSERT INTO locations (account_id, warehouse_id, location_id, name)
VALUES ('acme', 'east', 'a', 'Bin "A"'), ('acme', 'east', 'b', 'B'), ('acme', 'west', 'a', 'A'),
    ('other', 'east', 'a', 'A');
INSERT INTO products (account_id, sku, name, warehouse_ids)
VALUES ('acme', 'full', 'Full "one"', NULL), ('acme', 'empty', NULL, NULL), ('acme', 'old', 'Old', NULL),
    ('acme', 'none', 'None', NULL), ('acme', 'west-only', 'West only', '{west}'), ('other', 'full', 'Not ours', NULL);
"""
LOTS_AND_VENDORS = """
INSERT INTO products (account_id, sku, lot_tracked) VALUES ('acme', 'milk', true);
INSERT INTO lots (account_id, sku, lot_id, expires_on)
VALUES ('acme', 'milk', 'm-1', '2027-01-31'), ('acme', 'milk', 'm-2', NULL);
INSERT INTO levels (account_id, warehouse_id, sku, location_id, lot_id, version, available)
VALUES ('acme', 'east', 'milk', 'b', 'm-1', 1, 1), ('acme', 'east', 'milk', 'a', 'm-1', 1, 4),
    ('acme', 'east', 'milk', 'a', 'm-2', 1, 8);
INSERT INTO vendors (account_id, vendor_id, name)
VALUES ('acme', 'v1', 'One "Ltd"'), ('acme', 'v2', 'Two'), ('other', 'v2', 'Theirs');
INSERT INTO product_vendors (account_id, sku, vendor_id, vendor_sku)
VALUES ('acme', 'full', 'v2', NULL), ('acme', 'full', 'v1', 'F"1'), ('acme', 'none', 'v2', NULL),
    ('other', 'full', 'v2', 'X');
"""
LEVEL = """
INSERT INTO levels (account_id, warehouse_id, sku, location_id, version, available, reserved, incoming, updated_at)
VALUES (%s, %s, %s, %s, 1, %s, %s, 7, %s)
"""


def fill_stock(database: Database) -> None:
    """Six products of acme with six levels in two warehouses, and one of another account."""
    with database.transaction() as connection:
        connection.execute(CATALOGUE)
        connection.execute("INSERT INTO products (account_id, sku) VALUES ('acme', %s)", [ODD_SKU])
        for level in (
            ("acme", "east", "full", "b", 3, 2, RECENTLY),
            ("acme", "east", "full", "a", 10, 0, LONG_AGO),
            ("acme", "west", "full", "a", 1, 0, LONG_AGO),
            ("acme", "east", "empty", "a", 0, 0, RECENTLY),
            ("acme", "west", "old", "a", 5, 0, LONG_AGO),
            ("acme", "east", ODD_SKU, "a", 1, 0, LONG_AGO),
            ("other", "east", "full", "a", 99, 0, RECENTLY),
        ):
            connection.execute(LEVEL, level)


def add_lots_and_vendors(database: Database) -> None:
    """The product milk, in two lots, and vendors of the others."""
    with database.transaction() as connection:
        connection.execute(LOTS_AND_VENDORS)


def wanted(**filters: Any) -> RequestSnapshot:
    return RequestSnapshot(account_id="acme", snapshot_id=uuid4(), **filters)


def run(request: RequestSnapshot, database: Database, objects: ObjectStore, bucket: str = BUCKET) -> SnapshotStatus:
    request_snapshot(request, database, objects, bucket=bucket, link_seconds=600)
    return job_of(database, request.snapshot_id)


def job_of(database: Database, snapshot_id: UUID) -> SnapshotStatus:
    job = jobs.find(database, "acme", snapshot_id)
    assert job is not None
    return job


def written(job: SnapshotStatus, objects: ObjectStore) -> Snapshot:
    return Snapshot.model_validate_json(objects.download(BUCKET, jobs.key_of(job)))


def published(database: Database) -> list[dict[str, Any]]:
    with database.transaction() as connection:
        rows = connection.execute("SELECT messages FROM outbox ORDER BY batch_id").fetchall()
    return [message for (messages,) in rows for message in messages]


def states(database: Database) -> list[str]:
    return [message["data"]["status"] for message in published(database)]


def before_piece(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[], object]) -> None:
    """Cut the document into a piece for each product, and do something before the given one is uploaded."""
    real, seen = jobs.is_aborted, [0]

    def check(*arguments: Any) -> bool:
        seen[0] += 1
        if seen[0] == number:
            action()
        return real(*arguments)

    monkeypatch.setattr(document, "PIECE_BYTES", 1)
    monkeypatch.setattr(jobs, "is_aborted", check)
