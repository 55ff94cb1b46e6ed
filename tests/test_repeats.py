"""A file whose bytes were applied before: it is a repeat, or a delivery of its own, or a person decides."""

import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.syncs.repeat_rule import Duplicate, Earlier, FileReading, Hold, Verdict, judge_movements
from schemas.states import SyncState
from tests.support.desk import Desk
from tests.support.orders import order, stock
from tests.support.reading import levels
from tests.support.sync_requests import MANY, approve, confirm, file, revert

DELIVERY = file(["A,24,add,", "B,12,add,"])
MONDAY, TUESDAY = "sku,quantity\nA,10\nB,5\n", "sku,quantity\nA,7\nB,6\n"


def units(desk: Desk) -> dict[str, int]:
    """Units on hand of each SKU."""
    return {sku: quantity for (_, sku, _), (quantity, _) in levels(desk.database).items() if quantity}


def days_later(desk: Desk, days: float = 1) -> None:
    """All that has happened so far, happened so much earlier."""
    desk.ask(
        "UPDATE sync_jobs SET created_at = created_at - %s, updated_at = updated_at - %s, "
        "finished_at = finished_at - %s",
        *[timedelta(days=days)] * 3,
    )
    desk.ask("UPDATE levels SET updated_at = updated_at - %s", timedelta(days=days))
    desk.ask("UPDATE locations SET updated_at = updated_at - %s", timedelta(days=days))


def assert_repeats(desk: Desk, sync_id: UUID, earlier: UUID) -> None:
    job = desk.job(sync_id)
    assert (job["status"], job["duplicate_of"], job["total_count"]) == ("duplicate", earlier, 0), job["held_reason"]
    assert job["finished_at"] is not None
    assert str(earlier) in job["warnings"][-1]
    assert "--force" in job["warnings"][-1]
    assert "force/" in job["warnings"][-1]
    assert not [key for key in desk.work_files() if str(sync_id) in key]


def held(desk: Desk, sync_id: UUID) -> str:
    """Why a sync is held."""
    job = desk.job(sync_id)
    assert job["status"] == "held", job["warnings"]
    return str(job["held_reason"])


# Counts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [["stock.csv"] * 3, ["mon.csv", "tue.csv", "wed.csv"]])
@pytest.mark.parametrize("days", [0, 1])
def test_a_count_that_returns_to_an_earlier_content_is_applied(desk: Desk, keys: Sequence[str], days: int) -> None:
    for key, content in zip(keys, (MONDAY, TUESDAY, MONDAY), strict=True):
        sync_id = desk.request(desk.put(content, f"acme/w1/{key}"))
        desk.run(sync_id)
        assert desk.counts(sync_id) == ("success", 2, 2, 0, 0)
        days_later(desk, days)
    assert units(desk) == {"A": 10, "B": 5}


def test_a_count_is_a_repeat_while_its_levels_are_as_it_left_them(desk: Desk) -> None:
    first = desk.sync(MONDAY)
    days_later(desk)
    again = desk.sync(MONDAY)
    assert_repeats(desk, again, first)
    days_later(desk)
    assert_repeats(desk, desk.sync(MONDAY), first)


def test_a_count_is_a_repeat_also_where_some_levels_were_as_it_wanted_them(desk: Desk) -> None:
    desk.sync(TUESDAY)
    first = desk.sync("sku,quantity\nA,7\nB,5\nC,0\n")
    assert_repeats(desk, desk.sync("sku,quantity\nA,7\nB,5\nC,0\n"), first)
    apply_commands([stock("x", "add", 1)], desk.database)
    assert desk.counts(desk.sync("sku,quantity\nA,7\nB,5\nC,0\n"))[:2] == ("success", 3)


def test_a_count_of_bins_is_a_repeat_as_long_as_the_bins_have_their_names(desk: Desk) -> None:
    content = file(["A,5,,A-01", "B,6,,"])
    first = desk.sync(content)
    assert_repeats(desk, desk.sync(content), first)
    rename = order("l1", "location.rename", warehouse_id="w1", location_id="b1", name="A-02")
    another = order("l2", "location.create", warehouse_id="w1", location_id="b2", name="A-01")
    apply_commands([rename, another], desk.database)
    assert desk.counts(desk.sync(content)) == ("success", 2, 2, 0, 0)


def test_a_count_is_applied_again_once_a_command_has_changed_a_level_that_it_names(desk: Desk) -> None:
    desk.sync(MONDAY)
    apply_commands([stock("x", "remove", 3)], desk.database)
    assert desk.counts(desk.sync(MONDAY)) == ("success", 2, 2, 0, 0)
    assert units(desk) == {"A": 10, "B": 5}


def test_a_level_that_a_count_does_not_name_can_change_and_it_is_still_a_repeat(desk: Desk) -> None:
    first = desk.sync(MONDAY)
    apply_commands([stock("x", "add", 3, sku="C")], desk.database)
    assert_repeats(desk, desk.sync(MONDAY), first)
    assert units(desk) == {"A": 10, "B": 5, "C": 3}


def test_a_count_is_applied_again_after_a_level_went_away_from_it_and_came_back(desk: Desk) -> None:
    desk.sync(MONDAY)
    apply_commands([stock("x", "remove", 3), stock("y", "add", 3)], desk.database)
    assert desk.counts(desk.sync(MONDAY))[0] == "success"


def test_a_count_of_which_a_row_was_in_error_is_tried_again(desk: Desk) -> None:
    content = MONDAY + "NEW,4\n"
    assert desk.counts(desk.sync(content))[0] == "partial"
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    assert desk.counts(desk.sync(content)) == ("success", 3, 3, 0, 0)
    assert units(desk) == {"A": 10, "B": 5, "NEW": 4}


def test_a_count_that_failed_since_a_product_was_missing_is_applied_when_it_comes_again(desk: Desk) -> None:
    content = "sku,quantity\nNEW,5\n"
    assert desk.counts(desk.sync(content))[0] == "error"
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    assert desk.counts(desk.sync(content)) == ("success", 1, 1, 0, 0)


def test_a_count_in_another_warehouse_is_no_repeat(desk: Desk) -> None:
    desk.sync(MONDAY)
    assert desk.counts(desk.sync(MONDAY, warehouse_id="w2")) == ("success", 2, 2, 0, 0)


def test_a_count_that_is_read_in_another_way_is_applied(desk: Desk) -> None:
    content = "sku,quantity,menge\nA,5,7\n"
    desk.sync(content)
    again = desk.sync(content, columns={"menge": "quantity", "quantity": "note"})
    assert desk.counts(again)[:3] == ("success", 1, 1)
    assert units(desk) == {"A": 7}


def test_counts_whose_numbers_are_doubtful_are_applied_when_a_person_says_how_to_read_them(desk: Desk) -> None:
    content = "sku;quantity\nA;1.000\nB;2.000\nC;7\n"
    assert desk.counts(desk.sync(content)) == ("partial", 3, 1, 2, 0)
    assert desk.counts(desk.sync(content, decimal=",")) == ("success", 3, 3, 0, 0)
    assert units(desk) == {"A": 1000, "B": 2000, "C": 7}


# Movements ------------------------------------------------------------------------------------------------------------


def test_two_equal_deliveries_on_two_days_are_both_applied(desk: Desk) -> None:
    for _ in range(2):
        assert desk.counts(desk.sync(DELIVERY)) == ("success", 2, 2, 0, 0)
        days_later(desk)
    assert units(desk) == {"A": 48, "B": 24}


@pytest.mark.parametrize("key", ["acme/w1/stock.csv", "acme/w1/again.csv"])
def test_the_same_delivery_twice_within_the_hour_is_a_repeat(desk: Desk, key: str) -> None:
    first = desk.sync(DELIVERY)
    days_later(desk, 1 / 24)
    again = desk.request(desk.put(DELIVERY, key))
    assert_repeats(desk, again, first)
    assert units(desk) == {"A": 24, "B": 12}


def test_the_hours_of_a_repeat_can_be_set(desk: Desk) -> None:
    desk.limit(repeat_hours=1)
    desk.sync(DELIVERY)
    days_later(desk, 2 / 24)
    assert desk.counts(desk.sync(DELIVERY))[0] == "success"
    assert units(desk) == {"A": 48, "B": 24}


def test_a_delivery_by_the_action_of_the_request_is_a_movement_too(desk: Desk) -> None:
    first = desk.sync(MONDAY, action="add")
    apply_commands([stock("x", "remove", 3)], desk.database)
    assert_repeats(desk, desk.sync(MONDAY, action="add"), first)
    assert units(desk) == {"A": 7, "B": 5}


def test_a_repeat_whenever_it_comes_where_the_request_says_that_the_content_counts(desk: Desk) -> None:
    first = desk.sync(DELIVERY)
    days_later(desk, 40)
    assert_repeats(desk, desk.sync(DELIVERY, idempotency="content"), first)


def test_a_forced_file_is_applied_and_the_next_one_repeats_it(desk: Desk) -> None:
    desk.sync(DELIVERY)
    forced = desk.sync(DELIVERY, force=True)
    assert units(desk) == {"A": 48, "B": 24}
    assert_repeats(desk, desk.sync(DELIVERY), forced)


def test_a_partial_delivery_that_comes_again_is_held_and_says_how_to_apply_the_rest(desk: Desk) -> None:
    content = file(["A,24,add,", "NEW,12,add,", "B,1,add,"])
    first = desk.sync(content)
    assert desk.counts(first) == ("partial", 3, 2, 1, 0)
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    days_later(desk, 3)
    again = desk.sync(content)
    reason = held(desk, again)
    assert f"sync {first}, which has applied 2 of 3 rows: they would be applied again" in reason
    assert f"onhand sync items {first} --status error --format csv > rest.csv" in reason
    assert units(desk) == {"A": 24, "B": 1}
    approve(desk, again)
    desk.apply_all(again)
    assert units(desk) == {"A": 48, "B": 2, "NEW": 12}


@pytest.mark.parametrize(
    ("content", "changes", "difference"),
    [
        ("sku,quantity,action,note\nA,24,add,\nB,1,add,Stück\n".encode("cp1252"), {"encoding": "cp1252"}, "encoding"),
        ("sku,quantity,action,xyz\nA,24,add,\nB,x,add,\n", {"columns": {"xyz": "location"}}, "columns"),
        ("sku;quantity;action\nA;24;add\nB;1.000;add\n", {"decimal": ","}, "numbers"),
        ("sku,quantity,action\nA,24,add\nB,1,\n", {"action": "add"}, "action"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("days", [0, 30])
def test_a_delivery_that_is_read_in_another_way_is_held(
    desk: Desk, content: str | bytes, changes: dict[str, object], difference: str, days: int
) -> None:
    first = desk.sync(content)
    applied = units(desk)
    assert applied["A"] == 24
    days_later(desk, days)
    reason = held(desk, desk.sync(content, **changes))
    assert f"sync {first}" in reason
    assert difference in reason
    assert "they would be applied again" in reason
    assert units(desk) == applied


def test_all_or_nothing_after_some_rows_were_applied_is_held(desk: Desk) -> None:
    content = file(["A,24,add,", "NEW,12,add,"])
    first = desk.sync(content)
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    assert str(first) in held(desk, desk.sync(content, on_error="all_or_nothing"))
    assert units(desk) == {"A": 24}


def test_a_delivery_that_failed_as_a_whole_is_applied_when_it_comes_again(desk: Desk) -> None:
    content = file(["A,24,add,", "NEW,12,add,"])
    assert desk.counts(desk.sync(content, on_error="all_or_nothing"))[0] == "error"
    apply_commands([order("p", "product.upsert", sku="NEW")], desk.database)
    assert desk.counts(desk.sync(content)) == ("success", 2, 2, 0, 0)
    assert units(desk) == {"A": 24, "NEW": 12}


def test_a_sync_that_was_taken_back_can_be_submitted_again(desk: Desk) -> None:
    revert(desk, desk.sync(DELIVERY))
    assert desk.counts(desk.sync(DELIVERY)) == ("success", 2, 2, 0, 0)
    assert units(desk) == {"A": 24, "B": 12}


def test_a_sync_that_was_taken_back_and_brought_back_is_repeated(desk: Desk) -> None:
    first = desk.sync(DELIVERY)
    revert(desk, revert(desk, first))
    desk.sync(DELIVERY)
    assert units(desk) == {"A": 24, "B": 12}


def test_a_delivery_that_could_only_partly_be_taken_back_is_held(desk: Desk) -> None:
    first = desk.sync(DELIVERY)
    apply_commands([stock("x", "remove", 1)], desk.database)
    revert(desk, first)
    assert "some of them were taken back" in held(desk, desk.sync(DELIVERY))


def test_a_dry_run_is_no_repeat_and_is_repeated_by_none(desk: Desk) -> None:
    for _ in range(2):
        assert desk.counts(desk.sync(DELIVERY, dry_run=True)) == ("success", 2, 2, 0, 0)
    assert desk.counts(desk.sync(DELIVERY)) == ("success", 2, 2, 0, 0)


def test_who_confirms_a_dry_run_has_seen_what_was_applied_before_it(desk: Desk) -> None:
    desk.sync(DELIVERY)
    dry_run = desk.sync(DELIVERY, dry_run=True)
    assert desk.counts(confirm(desk, dry_run)) == ("success", 2, 2, 0, 0)
    assert units(desk) == {"A": 48, "B": 24}


def test_a_file_is_known_packed_and_unpacked(desk: Desk) -> None:
    content = "sku,quantity,action,note\nA,24,add,Stück\n".encode("cp1252")
    first = desk.sync(content, encoding="cp1252")
    packed = desk.request(desk.put(gzip.compress(content), "acme/w1/stock.csv.gz"), encoding="cp1252")
    assert_repeats(desk, packed, first)


def test_the_same_large_file_is_known_by_its_bytes_whether_it_is_copied_or_not(desk: Desk) -> None:
    content = "sku,quantity,action\n" + "".join(f"S{n % 60},1,add\n" for n in range(200_000))
    desk.limit(chunk_rows=300_000)
    first = desk.sync(content, duplicates="sum")
    packed = desk.request(desk.put(gzip.compress(content.encode()), "acme/w1/stock.csv.gz"), duplicates="sum")
    assert_repeats(desk, packed, first)


def test_of_two_identical_deliveries_at_the_same_time_one_is_applied(desk: Desk) -> None:
    for number in range(3):
        content = file([f"S{number},24,add,"])
        urls = [desk.put(content, f"acme/w1/{number}-{copy}.csv") for copy in "ab"]
        both = Barrier(2)

        def submit(url: str, both: Barrier = both) -> UUID:
            both.wait()
            return desk.request(url)

        with ThreadPoolExecutor(2) as threads:
            ids = list(threads.map(submit, urls))
        states = {desk.job(sync_id)["status"]: sync_id for sync_id in ids}
        assert set(states) == {"processing", "duplicate"}
        assert_repeats(desk, states["duplicate"], states["processing"])
        desk.apply_all(states["processing"])
        assert units(desk)[f"S{number}"] == 24


def test_a_delivery_that_is_held_is_not_held_twice(desk: Desk) -> None:
    desk.sync(MANY)
    content = "sku,quantity,action\n" + "".join(f"S{n},{n + 1},remove\n" for n in range(60))
    first = desk.sync(content)
    held(desk, first)
    assert_repeats(desk, desk.sync(content), first)


# The rule -------------------------------------------------------------------------------------------------------------

READING = FileReading("utf-8", ("sku", "quantity"), ",", {}, True, None, "add", "error", None)
HOURS = timedelta(hours=12)


def earlier(state: SyncState = SyncState.SUCCESS, *, hours: float = 1, rows: tuple[int, int, int] = (2, 0, 0),
            reading: FileReading = READING, partly_reverted: bool = False) -> Earlier:  # fmt: skip
    """A job with so many rows applied, in error and aborted."""
    return Earlier(uuid4(), state, datetime(2026, 1, 31, tzinfo=UTC), timedelta(hours=hours), reading, sum(rows),
                   *rows, partly_reverted)  # fmt: skip


OTHER = READING._replace(encoding="cp1252")
LONG_AGO = 24 * 40


@pytest.mark.parametrize(
    ("jobs", "whenever", "expected"),
    [
        ([], False, None),
        ([], True, None),
        ([earlier()], False, Duplicate),
        ([earlier(hours=12)], False, Duplicate),
        ([earlier(hours=12.01)], False, None),
        ([earlier(hours=LONG_AGO)], True, Duplicate),
        ([earlier(SyncState.PARTIAL, rows=(2, 1, 0))], False, Hold),
        ([earlier(SyncState.PARTIAL, rows=(2, 1, 0), hours=LONG_AGO)], False, Hold),
        ([earlier(SyncState.PARTIAL, rows=(2, 1, 0), hours=LONG_AGO)], True, Hold),
        ([earlier(SyncState.ABORTED, rows=(2, 0, 5))], False, Hold),
        ([earlier(reading=OTHER)], False, Hold),
        ([earlier(reading=OTHER, hours=LONG_AGO)], False, Hold),
        ([earlier(reading=OTHER), earlier(hours=LONG_AGO)], True, Duplicate),
        ([earlier(partly_reverted=True)], False, Hold),
        ([earlier(SyncState.PROCESSING, rows=(0, 0, 0))], False, Duplicate),
        ([earlier(SyncState.PROCESSING, rows=(0, 0, 0), hours=LONG_AGO)], False, Hold),
        ([earlier(SyncState.PROCESSING, rows=(0, 0, 0), reading=OTHER)], False, Hold),
        ([earlier(SyncState.HELD, rows=(0, 0, 0))], False, Duplicate),
        ([earlier(SyncState.HELD, rows=(0, 0, 0), reading=OTHER)], False, Hold),
        ([earlier(SyncState.HELD, rows=(0, 0, 0)), earlier(hours=2)], False, Duplicate),
        ([earlier(SyncState.HELD, rows=(0, 0, 0)), earlier(reading=OTHER, hours=2)], False, Duplicate),
        ([earlier(SyncState.HELD, rows=(0, 0, 0), hours=13), earlier(reading=OTHER, hours=14)], False, Hold),
        ([earlier(hours=13), earlier(SyncState.PARTIAL, rows=(1, 1, 0), hours=LONG_AGO)], False, None),
    ],
)
def test_the_newest_job_that_has_applied_rows_decides(
    jobs: list[Earlier], whenever: bool, expected: type[Verdict] | None
) -> None:
    verdict = judge_movements(READING, jobs, HOURS, whenever=whenever)
    assert verdict is None if expected is None else isinstance(verdict, expected)
    if isinstance(verdict, Duplicate):
        assert verdict.of in {job.sync_id for job in jobs}
        assert str(verdict.of) in verdict.words


@pytest.mark.parametrize("rows", [(2, 1, 0), (2, 0, 3), (1, 4, 3)])
def test_a_reason_tells_how_many_rows_would_be_applied_again_and_how_to_apply_the_others(
    rows: tuple[int, int, int],
) -> None:
    job = earlier(SyncState.ABORTED, rows=rows)
    verdict = judge_movements(READING, [job], HOURS, whenever=False)
    assert isinstance(verdict, Hold)
    assert f"applied {rows[0]} of {sum(rows)} rows" in verdict.reason
    for status, count in (("error", rows[1]), ("aborted", rows[2])):
        assert (f"--status {status}" in verdict.reason) == bool(count)
    assert verdict.reason.endswith("To apply all rows once more, approve this sync")


@pytest.mark.parametrize("approved", [False, True])
def test_goods_that_were_received_and_come_again_as_a_count_wait_for_a_person(desk: Desk, approved: bool) -> None:
    desk.sync("sku,quantity\nA,100\nB,100\n")
    receipts = "sku,quantity\nA,5\nB,6\n"
    desk.sync(receipts, action="add")
    sync_id = desk.sync(receipts)
    job = desk.job(sync_id)
    assert job["status"] == "held"
    assert "read in another way (action)" in job["held_reason"]
    assert "applied again, as replace" in job["held_reason"]
    if approved:
        approve(desk, sync_id)
        desk.apply_all(sync_id)
        assert desk.counts(sync_id)[0] == "success"
