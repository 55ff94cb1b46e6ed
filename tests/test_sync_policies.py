"""How a sync is to be applied: what stops it, what holds it, what only tries it, what was applied before."""

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


# The same content -----------------------------------------------------------------------------------------------------


def test_the_same_content_under_another_name_is_the_earlier_sync(desk: Desk) -> None:
    first = desk.sync(MANY)
    again = desk.request(desk.put(MANY, "acme/w1/again.csv"))
    job = desk.job(again)
    assert (job["status"], job["duplicate_of"], job["total_count"]) == ("success", first, 0)
    assert str(first) in job["warnings"][-1]
    assert desk.work_files() == []


def test_the_same_content_with_other_options_is_not_applied_again(desk: Desk) -> None:
    add = file(["A,5,add,"])
    first = desk.sync(add)
    again = desk.sync(add, duplicates="sum", on_error="all_or_nothing")
    assert desk.job(again)["duplicate_of"] == first
    assert levels(desk.database) == {("w1", "A", "unassigned"): (5, 1)}


def test_the_same_content_is_applied_again_where_it_is_forced(desk: Desk) -> None:
    add = file(["A,5,add,"])
    desk.sync(add)
    desk.sync(add, force=True)
    assert levels(desk.database) == {("w1", "A", "unassigned"): (10, 2)}


def test_the_same_content_is_tried_again_where_nothing_of_it_was_applied(desk: Desk) -> None:
    content = "sku,quantity\nNEW,5\n"
    assert desk.counts(desk.sync(content))[0] == "error"
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    assert desk.counts(desk.sync(content)) == ("success", 1, 1, 0, 0)


def test_the_same_content_for_another_warehouse_is_another_thing(desk: Desk) -> None:
    desk.sync("sku,quantity\nA,5\n")
    assert desk.counts(desk.sync("sku,quantity\nA,5\n", warehouse_id="w2")) == ("success", 1, 1, 0, 0)


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


def test_a_dry_run_of_all_or_nothing_tells_what_would_happen(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,5\nNOPE,1\n", dry_run=True, on_error="all_or_nothing")
    assert desk.counts(sync_id) == ("error", 2, 0, 1, 1)
    assert desk.ask("SELECT count(*) FROM sync_diffs") == [(0,)]


def test_the_same_content_understood_in_another_way_is_another_thing(desk: Desk) -> None:
    content = "sku,quantity,menge\nA,5,7\n"
    desk.sync(content)
    assert desk.counts(desk.sync(content, columns={"menge": "quantity", "quantity": "note"}))[:3] == ("success", 1, 1)


def test_a_file_that_counts_nothing_leaves_nothing_out(desk: Desk) -> None:
    desk.sync("sku,quantity\n" + "".join(f"S{n},5\n" for n in range(40)))
    upsert = order("w", "warehouse.upsert", warehouse_id="w1", name="One", max_missing_percent=50)
    apply_commands([upsert], desk.database)
    assert desk.counts(desk.sync("sku,quantity,action\nS1,6,add\n"))[0] == "success"
