"""A chunk is applied in steps, each of which is a transaction: what can happen between two of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.store import sync_parts
from pipeline.syncs.apply import apply_chunk
from schemas.jobs import SyncChunk
from tests.support.desk import Desk
from tests.support.orders import stock

FILE = "sku,quantity,location\n" + "".join(f"S{n},{n + 1},\nS{n},{n + 2},A-01\n" for n in range(6))
"""Two rows of each SKU; in steps of four rows they are three."""

BeforeStep = Callable[[int, Callable[[], None]], None]


@pytest.fixture(autouse=True)
def _no_commands_come_in(desk: Desk) -> None:
    """Those that made the catalogue are some time ago."""
    desk.ask("UPDATE commands SET recorded_at = recorded_at - interval '1 minute'")


@pytest.fixture
def before_step(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> BeforeStep:
    """Has something happen once, before the nth step (from 1) holds the chunk. Steps have four rows."""
    desk.limit(step_rows=4)
    lock_chunk = sync_parts.lock_chunk
    calls = 0

    def happen(step: int, action: Callable[[], None]) -> None:
        def lock(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step + 1:  # the chunk is looked at once before its first step
                action()
            return lock_chunk(*arguments)

        monkeypatch.setattr(sync_parts, "lock_chunk", lock)

    return happen


def chunk_of(desk: Desk, sync_id: UUID) -> tuple[Any, ...]:
    """Rows that are done, and status, of the only chunk."""
    [chunk] = desk.ask("SELECT rows_done, status FROM sync_chunks WHERE sync_id = %s", sync_id)
    return chunk


def batches_by_sku(desk: Desk) -> dict[str, set[int]]:
    """In which batches of the ledger each SKU has changed."""
    found: dict[str, set[int]] = {}
    for sku, batch in desk.ask("SELECT sku, batch_id FROM change_log JOIN levels USING (account_id, level_id)"):
        found.setdefault(sku, set()).add(batch)
    return found


def raises(error: BaseException) -> Callable[[], None]:
    """An action that fails."""

    def fail() -> None:
        raise error

    return fail


def test_each_step_is_a_batch_of_its_own_and_a_sku_is_in_one_of_them(desk: Desk) -> None:
    desk.limit(step_rows=4)
    desk.sync(FILE)
    batches = batches_by_sku(desk)
    assert {len(found) for found in batches.values()} == {1}
    assert len(set.union(*batches.values())) == 3


def test_steps_are_shorter_while_commands_come_in(desk: Desk) -> None:
    desk.limit(step_rows=16)
    sync_id = desk.request(desk.put(FILE))
    apply_commands([stock("busy", "add", 1, sku="A")], desk.database)
    desk.apply_all(sync_id)
    del (found := batches_by_sku(desk))["A"]
    assert len(set.union(*found.values())) == 6


@pytest.mark.parametrize("commands_come_in", [True, False])
def test_the_chunks_of_a_worker_take_turns_while_commands_come_in(
    desk: Desk, before_step: BeforeStep, commands_come_in: bool
) -> None:
    desk.limit(chunk_rows=4)
    sync_id = desk.request(desk.put(FILE))
    if commands_come_in:
        apply_commands([stock("busy", "add", 1, sku="A")], desk.database)
    services = desk.services
    one, another, *_ = (SyncChunk(account_id="acme", sync_id=sync_id, chunk=n) for n in desk.chunks(sync_id))
    meanwhile: list[bool] = []
    with ThreadPoolExecutor() as threads:

        def apply_another() -> None:
            done, _ = wait([threads.submit(apply_chunk, another, services)], timeout=1 if commands_come_in else 60)
            meanwhile.append(bool(done))

        before_step(1, apply_another)
        apply_chunk(one, services)
    assert meanwhile == [not commands_come_in]
    assert {one.chunk, another.chunk}.isdisjoint(desk.chunks(sync_id))


def test_a_sku_of_more_rows_than_a_step_is_one_step(desk: Desk) -> None:
    desk.limit(step_rows=4)
    sync_id = desk.sync("sku,quantity\n" + "A,1\nB,2\n" * 9, duplicates="last")
    assert desk.counts(sync_id)[:3] == ("success", 18, 2)
    assert {status for row, (status, _) in desk.items(sync_id).items() if row < 17} == {"skipped"}


def test_a_worker_that_is_lost_between_steps_is_gone_on_for(desk: Desk, before_step: BeforeStep) -> None:
    sync_id = desk.request(desk.put(FILE))
    before_step(3, raises(TryLater("PostgreSQL is away")))
    with pytest.raises(TryLater):
        desk.apply(sync_id, 0)
    assert chunk_of(desk, sync_id) == (8, "pending")
    assert desk.counts(sync_id)[:3] == ("processing", 12, 8)
    desk.limit(step_rows=3)  # another worker may have other settings
    desk.apply_all(sync_id)
    assert chunk_of(desk, sync_id) == (12, "done")
    assert desk.counts(sync_id) == ("success", 12, 12, 0, 0)
    assert desk.ask("SELECT count(*), max(version) FROM change_log") == [(12, 1)]


def test_what_a_chunk_gets_done_forgets_the_workers_that_it_has_lost(desk: Desk, before_step: BeforeStep) -> None:
    sync_id = desk.request(desk.put(FILE))
    desk.ask("UPDATE sync_chunks SET under_way = 9")
    before_step(2, raises(SystemExit()))
    with pytest.raises(SystemExit):
        desk.apply(sync_id, 0)
    assert desk.ask("SELECT under_way FROM sync_chunks") == [(0,)]


def test_two_workers_with_the_same_chunk_apply_each_row_once(desk: Desk, before_step: BeforeStep) -> None:
    sync_id = desk.request(desk.put(FILE))
    before_step(2, lambda: desk.apply(sync_id, 0))
    desk.apply(sync_id, 0)
    assert desk.counts(sync_id) == ("success", 12, 12, 0, 0)
    assert desk.ask("SELECT count(*), max(version) FROM change_log") == [(12, 1)]


def test_an_abort_takes_effect_at_the_next_step(desk: Desk, before_step: BeforeStep) -> None:
    sync_id = desk.request(desk.put(FILE))
    before_step(2, lambda: desk.abort(sync_id))
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("aborted", 12, 4, 0, 8)
    applied = [row for row, (status, _) in desk.items(sync_id).items() if status == "success"]
    assert applied == [row for (row,) in desk.ask("SELECT sync_row FROM change_log ORDER BY sync_row")]
    assert chunk_of(desk, sync_id) == (12, "aborted")


def test_too_many_errors_stop_a_job_in_the_middle_of_a_chunk(desk: Desk) -> None:
    desk.limit(step_rows=4)
    sync_id = desk.sync(FILE.replace("S0,1", "NOPE,1"), on_error="stop_after_errors", max_errors=1)
    assert desk.counts(sync_id) == ("aborted", 12, 3, 1, 8)
    assert desk.job(sync_id)["abort_reason"] == "stopped after 1 rows in error"


def test_only_the_rows_that_are_left_are_lost_with_a_chunk_that_is_given_up(
    desk: Desk, before_step: BeforeStep
) -> None:
    desk.limit(part_attempts=1)
    sync_id = desk.request(desk.put(FILE))
    before_step(2, raises(RuntimeError("a bug")))
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("partial", 12, 4, 8, 0)
    assert desk.job(sync_id)["error_counts"] == {"PART_FAILED": 8}
    assert desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.csv").count(b"PART_FAILED") == 8


def test_all_or_nothing_is_one_step(desk: Desk) -> None:
    desk.limit(step_rows=4)
    sync_id = desk.sync(FILE.replace("S5,6", "S5,x"), on_error="all_or_nothing")
    assert desk.counts(sync_id) == ("error", 12, 0, 1, 11)
    assert not batches_by_sku(desk)


def test_a_dry_run_tells_the_same_in_steps(desk: Desk) -> None:
    desk.limit(step_rows=4)
    sync_id = desk.sync(FILE, dry_run=True)
    assert desk.ask("SELECT count(*), count(DISTINCT row) FROM sync_diffs WHERE sync_id = %s", sync_id) == [(12, 12)]
    assert not batches_by_sku(desk)
