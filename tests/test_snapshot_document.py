"""The snapshot document: what it holds, under which filters, and that it is one consistent read."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.objects import ObjectStore
from pipeline.snapshots import document, jobs
from pipeline.store.database import Database
from schemas.snapshot import Snapshot
from tests.support.snapshots import (
    BUCKET,
    ODD_SKU,
    RECENTLY,
    add_lots_and_vendors,
    before_piece,
    fill_stock,
    run,
    wanted,
    written,
)


@pytest.fixture
def stocked(database: Database) -> Database:
    """A database with the stock of `fill_stock`."""
    fill_stock(database)
    return database


def test_document_has_all_of_an_account(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(), stocked, objects)

    snapshot = written(job, objects)

    assert set(snapshot.products) == {"full", "empty", "old", "none", "west-only", ODD_SKU}
    full = snapshot.products["full"]
    assert (full.name, list(full.warehouses)) == ('Full "one"', ["east", "west"])
    east = full.warehouses["east"]
    assert (east.on_hand, east.available) == (15, 13)
    assert [(bin_.location_id, bin_.name) for bin_ in east.locations] == [("a", 'Bin "A"'), ("b", "B")]
    assert east.locations[1].model_dump(exclude={"location_id", "name"}) == {
        "lot_id": None,
        "expires_on": None,
        "version": 1,
        "on_hand": 5,
        "available": 3,
        "committed": 0,
        "reserved": 2,
        "damaged": 0,
        "safety_stock": 0,
        "quality_control": 0,
        "incoming": 7,
    }
    assert (full.lot_tracked, full.vendors) == (False, ())
    assert snapshot.products["empty"].name is None
    assert snapshot.products["none"].warehouses == {}
    assert (snapshot.snapshot_id, snapshot.account_id, snapshot.warehouse_id) == (job.snapshot_id, "acme", None)
    assert abs(snapshot.taken_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_location_has_an_entry_for_each_lot(stocked: Database, objects: ObjectStore) -> None:
    add_lots_and_vendors(stocked)

    milk = written(run(wanted(), stocked, objects), objects).products["milk"]

    assert milk.lot_tracked
    [east] = milk.warehouses.values()
    assert (east.on_hand, east.available) == (13, 13)
    assert [(e.location_id, e.lot_id, e.expires_on, e.available) for e in east.locations] == [
        ("a", "m-1", date(2027, 1, 31), 4),
        ("a", "m-2", None, 8),
        ("b", "m-1", date(2027, 1, 31), 1),
    ]


def test_a_product_names_its_vendors(stocked: Database, objects: ObjectStore) -> None:
    add_lots_and_vendors(stocked)

    products = written(run(wanted(), stocked, objects), objects).products

    assert [vendor.model_dump() for vendor in products["full"].vendors] == [
        {"vendor_id": "v1", "name": 'One "Ltd"', "vendor_sku": 'F"1'},
        {"vendor_id": "v2", "name": "Two", "vendor_sku": None},
    ]
    assert [vendor.vendor_id for vendor in products["none"].vendors] == ["v2"]
    assert products["old"].vendors == ()


def test_levels_of_a_deleted_location_are_left_out(stocked: Database, objects: ObjectStore) -> None:
    with stocked.transaction() as connection:
        connection.execute("UPDATE levels SET available = 0 WHERE account_id = 'acme' AND location_id = 'a'")
        connection.execute("DELETE FROM locations WHERE account_id = 'acme' AND location_id = 'a'")

    job = run(wanted(), stocked, objects)

    products = written(job, objects).products
    assert [entry.location_id for entry in products["full"].warehouses["east"].locations] == ["b"]
    assert list(products["full"].warehouses) == ["east"]
    assert products["old"].warehouses == {}
    assert (job.product_count, job.level_count) == (6, 1)


def test_a_product_that_lost_its_last_location_counts_as_changed(stocked: Database, objects: ObjectStore) -> None:
    with stocked.transaction() as connection:
        connection.execute("UPDATE levels SET available = 0, updated_at = now() WHERE warehouse_id = 'west'")
        connection.execute("DELETE FROM locations WHERE account_id = 'acme' AND warehouse_id = 'west'")

    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    products = written(run(wanted(updated_from=hour_ago), stocked, objects), objects).products

    assert set(products) == {"full", "old"}
    assert products["old"].warehouses == {}


def test_document_is_exactly_its_contract(stocked: Database, objects: ObjectStore) -> None:
    add_lots_and_vendors(stocked)
    job = run(wanted(), stocked, objects)

    raw = json.loads(objects.download(BUCKET, jobs.key_of(job)))

    assert raw == json.loads(Snapshot.model_validate(raw).model_dump_json())


@pytest.mark.parametrize(
    ("filters", "skus"),
    [
        ({"warehouse_id": "east"}, {"full", "empty", "old", "none", ODD_SKU}),
        ({"warehouse_id": "west"}, {"full", "empty", "old", "none", "west-only", ODD_SKU}),
        ({"has_inventory": True}, {"full", "old", ODD_SKU}),
        ({"has_inventory": True, "warehouse_id": "east"}, {"full", ODD_SKU}),
        ({"updated_from": RECENTLY}, {"full", "empty"}),
        ({"updated_from": RECENTLY, "warehouse_id": "west"}, set()),
        ({"updated_from": RECENTLY, "has_inventory": True}, {"full"}),
    ],
)
def test_filters_choose_products(
    stocked: Database, objects: ObjectStore, filters: dict[str, Any], skus: set[str]
) -> None:
    job = run(wanted(**filters), stocked, objects)

    assert set(written(job, objects).products) == skus
    assert job.product_count == len(skus)


def test_product_that_stays_keeps_all_its_levels(stocked: Database, objects: ObjectStore) -> None:
    snapshot = written(run(wanted(updated_from=RECENTLY), stocked, objects), objects)

    assert set(snapshot.products["full"].warehouses) == {"east", "west"}
    assert len(snapshot.products["full"].warehouses["east"].locations) == 2


def test_one_warehouse_shows_no_other(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(warehouse_id="west"), stocked, objects)

    snapshot = written(job, objects)

    assert job.object_key == f"acme/west/{job.snapshot_id}.json"
    assert snapshot.warehouse_id == "west"
    assert {name for product in snapshot.products.values() for name in product.warehouses} == {"west"}


def test_account_without_stock_has_an_empty_document(database: Database, objects: ObjectStore) -> None:
    job = run(wanted(), database, objects)

    assert written(job, objects).products == {}
    assert (job.product_count, job.level_count) == (0, 0)


def test_document_is_the_same_in_many_pieces(
    stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = written(run(wanted(), stocked, objects), objects)
    monkeypatch.setattr(document, "PIECE_BYTES", 1)

    pieces = written(run(wanted(), stocked, objects), objects)

    assert pieces.products == whole.products


def test_document_is_one_consistent_read(
    stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sell() -> None:
        with stocked.transaction() as connection:
            connection.execute("UPDATE levels SET available = 0")
            connection.execute("DELETE FROM products WHERE sku = 'old'")

    before_piece(monkeypatch, 1, sell)

    snapshot = written(run(wanted(), stocked, objects), objects)

    assert snapshot.products["full"].warehouses["east"].on_hand == 15
    assert "old" in snapshot.products
