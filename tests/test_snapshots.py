"""Snapshots against real servers: what the document holds, and what becomes of the job whatever happens meanwhile."""

import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.errors import Invalid, TryLater
from pipeline.objects import ObjectStore
from pipeline.snapshots import document, jobs
from pipeline.snapshots.handler import abort_snapshot, request_snapshot
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from schemas.jobs import AbortSnapshot, RequestSnapshot, SnapshotStatus
from schemas.snapshot import Snapshot
from schemas.states import SnapshotState

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
LEVEL = """
INSERT INTO levels (account_id, warehouse_id, sku, location_id, version, available, reserved, incoming, updated_at)
VALUES (%s, %s, %s, %s, 1, %s, %s, 7, %s)
"""


@pytest.fixture
def stocked(database: Database) -> Database:
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
    return database


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
    assert snapshot.products["empty"].name is None
    assert snapshot.products["none"].warehouses == {}
    assert (snapshot.snapshot_id, snapshot.account_id, snapshot.warehouse_id) == (job.snapshot_id, "acme", None)
    assert abs(snapshot.taken_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_document_is_exactly_its_contract(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(), stocked, objects)

    raw = json.loads(objects.download(BUCKET, jobs.key_of(job)))

    assert raw == json.loads(Snapshot.model_validate(raw).model_dump_json())


def test_finished_job_says_what_was_written(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(), stocked, objects)

    assert job.status is SnapshotState.SUCCESS
    assert (job.product_count, job.level_count) == (6, 6)
    assert job.object_key == f"acme/all/{job.snapshot_id}.json"
    assert job.size_bytes == len(objects.download(BUCKET, job.object_key))
    assert job.expires_at is not None
    assert abs(job.expires_at - datetime.now(UTC) - timedelta(seconds=600)) < timedelta(minutes=1)
    assert job.finished_at is not None
    assert job.snapshot_url is not None
    with urllib.request.urlopen(job.snapshot_url, timeout=10) as answer:  # noqa: S310 - our own store
        assert len(answer.read()) == job.size_bytes


def test_each_state_is_published(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(), stocked, objects)

    messages = published(stocked)

    assert [message["data"]["status"] for message in messages] == ["pending", "processing", "success"]
    assert {(message["topic"], message["key"], message["type"]) for message in messages} == {
        ("snapshot-status", str(job.snapshot_id), "inventory.snapshot.status.v1")
    }
    assert SnapshotStatus.model_validate(messages[-1]["data"]) == job


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


def test_unknown_warehouse_ends_the_job(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(warehouse_id="nowhere"), stocked, objects)

    assert (job.status, job.error_code) == (SnapshotState.ERROR, ErrorCode.UNKNOWN_WAREHOUSE)
    assert "'nowhere'" in (job.error or "")
    assert list(objects.list(BUCKET, jobs.key_of(job))) == []
    assert states(stocked) == ["pending", "processing", "error"]


def test_missing_bucket_ends_the_job(stocked: Database, objects: ObjectStore) -> None:
    job = run(wanted(), stocked, objects, bucket="no-such-bucket")

    assert (job.status, job.error_code) == (SnapshotState.ERROR, ErrorCode.SNAPSHOT_FAILED)
    assert "bucket 'no-such-bucket' does not exist" in (job.error or "")


def test_finished_job_is_left_alone(stocked: Database, objects: ObjectStore) -> None:
    request = wanted()
    first = run(request, stocked, objects)

    again = run(request.model_copy(update={"warehouse_id": "west"}), stocked, objects)

    assert again == first
    assert states(stocked) == ["pending", "processing", "success"]


def test_absent_store_is_for_later(stocked: Database, objects: ObjectStore) -> None:
    request = wanted()
    absent = ObjectStore(
        endpoint_url="http://127.0.0.1:9",
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",  # noqa: S106
    )

    with pytest.raises(TryLater):
        run(request, stocked, absent)
    assert job_of(stocked, request.snapshot_id).status is SnapshotState.PROCESSING

    assert run(request, stocked, objects).status is SnapshotState.SUCCESS


def test_lost_worker_is_replaced(stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    request = wanted()

    def lose() -> None:
        raise TryLater("lost")

    with monkeypatch.context() as patched, pytest.raises(TryLater, match="lost"):
        before_piece(patched, 3, lose)
        run(request, stocked, objects)
    assert list(objects.list(BUCKET, f"acme/all/{request.snapshot_id}")) == []

    job = run(request, stocked, objects)

    assert job.status is SnapshotState.SUCCESS
    assert len(written(job, objects).products) == 6


def test_second_delivery_waits_for_the_first(
    stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, refused = wanted(), []

    def deliver_again() -> None:
        with pytest.raises(TryLater, match=str(request.snapshot_id)) as raised:
            run(request, stocked, objects)
        refused.append(raised)

    before_piece(monkeypatch, 2, deliver_again)

    assert run(request, stocked, objects).status is SnapshotState.SUCCESS
    assert len(refused) == 1


@pytest.mark.parametrize("piece", [1, 3, 7])
def test_abort_while_writing_leaves_nothing(
    stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    request = wanted()
    abort = AbortSnapshot(account_id="acme", snapshot_id=request.snapshot_id, reason="not needed")
    before_piece(monkeypatch, piece, lambda: abort_snapshot(abort, stocked))

    job = run(request, stocked, objects)

    assert (job.status, job.abort_reason) == (SnapshotState.ABORTED, "not needed")
    assert list(objects.list(BUCKET, jobs.key_of(job))) == []
    assert states(stocked) == ["pending", "processing", "aborted"]


def test_abort_after_the_last_piece_removes_the_document(
    stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = wanted()
    real = objects.presigned_get

    def abort_first(*arguments: Any) -> str:
        abort_snapshot(AbortSnapshot(account_id="acme", snapshot_id=request.snapshot_id, reason="late"), stocked)
        return real(*arguments)

    monkeypatch.setattr(objects, "presigned_get", abort_first)

    job = run(request, stocked, objects)

    assert job.status is SnapshotState.ABORTED
    assert list(objects.list(BUCKET, jobs.key_of(job))) == []


def test_what_a_lost_worker_left_of_an_aborted_job_is_removed(stocked: Database, objects: ObjectStore) -> None:
    request = wanted()
    jobs.create(stocked, request)
    objects.put_bytes(BUCKET, jobs.key_of(request), b"left over")
    abort_snapshot(AbortSnapshot(account_id="acme", snapshot_id=request.snapshot_id, reason="x"), stocked)

    job = run(request, stocked, objects)

    assert job.status is SnapshotState.ABORTED
    assert list(objects.list(BUCKET, jobs.key_of(job))) == []


def test_abort_of_a_finished_job_changes_nothing(stocked: Database, objects: ObjectStore) -> None:
    finished = run(wanted(), stocked, objects)

    abort_snapshot(AbortSnapshot(account_id="acme", snapshot_id=finished.snapshot_id, reason="late"), stocked)

    assert job_of(stocked, finished.snapshot_id) == finished
    assert written(finished, objects).products


def test_abort_of_an_unknown_job_is_invalid(database: Database) -> None:
    with pytest.raises(Invalid) as raised:
        abort_snapshot(AbortSnapshot(account_id="acme", snapshot_id=uuid4(), reason="x"), database)

    assert raised.value.code is ErrorCode.UNKNOWN_SNAPSHOT


def test_a_bug_ends_the_job_and_is_told(
    stocked: Database, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug() -> None:
        raise RuntimeError("a bug")

    before_piece(monkeypatch, 1, bug)
    request = wanted()
    with pytest.raises(RuntimeError):
        run(request, stocked, objects)
    job = jobs.find(stocked, request.account_id, request.snapshot_id)
    assert job is not None
    assert (job.status, job.error_code) == ("error", ErrorCode.MESSAGE_NOT_PROCESSABLE)
