"""Snapshots against real servers: what becomes of the job, whatever happens meanwhile."""

import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pipeline.errors import Invalid, TryLater
from pipeline.objects import ObjectStore
from pipeline.snapshots import jobs
from pipeline.snapshots.handler import abort_snapshot
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from schemas.jobs import AbortSnapshot, SnapshotStatus
from schemas.states import SnapshotState
from tests.support.snapshots import BUCKET, before_piece, fill_stock, job_of, published, run, states, wanted, written


@pytest.fixture
def stocked(database: Database) -> Database:
    """A database with the stock of `fill_stock`."""
    fill_stock(database)
    return database


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
