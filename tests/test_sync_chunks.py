"""Syncs chunk by chunk: how a file is split, repeats, aborts, and several workers at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.errors import Invalid
from pipeline.store import sync_parts
from pipeline.store import syncs as store_syncs
from pipeline.store.syncs import SyncKey
from pipeline.store.warehouse_locks import lock_warehouses
from pipeline.syncs.pieces import read_piece
from pipeline.syncs.requests import request_sync
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync
from tests.support.desk import Desk
from tests.support.orders import order, stock
from tests.support.polling import eventually
from tests.support.reading import change_log, levels
from tests.support.web import web_file

HEADER = "sku,quantity,action,reason,location\n"


# Chunks ---------------------------------------------------------------------------------------------------------------

MANY = "sku,quantity,location\n" + "".join(f"S{n},{n + 1},\nS{n},{n + 2},A-01\n" for n in range(60))


def rows_of(desk: Desk, sync_id: UUID, chunk: int) -> list[dict[str, Any]]:
    """The rows that a chunk holds, in its order."""
    with desk.database.transaction() as connection:
        pieces = sync_parts.pieces(connection, SyncKey("acme", sync_id), chunk)
    rows: list[dict[str, Any]] = []
    for piece in pieces:
        content = desk.objects.read_range(desk.work, piece.object_key, piece.start, piece.size, etag=None)
        rows += read_piece(content, piece.first_row).to_dicts()
    return rows


@pytest.mark.parametrize("more", ["", ",to_location"])
def test_a_file_is_split_so_that_all_rows_of_a_level_are_in_one_chunk_in_order(desk: Desk, more: str) -> None:
    """Where rows can move units to other locations, all rows of the SKU are."""
    desk.limit(chunk_rows=10)
    twice = MANY + MANY.split("\n", 1)[1]
    sync_id = desk.request(desk.put(twice.replace("location", f"location{more}", 1)))
    found: dict[tuple[str, ...], int] = {}
    count = 0
    for chunk in desk.chunks(sync_id):
        rows = rows_of(desk, sync_id, chunk)
        assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
        for row in rows:
            key = (row["sku"],) if more else (row["sku"], row["location"])
            assert found.setdefault(key, chunk) == chunk
        count += len(rows)
    assert (len(found), count) == (60 if more else 120, 240)
    assert len(set(found.values())) > 5


def test_the_job_counts_while_its_chunks_are_applied_in_any_order(desk: Desk) -> None:
    desk.limit(chunk_rows=40)
    sync_id = desk.request(desk.put(MANY))
    assert desk.counts(sync_id) == ("processing", 120, 0, 0, 0)
    *chunks, last = reversed(desk.chunks(sync_id))
    for done, chunk in enumerate(chunks, 1):
        desk.apply(sync_id, chunk)
        job = desk.job(sync_id)
        assert (job["status"], job["chunks_done"], job["finished_at"]) == ("processing", done, None)
    desk.apply(sync_id, last)
    assert desk.counts(sync_id) == ("success", 120, 120, 0, 0)
    assert len(levels(desk.database)) == 120
    assert desk.work_files() == []


def test_a_chunk_that_comes_twice_changes_nothing(desk: Desk) -> None:
    desk.limit(chunk_rows=40)
    sync_id = desk.request(desk.put(MANY))
    first, *rest = desk.chunks(sync_id)
    desk.apply(sync_id, first)
    before = (desk.counts(sync_id), change_log(desk.database), desk.items(sync_id))
    desk.apply(sync_id, first)
    assert (desk.counts(sync_id), change_log(desk.database), desk.items(sync_id)) == before
    for chunk in [*rest, *rest]:
        desk.apply(sync_id, chunk)
    assert desk.counts(sync_id) == ("success", 120, 120, 0, 0)


def test_a_chunk_that_was_never_planned_is_invalid(desk: Desk) -> None:
    sync_id = desk.request(desk.put("sku,quantity\nA,1\n"))
    for unknown in (uuid4(), sync_id):
        with pytest.raises(Invalid) as refusal:
            desk.apply(unknown, 99)
        assert refusal.value.code is ErrorCode.UNKNOWN_SYNC


def test_a_request_that_comes_again_changes_nothing(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,1\n")
    before = (desk.job(sync_id), change_log(desk.database))
    desk.request(desk.put("sku,quantity\nA,2\n"), sync_id=sync_id)
    assert (desk.job(sync_id), change_log(desk.database), desk.chunks(sync_id)) == (*before, [])


def test_two_workers_that_plan_the_same_request_do_not_hinder_each_other(desk: Desk) -> None:
    """After a rebalance two workers have the same request: the slower must not undo the faster one's plan."""
    desk.limit_web(allow_private=True)
    desk.limit(chunk_rows=40)
    sync_id = uuid4()
    slower, faster = MANY.replace("S1,2,", "S1,9,").encode(), MANY.encode()  # the file has changed in between
    with web_file(slower, faster, meanwhile=lambda: desk.request(url, sync_id=sync_id)) as url:
        desk.request(url, sync_id=sync_id)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("success", 120, 120, 0, 0)
    assert levels(desk.database)["w1", "S1", "unassigned"] == (2, 1)
    assert desk.work_files() == []


# Abort ----------------------------------------------------------------------------------------------------------------


def test_an_abort_before_the_planning_leaves_nothing_to_do(desk: Desk) -> None:
    url = desk.put("sku,quantity\nA,1\n")
    request = RequestSync(account_id="acme", sync_id=uuid4(), warehouse_id="w1", url=url)
    with desk.database.transaction() as connection:
        store_syncs.create_job(connection, request)
    desk.abort(request.sync_id)
    request_sync(request, desk.services)
    job = desk.job(request.sync_id)
    assert (job["status"], job["abort_reason"], job["total_count"]) == ("aborted", "wrong file", 0)
    assert job["finished_at"] is not None
    assert desk.chunks(request.sync_id) == []


def test_an_abort_during_the_planning_leaves_nothing_behind(desk: Desk) -> None:
    desk.limit_web(allow_private=True)
    sync_id = uuid4()
    with web_file(b"sku,quantity\nA,1\n", meanwhile=lambda: desk.abort(sync_id)) as url:
        desk.request(url, sync_id=sync_id)
    assert desk.counts(sync_id) == ("aborted", 0, 0, 0, 0)
    assert (desk.chunks(sync_id), desk.work_files(), levels(desk.database)) == ([], [], {})
    assert desk.job(sync_id)["finished_at"] is not None


def test_an_abort_between_chunks_keeps_what_was_applied_and_gives_every_other_row_the_status_aborted(
    desk: Desk,
) -> None:
    desk.limit(chunk_rows=40)
    sync_id = desk.request(desk.put(MANY + "NOPE,1,\n"))
    first, second, *rest = desk.chunks(sync_id)
    desk.apply(sync_id, first)
    desk.apply(sync_id, second)
    applied = levels(desk.database)
    desk.abort(sync_id)
    assert (desk.job(sync_id)["status"], desk.job(sync_id)["finished_at"]) == ("aborted", None)
    assert desk.chunks(sync_id) == rest
    desk.apply_all(sync_id)
    status, total, success, error, aborted = desk.counts(sync_id)
    assert (status, total, success + error + aborted) == ("aborted", 121, 121)
    assert success == len(applied)
    assert aborted > 0
    assert levels(desk.database) == applied
    assert desk.job(sync_id)["finished_at"] is not None
    assert sorted(s for s, _ in desk.items(sync_id).values()).count("aborted") == aborted
    assert desk.work_files() == []


def test_an_abort_of_a_sync_that_has_ended_is_ignored(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,1\n")
    before = desk.job(sync_id)
    desk.abort(sync_id)
    assert desk.job(sync_id) == before


def test_a_second_abort_changes_nothing(desk: Desk) -> None:
    sync_id = desk.request(desk.put("sku,quantity\nA,1\n"))
    desk.abort(sync_id)
    desk.abort(sync_id, reason="again")
    assert desk.job(sync_id)["abort_reason"] == "wrong file"
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("aborted", 1, 0, 0, 1)


def test_an_abort_of_an_unknown_sync_is_invalid(desk: Desk) -> None:
    with pytest.raises(Invalid) as refusal:
        desk.abort(uuid4())
    assert refusal.value.code is ErrorCode.UNKNOWN_SYNC


# Together -------------------------------------------------------------------------------------------------------------


def test_chunks_and_commands_on_the_same_skus_at_the_same_time(desk: Desk) -> None:
    """Every level is written by chunks of two syncs and by commands, in opposite orders: no deadlock, nothing lost."""
    desk.limit(chunk_rows=30)
    header, *rows = MANY.splitlines()
    syncs = [desk.request(desk.put("\n".join([header, *order]))) for order in (rows, rows[::-1])]
    work = [(sync_id, chunk) for sync_id in syncs for chunk in desk.chunks(sync_id)]
    barrier = threading.Barrier(3)

    def apply(part: list[tuple[UUID, int]]) -> None:
        barrier.wait()
        for sync_id, chunk in part:
            desk.apply(sync_id, chunk)

    def send() -> None:
        barrier.wait()
        for batch in range(20):
            apply_commands(
                [stock(f"k{batch}-{n}", "add", 1, sku=f"S{n}", location_id="b1" if n % 2 else None)
                 for n in reversed(range(60))],
                desk.database,
            )  # fmt: skip

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(apply, work[::2]), pool.submit(apply, work[1::2][::-1]), pool.submit(send)]
        for future in running:
            future.result(timeout=60)
    assert [desk.counts(sync_id)[0] for sync_id in syncs] == ["success", "success"]
    assert sum(entry[4] is not None for entry in change_log(desk.database)) == 20 * 60


def test_a_chunk_waits_for_who_deletes_a_location_and_finds_it_unknown(desk: Desk) -> None:
    sync_id = desk.request(desk.put("sku,quantity,location\nA,1,A-01\nA,2,\n"))
    with ThreadPoolExecutor(1) as pool:
        with desk.database.transaction() as connection:
            lock_warehouses(connection, exclusive=[("acme", "w1")])
            connection.execute("DELETE FROM locations WHERE location_id = 'b1'")
            running = pool.submit(desk.apply_all, sync_id)
            waiting = """SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'"""
            eventually(lambda: desk.ask(waiting) == [(1,)], "the chunk waits for the warehouse")
        running.result(timeout=30)
    assert desk.items(sync_id) == {1: ("error", {"UNKNOWN_LOCATION"}), 2: ("success", set())}
    assert levels(desk.database) == {("w1", "A", "unassigned"): (2, 1)}


def test_all_changes_of_a_chunk_have_the_time_of_its_batch(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,1\nB,2\n")
    [(time, count)] = desk.ask("SELECT recorded_at, count(*) FROM change_log WHERE sync_id = %s GROUP BY 1", sync_id)
    assert count == 2
    assert desk.ask("SELECT created_at FROM outbox WHERE change_count > 0") == [(time,)]


def test_a_sync_that_failed_before_its_rows_can_be_asked_for_again(desk: Desk) -> None:
    url = desk.put("sku,quantity\nA,5\n", key="acme/w9/stock.csv")
    sync_id = desk.request(url, warehouse_id="w9")
    assert desk.ask("SELECT status, error_code FROM sync_jobs") == [("error", "UNKNOWN_WAREHOUSE")]
    apply_commands([order("w9", "warehouse.upsert", warehouse_id="w9", name="Nine")], desk.database)
    desk.request(url, warehouse_id="w9", sync_id=sync_id)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("success", 1, 1, 0, 0)
    assert desk.ask("SELECT error_code, error FROM sync_jobs") == [(None, None)]


def test_a_repeat_of_a_request_that_names_another_file_reads_the_first_one(desk: Desk) -> None:
    sync_id = desk.request(desk.put("no header\n", key="acme/w1/1.csv"))
    desk.put("sku,quantity\nA,1\n", key="acme/w1/1.csv")
    desk.request(desk.put("sku,quantity\nA,2\n", key="acme/w1/2.csv"), sync_id=sync_id)
    desk.apply_all(sync_id)
    assert levels(desk.database)["w1", "A", "unassigned"] == (1, 1)


def test_rows_without_a_sku_are_spread_over_the_chunks(desk: Desk) -> None:
    desk.limit(chunk_rows=10)
    sync_id = desk.request(desk.put("sku,quantity\n" + ",1\n" * 500))
    assert max(n for (n,) in desk.ask("SELECT row_count FROM sync_chunks")) < 100
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("error", 500, 0, 500, 0)


def test_a_bug_in_planning_ends_the_job_and_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pipeline.syncs.plan.read_header", bug)
    with pytest.raises(RuntimeError):
        desk.request(desk.put("sku,quantity\nA,1\n"))
    assert desk.ask("SELECT status, error_code FROM sync_jobs") == [("error", "MESSAGE_NOT_PROCESSABLE")]


# Plans ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistics", ["none", "of one row"])
def test_a_first_large_file_is_fast_before_the_server_has_statistics(desk: Desk, statistics: str) -> None:
    """A look-up by the whole key takes microseconds; by the account alone, 15,000 rows would take most of a minute."""
    skus = [f"P{n:05d}" for n in range(15_000)]
    apply_commands([order(f"new-{sku}", "product.upsert", sku=sku) for sku in skus], desk.database)
    if statistics == "of one row":
        apply_commands([stock("x", "add", 1)], desk.database)
        desk.ask("ANALYZE levels")
    sync_id = desk.request(desk.put("sku,quantity\n" + "".join(f"{sku},5\n" for sku in skus)))
    [chunk] = desk.chunks(sync_id)
    began = time.monotonic()
    desk.apply(sync_id, chunk)
    assert time.monotonic() - began < 15
    assert desk.counts(sync_id)[:2] == ("success", 15_000)
