"""How a sync is to be applied: what stops it, what holds it, what only tries it, what it comes to."""

from uuid import UUID

import pytest

from pipeline.commands.handler import apply_commands
from tests.support.desk import Desk
from tests.support.orders import order, stock
from tests.support.reading import levels
from tests.support.sync_requests import MANY, approve, file

# Rows in error --------------------------------------------------------------------------------------------------------


def test_all_or_nothing_applies_all(desk: Desk) -> None:
    desk.limit(chunk_rows=5)
    sync_id = desk.sync(MANY, on_error="all_or_nothing")
    assert desk.counts(sync_id) == ("success", 60, 60, 0, 0)


def test_all_or_nothing_applies_nothing_where_a_row_is_wrong(desk: Desk) -> None:
    desk.limit(chunk_rows=5)
    sync_id = desk.sync(MANY + "NOPE,1\nA,x\n", on_error="all_or_nothing")
    assert desk.counts(sync_id) == ("error", 62, 0, 2, 60)
    assert levels(desk.database) == {}
    assert {row: codes for row, (status, codes) in desk.items(sync_id).items() if status == "error"} == {
        61: {"UNKNOWN_SKU"}, 62: {"QUANTITY_NOT_AN_INTEGER"}}  # fmt: skip


def test_all_or_nothing_has_a_limit(desk: Desk) -> None:
    desk.limit(atomic_max_rows=59)
    job = desk.job(desk.sync(MANY, on_error="all_or_nothing"))
    assert (job["status"], job["error_code"]) == ("error", "SYNC_TOO_LARGE")
    assert desk.work_files() == []


def test_a_sync_stops_after_some_errors(desk: Desk) -> None:
    desk.limit(chunk_rows=10)
    sync_id = desk.sync(MANY + "".join(f"NOPE{n},1\n" for n in range(60)), on_error="stop_after_errors", max_errors=3)
    status, total, success, error, aborted = desk.counts(sync_id)
    assert (status, total, success + error + aborted) == ("aborted", 120, 120)
    assert error >= 3
    assert aborted > 60
    assert desk.job(sync_id)["abort_reason"] == f"stopped after {error} rows in error"


def test_a_sync_stops_before_its_first_row_where_enough_rows_are_wrong_in_themselves(desk: Desk) -> None:
    desk.limit(chunk_rows=10)
    sync_id = desk.sync(MANY + "A,x\nB,x\nC,x\n", on_error="stop_after_errors", max_errors=3)
    assert desk.counts(sync_id) == ("aborted", 63, 0, 3, 60)
    assert levels(desk.database) == {}


# Dry run --------------------------------------------------------------------------------------------------------------


def test_a_dry_run_tells_everything_and_changes_nothing(desk: Desk) -> None:
    apply_commands([stock("x", "add", 5)], desk.database)
    before = levels(desk.database), desk.ask("SELECT count(*) FROM change_log")
    sync_id = desk.sync(file(["A,7,,", "B,2,add,A-01", "C,1,remove,", "NOPE,1,,", "D,0,,"]), dry_run=True)
    assert desk.counts(sync_id) == ("partial", 5, 3, 2, 0)
    assert desk.items(sync_id)[3] == ("error", {"INSUFFICIENT_STOCK"})
    assert desk.ask("SELECT row, sku, location_id, before, after FROM sync_diffs ORDER BY row") == [
        (1, "A", "unassigned", 5, 7), (2, "B", "b1", 0, 2)]  # fmt: skip
    assert (levels(desk.database), desk.ask("SELECT count(*) FROM change_log")) == before
    assert desk.ask("SELECT count(*) FROM outbox WHERE change_count > 0 AND batch_id > 1") in ([(0,)], [(1,)])


def test_a_dry_run_of_all_or_nothing_tells_what_would_happen(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,5\nNOPE,1\n", dry_run=True, on_error="all_or_nothing")
    assert desk.counts(sync_id) == ("error", 2, 0, 1, 1)
    assert desk.ask("SELECT count(*) FROM sync_diffs") == [(0,)]


# Wipe guard -----------------------------------------------------------------------------------------------------------


def filled(desk: Desk, skus: int = 40) -> None:
    desk.sync("sku,quantity\n" + "".join(f"S{n},5\n" for n in range(skus)))


def zeros(skus: int) -> str:
    return "sku,quantity\n" + "".join(f"S{n},0\n" for n in range(skus))


def test_a_file_that_would_empty_most_of_a_warehouse_is_held_until_a_person_approves_it(desk: Desk) -> None:
    filled(desk)
    sync_id = desk.sync(zeros(21))
    job = desk.job(sync_id)
    assert (job["status"], job["total_count"], job["finished_at"]) == ("held", 21, None)
    assert job["held_reason"] == "it would empty 21 of 40 (52 %) levels with stock"
    assert {quantity for quantity, _ in levels(desk.database).values()} == {5}
    approve(desk, sync_id)
    approve(desk, sync_id)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("success", 21, 21, 0, 0)
    assert sum(quantity == 0 for quantity, _ in levels(desk.database).values()) == 21


def test_a_held_sync_can_be_aborted_and_every_row_has_its_status(desk: Desk) -> None:
    filled(desk)
    sync_id = desk.sync(zeros(30))
    desk.abort(sync_id)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("aborted", 30, 0, 0, 30)
    assert {quantity for quantity, _ in levels(desk.database).values()} == {5}


@pytest.mark.parametrize(("percent", "status"), [(20, "held"), (60, "success"), (100, "success")])
def test_a_warehouse_has_a_share_of_its_own(desk: Desk, percent: int, status: str) -> None:
    filled(desk)
    upsert = order("w", "warehouse.upsert", warehouse_id="w1", name="One", max_zeroed_percent=percent)
    apply_commands([upsert], desk.database)
    assert desk.job(desk.sync(zeros(21)))["status"] == status


def test_a_few_levels_are_no_wipe_whatever_their_share(desk: Desk) -> None:
    filled(desk, skus=9)
    assert desk.counts(desk.sync(zeros(9)))[0] == "success"


def test_a_file_that_leaves_most_skus_out_is_held_where_the_warehouse_wants_it(desk: Desk) -> None:
    filled(desk)
    upsert = order("w", "warehouse.upsert", warehouse_id="w1", name="One", max_missing_percent=50)
    apply_commands([upsert], desk.database)
    sync_id = desk.sync("sku,quantity\n" + "".join(f"S{n},6\n" for n in range(15)))
    assert desk.job(sync_id)["held_reason"] == "it leaves out 25 of 40 (62 %) SKUs with stock"


def test_a_file_that_counts_nothing_leaves_nothing_out(desk: Desk) -> None:
    desk.sync("sku,quantity\n" + "".join(f"S{n},5\n" for n in range(40)))
    upsert = order("w", "warehouse.upsert", warehouse_id="w1", name="One", max_missing_percent=50)
    apply_commands([upsert], desk.database)
    assert desk.counts(desk.sync("sku,quantity,action\nS1,6,add\n"))[0] == "success"


def rows_of(skus: int, quantity: int, action: str = "") -> str:
    return file([f"S{n},{quantity},{action}," for n in range(skus)])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (rows_of(40, 5, "remove"), "it would empty 40 of 40 (100 %) levels with stock"),
        (rows_of(21, 5, "remove"), "it would empty 21 of 40 (52 %) levels with stock"),
        (rows_of(20, 5, "remove"), None),
        (rows_of(40, 4, "remove"), "it would take away 160 of 200 (80 %) units"),
        (rows_of(40, 2, "remove"), None),
        (rows_of(40, 1), "it would take away 160 of 200 (80 %) units"),
        (rows_of(40, 3), None),
        (rows_of(40, 6, "remove"), None),  # each row is in error
        (rows_of(40, 5, "add"), None),
        (file([f"S{n},0,," for n in range(15)] + [f"S{n},5,remove," for n in range(15, 30)]),
         "it would empty 30 of 40 (75 %) levels with stock"),
        (file([f"S{n},1,," for n in range(40)] + ["A,1000,add,"]), None),
        (file([f"S{n},5,move,,b1" for n in range(40)], "sku,quantity,action,location,to_location"), None),
    ],
)  # fmt: skip
def test_the_guard_weighs_what_is_there_before_against_what_is_there_after(
    desk: Desk, content: str, reason: str | None
) -> None:
    filled(desk)
    before = levels(desk.database)
    job = desk.job(desk.sync(content))
    assert job["held_reason"] == reason
    assert (job["status"] == "held") == (reason is not None)
    if reason:
        assert levels(desk.database) == before


@pytest.mark.parametrize(("duplicates", "held"), [("error", False), ("sum", True), ("last", False)])
def test_the_guard_reads_copies_of_a_row_as_the_file_does(desk: Desk, duplicates: str, held: bool) -> None:
    filled(desk)
    content = file([f"S{n},{part},remove," for n in range(30) for part in (3, 2)])
    assert (desk.job(desk.sync(content, duplicates=duplicates))["status"] == "held") == held


def test_the_guard_sees_removals_behind_many_good_rows(desk: Desk) -> None:
    filled(desk, skus=60)
    desk.limit(chunk_rows=200_000)
    good = [f"A,{n},," for n in range(100_000)]
    content = file([*good, *(f"S{n},5,remove," for n in range(31))])
    job = desk.job(desk.sync(content, duplicates="last"))
    assert (job["status"], job["held_reason"]) == ("held", "it would empty 31 of 60 (51 %) levels with stock")


def test_a_dry_run_tells_that_the_guard_would_hold_it(desk: Desk) -> None:
    filled(desk)
    job = desk.job(desk.sync(rows_of(40, 5, "remove"), dry_run=True))
    assert job["status"] == "success"
    assert "this sync would be held: it would empty 40 of 40 (100 %) levels with stock" in " ".join(job["warnings"])


def test_a_file_that_could_not_empty_a_warehouse_is_not_compared_with_its_levels(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(desk)
    compared: list[object] = []
    monkeypatch.setattr("pipeline.store.wipe_guard.weigh", lambda *args: compared.append(args))
    for content in (rows_of(40, 6), rows_of(40, 5, "add"), rows_of(10, 4, "remove")):
        assert desk.counts(desk.sync(content))[0] == "success"
    assert not compared


# What a sync comes to -------------------------------------------------------------------------------------------------


def summary(desk: Desk, sync_id: UUID) -> tuple[int, ...]:
    """Levels raised, lowered, set to zero; units before and after."""
    job = desk.job(sync_id)
    return tuple(
        job[name] for name in ("levels_raised", "levels_lowered", "levels_zeroed", "units_before", "units_after")
    )


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("chunk_rows", [1, 1000])
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["A,2,,", "B,8,,", "C,10,,"], (0, 3, 0, 150, 20)),  # receipts without an action: taken for counts
        (["A,2,add,", "B,8,add,", "C,10,add,"], (3, 0, 0, 150, 170)),
        (["A,0,,", "B,50,,", "C,60,,", "D,7,,"], (1, 0, 1, 40, 7)),  # what stays as it is does not count
        (["A,40,remove,", "B,1,remove,", "NOPE,1,,"], (0, 1, 1, 90, 49)),
        (["A,40,,", "B,50,,"], (0, 0, 0, 0, 0)),
        (["A,3,add,A-01"], (1, 0, 0, 0, 3)),
        (["NOPE,3,,"], (0, 0, 0, 0, 0)),
    ],
)
def test_a_sync_tells_what_it_did_to_the_stock_in_levels_and_units(
    desk: Desk, rows: list[str], expected: tuple[int, ...], chunk_rows: int, dry_run: bool
) -> None:
    desk.sync("sku,quantity\nA,40\nB,50\nC,60\n")
    desk.limit(chunk_rows=chunk_rows)
    assert summary(desk, desk.sync(file(rows), dry_run=dry_run)) == expected


def test_moves_are_summed_by_level(desk: Desk) -> None:
    desk.sync("sku,quantity\nA,40\nB,50\n")
    header = "sku,quantity,action,location,to_location"
    sync_id = desk.sync(file(["A,10,move,,A-01", "B,50,move,,A-01"], header))
    assert summary(desk, sync_id) == (2, 1, 1, 90, 90)


def test_units_that_are_not_available_are_on_hand_too(desk: Desk) -> None:
    desk.sync("sku,quantity\nA,40\n")
    adjust = order("x", "inventory.adjust", warehouse_id="w1", sku="A", state="reserved", delta=5)
    apply_commands([adjust], desk.database)
    assert summary(desk, desk.sync("sku,quantity\nA,30\n")) == (0, 1, 0, 45, 30)


def test_what_all_or_nothing_does_not_apply_changes_nothing(desk: Desk) -> None:
    desk.sync("sku,quantity\nA,40\n")
    assert summary(desk, desk.sync(file(["A,5,,", "NOPE,1,,"]), on_error="all_or_nothing")) == (0, 0, 0, 0, 0)
