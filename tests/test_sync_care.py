"""What keeps a sync in order: its states, the care for parts that failed or were lost, the file of its rejects."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.syncs.care import resume_stuck, send_due_parts, sweep_work
from pipeline.syncs.requests import request_sync
from schemas.jobs import RequestSync
from schemas.states import SYNC_TRANSITIONS, SyncState
from tests.support.desk import Desk
from tests.support.orders import order
from tests.support.reading import levels
from tests.support.sync_requests import MANY

# States ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", SyncState)
def test_the_database_takes_no_step_that_the_state_machine_does_not_have(desk: Desk, before: SyncState) -> None:
    for after in set(SyncState) - {before}:
        sync_id = uuid4()
        try:
            with desk.database.transaction() as connection:
                connection.execute(
                    """INSERT INTO sync_jobs (account_id, sync_id, warehouse_id, url, status, duplicate_of, finished_at)
                       VALUES ('acme', %s, 'w1', 's3://x/y', %s, %s, now())""",
                    [sync_id, before, uuid4() if before is SyncState.DUPLICATE else None],
                )
                connection.execute(
                    "UPDATE sync_jobs SET status = %s, duplicate_of = %s WHERE sync_id = %s",
                    [after, uuid4() if after is SyncState.DUPLICATE else None, sync_id],
                )
        except psycopg.errors.CheckViolation as refusal:
            assert refusal.diag.constraint_name == "sync_jobs_transition"
            assert after not in SYNC_TRANSITIONS[before]
        else:
            assert after in SYNC_TRANSITIONS[before]


def test_a_job_cannot_end_with_rows_that_have_no_status(desk: Desk) -> None:
    sync_id = desk.request(desk.put(MANY))
    with pytest.raises(psycopg.errors.CheckViolation):
        desk.ask("UPDATE sync_jobs SET status = 'success', finished_at = now() WHERE sync_id = %s", sync_id)


# Care -----------------------------------------------------------------------------------------------------------------


def sent(desk: Desk) -> list[dict[str, Any]]:
    """The messages to workers that wait in the outbox, and are taken out of it."""
    rows = desk.ask(
        """SELECT m FROM outbox, jsonb_array_elements(messages) AS m
           WHERE m ->> 'topic' IN ('sync-chunks', 'syncs') ORDER BY batch_id"""
    )
    desk.ask("DELETE FROM outbox WHERE change_count = 0")
    return [message for (message,) in rows]


def test_a_chunk_that_fails_is_sent_again_after_a_pause_and_given_up_at_last(desk: Desk) -> None:
    desk.limit(chunk_rows=10, part_attempts=3)
    sync_id = desk.request(desk.put(MANY))
    doomed, *others = desk.chunks(sync_id)
    [(row_count,)] = desk.ask("SELECT row_count FROM sync_chunks WHERE chunk = %s", doomed)
    objects = desk.objects.list(desk.work)
    kept = {found.key: desk.objects.download(desk.work, found.key) for found in objects}
    for chunk in others:
        desk.apply(sync_id, chunk)
    desk.objects.delete_prefix(desk.work, "")
    sent(desk)
    desk.apply(sync_id, doomed)
    assert send_due_parts(desk.database) == 0
    desk.ask("UPDATE sync_chunks SET retry_at = now() WHERE retry_at IS NOT NULL")
    assert send_due_parts(desk.database) == 1
    assert [message["data"]["chunk"] for message in sent(desk)] == [doomed]
    desk.apply(sync_id, doomed)
    assert desk.job(sync_id)["finished_at"] is None
    desk.apply(sync_id, doomed)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("partial", 60, 60 - row_count, row_count, 0)
    job = desk.job(sync_id)
    assert job["error_code"] == "PART_FAILED"
    assert "FILE_NOT_FOUND" in job["error"] or "does not exist" in job["error"]
    lost = [row for row, (_, codes) in desk.items(sync_id).items() if codes == {"PART_FAILED"}]
    assert len(lost) == row_count
    assert kept


def test_the_rows_of_a_chunk_that_is_given_up_are_in_the_file_of_rejects(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.limit(part_attempts=1)
    sync_id = desk.request(desk.put(MANY + "A,x\n"))

    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pipeline.store.chunks.apply_staged", bug)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("error", 61, 0, 61, 0)
    assert desk.job(sync_id)["error_counts"] == {"PART_FAILED": 61, "QUANTITY_NOT_AN_INTEGER": 1}
    assert desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.csv").count(b"PART_FAILED") == 61


def test_a_chunk_that_fails_once_and_then_goes_well_is_applied(desk: Desk) -> None:
    sync_id = desk.request(desk.put(MANY))
    [found] = list(desk.objects.list(desk.work))
    content = desk.objects.download(desk.work, found.key)
    desk.objects.delete(desk.work, found.key)
    desk.apply_all(sync_id)
    assert desk.ask("SELECT attempts, status FROM sync_chunks") == [(1, "pending")]
    desk.objects.put_bytes(desk.work, found.key, content)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("success", 60, 60, 0, 0)


def killed(*_: object, **__: object) -> None:
    """What happens to a worker that the kernel ends for want of memory: no rule is followed after it."""
    raise SystemExit


def end_in(error: type[BaseException], times: int, work: Callable[[], object]) -> None:
    """Do something so often, each time with that end."""
    for _ in range(times):
        with pytest.raises(error):
            work()


def test_a_chunk_that_takes_ten_workers_with_it_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.limit(part_attempts=1)
    sync_id = desk.request(desk.put(MANY))
    with monkeypatch.context() as killing:
        killing.setattr("pipeline.syncs.apply.ChunkRows", killed)
        end_in(SystemExit, 10, lambda: desk.apply(sync_id, 0))
        assert desk.job(sync_id)["finished_at"] is None
        desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("error", 60, 0, 60, 0)
    assert desk.ask("SELECT error FROM sync_chunks") == [("10 times the worker was lost that had begun with it",)]


def test_a_range_that_takes_ten_workers_with_it_ends_its_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.limit(part_attempts=1)
    with monkeypatch.context() as killing:
        killing.setattr("pipeline.syncs.split.read_records", killed)
        end_in(SystemExit, 1, lambda: desk.request(desk.put(MANY)))
        [(sync_id,)] = desk.ask("SELECT sync_id FROM sync_jobs")
        end_in(SystemExit, 9, lambda: desk.read_ranges(sync_id))
        desk.read_ranges(sync_id)
    assert desk.job(sync_id)["error_code"] == "PART_FAILED"
    assert "10 times the worker was lost" in desk.job(sync_id)["error"]


def test_a_chunk_is_not_given_up_for_a_server_that_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise TryLater("the store is away")

    desk.limit(part_attempts=1)
    sync_id = desk.request(desk.put(MANY))
    with monkeypatch.context() as outage:
        outage.setattr("pipeline.syncs.apply.ChunkRows", away)
        end_in(TryLater, 12, lambda: desk.apply(sync_id, 0))
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("success", 60, 60, 0, 0)


@pytest.mark.parametrize("planned", [False, True])
def test_a_sync_whose_messages_were_lost_is_sent_again(desk: Desk, planned: bool) -> None:
    desk.limit(chunk_rows=10)
    request = RequestSync.model_validate(
        {"account_id": "acme", "sync_id": uuid4(), "warehouse_id": "w1", "url": desk.put(MANY)}
    )
    request_sync(request, desk.services)
    if planned:
        desk.read_ranges(request.sync_id)
    sent(desk)
    assert resume_stuck(desk.database, seconds=300) == []
    desk.ask("UPDATE sync_jobs SET updated_at = now() - interval '6 minutes'")
    assert [key.sync_id for key in resume_stuck(desk.database, seconds=300)] == [request.sync_id]
    assert resume_stuck(desk.database, seconds=300) == []
    messages = sent(desk)
    if planned:
        assert [m["data"]["chunk"] for m in messages] == desk.chunks(request.sync_id)
    else:
        assert [m["type"] for m in messages] == ["inventory.sync.range.v1", "sync.resume"]


def test_a_sync_that_only_waits_for_its_end_is_sent_to_its_end(desk: Desk) -> None:
    sync_id = desk.request(desk.put("sku,quantity\nA,1\nNOPE,1\n"))
    for chunk in desk.chunks(sync_id):
        desk.apply(sync_id, chunk)
    assert desk.job(sync_id)["finished_at"] is None
    sent(desk)
    desk.ask("UPDATE sync_jobs SET updated_at = now() - interval '6 minutes'")
    resume_stuck(desk.database, seconds=300)
    assert [m["type"] for m in sent(desk)] == ["inventory.sync.finish.v1"]


# Rejects --------------------------------------------------------------------------------------------------------------


def test_the_rejects_are_in_the_bucket_when_the_sync_has_ended(desk: Desk) -> None:
    sync_id = desk.sync('sku;quantity;colour\nA;1;red\nNOPE;x;"blue;green"\n')
    assert desk.job(sync_id)["rejects_key"] == f"rejects/acme/{sync_id}.csv"
    text = desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.csv").decode("utf-8-sig")
    header, row = text.splitlines()
    assert header == "sku;quantity;colour;error_codes;error_messages"
    assert row.startswith('NOPE;x;"blue;green";')
    assert "UNKNOWN_SKU" in row


def test_a_mended_file_of_rejects_can_be_uploaded_and_applied(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,1\nB,'5\n=C,2\n")
    apply_commands([order("p", "product.upsert", sku="=C")], desk.database)
    rejects = desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.csv").decode("utf-8-sig")
    mended = rejects.replace("B,'5", "B,5")
    again = desk.sync("\ufeff" + mended)
    assert desk.counts(again) == ("success", 2, 2, 0, 0)
    assert desk.job(again)["warnings"] == []
    assert levels(desk.database)["w1", "=C", "unassigned"] == (2, 1)


def test_a_sync_without_errors_has_no_file_of_rejects(desk: Desk) -> None:
    sync_id = desk.sync(MANY)
    assert desk.job(sync_id)["rejects_key"] is None


def test_the_rows_of_a_sync_that_was_aborted_are_in_its_file_of_rejects(desk: Desk) -> None:
    sync_id = desk.request(desk.put(MANY))
    desk.abort(sync_id)
    desk.apply_all(sync_id)
    assert desk.job(sync_id)["rejects_key"] == f"rejects/acme/{sync_id}.csv"
    assert desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.csv").count(b"\n") == 61


def test_a_chunk_whose_rows_cannot_even_be_told_of_ends_its_job(desk: Desk) -> None:
    desk.limit(part_attempts=1)
    sync_id = desk.request(desk.put(MANY))
    [found] = list(desk.objects.list(desk.work))
    desk.objects.put_bytes(desk.work, found.key, b"garbled" * found.size)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("error", 60, 0, 60, 0)
    assert {frozenset(codes) for _, codes in desk.items(sync_id).values()} == {frozenset({"PART_FAILED"})}


def test_what_a_lost_worker_has_left_in_the_work_bucket_is_removed_when_it_is_old(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, running = desk.sync("sku,quantity\nA,1\n"), desk.request(desk.put(MANY))
    desk.objects.put_bytes(desk.work, f"syncs/acme/{ended}/1/left.csv", b"x")
    desk.objects.put_bytes(desk.work, "syncs/what/ever", b"x")
    assert sweep_work(desk.database, desk.objects, desk.work) == []
    monkeypatch.setattr("pipeline.syncs.care.LEFT_OVER_AFTER", timedelta(seconds=-5))
    assert [key.sync_id for key in sweep_work(desk.database, desk.objects, desk.work)] == [ended]
    assert {key.split("/")[2] for key in desk.work_files()} == {str(running), "ever"}
