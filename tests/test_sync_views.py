"""What an account sees of its syncs: jobs, rows, errors, rejects and diffs."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from pipeline.errors import Invalid
from pipeline.store.database import Database
from pipeline.sync_views import ALL, Items, Jobs, rejects, sync_diffs, sync_errors, sync_items, sync_job, sync_jobs
from schemas.errors import ErrorCode
from schemas.identifiers import AccountId, WarehouseId
from schemas.states import ItemStatus, SyncState
from tests.support.sync_rows import add_diffs, add_job, add_rows, error

ACME = AccountId("acme")
UNKNOWN = error("UNKNOWN_SKU", value="X")
NEGATIVE = error("QUANTITY_NEGATIVE", "quantity", "-5")


@pytest.fixture
def sync(database: Database) -> UUID:
    """A sync with rows of every kind: three good ones, three in error, one skipped, one aborted."""
    counts = {"total_count": 8, "success_count": 3, "error_count": 3, "skipped_count": 1, "aborted_count": 1}
    sync_id = add_job(database, status="partial", **counts)
    rows = [
        {},
        {"status": "error", "errors": [UNKNOWN, NEGATIVE], "raw": b"X,-5"},
        {"status": "skipped", "errors": [error("SUPERSEDED")], "merged_into": 8},
        {"status": "error", "errors": [UNKNOWN, UNKNOWN], "raw": b"\xff,5"},
        {"sku": "S-9", "version": 3},
        {"status": "error", "errors": [NEGATIVE], "raw": b"S-6,-5"},
        {"status": "aborted", "raw": b"S-7,7"},
        {"action": "move", "to_location": "B-1", "level_id": 1, "version": 4, "to_level_id": 2, "to_version": 1},
    ]
    add_rows(database, sync_id, rows)
    return sync_id


def rows_of(database: Database, sync_id: UUID, items: Items = ALL) -> list[int]:
    return [row["row"] for row in sync_items(database, ACME, sync_id, items)]


def test_a_sync_tells_all_that_other_systems_tell_of_one_and_how_it_was_asked_for(database: Database) -> None:
    options = {"on_error": "stop_after_errors", "max_errors": 5, "duplicates": "sum", "as_of": "2026-01-31T12:00:00Z",
               "force": True, "encoding": "cp1252", "columns": {"Artikel": "sku"}}  # fmt: skip
    sync_id = add_job(
        database, status="aborted", customer_account_id="shop", user_id="ada", options=options, total_count=10,
        success_count=4, error_count=3, skipped_count=2, aborted_count=1, error="error in 3 out of 10 rows",
        abort_reason="stopped", warnings=["3 rows: odd"], error_counts={"UNKNOWN_SKU": 3}, rejects_key="rejects/x.csv",
    )  # fmt: skip
    job = sync_job(database, ACME, sync_id)
    assert job is not None
    assert job["sync_id"] == sync_id
    told = {
        "url": "s3://uploads/acme/w1/stock.csv", "user_id": "ada", "account_id": "acme", "warehouse_id": "w1",
        "customer_account_id": "shop", "total_count": 10, "status": "aborted", "error": "error in 3 out of 10 rows",
        "success_count": 4, "error_count": 3, "skipped_count": 2, "aborted_count": 1, "finished_count": 10,
        "on_error": "stop_after_errors", "max_errors": 5, "duplicates": "sum", "force": True, "encoding": "cp1252",
        "as_of": datetime(2026, 1, 31, 12, tzinfo=UTC), "columns": {"Artikel": "sku"}, "dry_run": False,
        "error_counts": {"UNKNOWN_SKU": 3}, "warnings": ["3 rows: odd"], "rejects_key": "rejects/x.csv",
    }  # fmt: skip
    assert {name: job[name] for name in told} == told
    assert job["header"]["delimiter"] == ","
    assert None not in (job["created_at"], job["updated_at"], job["finished_at"])


def test_what_was_not_asked_for_is_told_as_it_is_done(database: Database) -> None:
    job = sync_job(database, ACME, add_job(database, header=None))
    assert job is not None
    assert (job["on_error"], job["duplicates"], job["force"], job["max_errors"], job["header"]) == (
        "apply_good_rows", "error", False, None, None,
    )  # fmt: skip


def test_syncs_are_listed_newest_first_by_warehouse_customer_and_state_and_only_to_their_sender(
    database: Database,
) -> None:
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    old = add_job(database, created_at=moment.replace(day=1))
    other_warehouse = add_job(database, created_at=moment.replace(day=2), warehouse_id="w2")
    of_customer = add_job(database, created_at=moment.replace(day=3), customer_account_id="shop", status="held")
    add_job(database, account_id="shop")

    def listed(jobs: Jobs, limit: int | None = None) -> list[UUID]:
        return [job["sync_id"] for job in sync_jobs(database, ACME, jobs, limit=limit)]

    assert listed(Jobs()) == [of_customer, other_warehouse, old]
    assert listed(Jobs(), limit=2) == [of_customer, other_warehouse]
    assert listed(Jobs(warehouse_id=WarehouseId("w2"))) == [other_warehouse]
    assert listed(Jobs(customer_account_id=AccountId("shop"))) == [of_customer]
    assert listed(Jobs(status=SyncState.HELD)) == [of_customer]
    assert sync_job(database, AccountId("shop"), old) is None


def test_a_list_of_many_syncs_that_began_at_once_has_each_of_them(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO sync_jobs (account_id, sync_id, warehouse_id, url, created_at) "
            "SELECT 'acme', gen_random_uuid(), 'w1', 's3://u/k', '2026-11-01Z' FROM generate_series(1, 2500)"
        )
    assert len({job["sync_id"] for job in sync_jobs(database, ACME, Jobs())}) == 2500


@pytest.mark.parametrize(
    ("status", "rows"),
    [
        (ItemStatus.SUCCESS, [1, 5, 8]),
        (ItemStatus.ERROR, [2, 4, 6]),
        (ItemStatus.SKIPPED, [3]),
        (ItemStatus.ABORTED, [7]),
    ],
)
def test_rows_by_status(database: Database, sync: UUID, status: ItemStatus, rows: list[int]) -> None:
    assert rows_of(database, sync, Items(status=status)) == rows


def test_rows_by_code_by_sku_and_after_a_row(database: Database, sync: UUID) -> None:
    assert rows_of(database, sync) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rows_of(database, sync, Items(code="QUANTITY_NEGATIVE")) == [2, 6]
    assert rows_of(database, sync, Items(code="QUANTITY_NEGATIVE", after=2)) == [6]
    assert rows_of(database, sync, Items(sku="S-9")) == [5]


def test_a_row_tells_where_it_stands_what_it_says_and_what_became_of_it(database: Database, sync: UUID) -> None:
    rows = {row["row"]: row for row in sync_items(database, ACME, sync)}
    assert (rows[2]["line"], rows[2]["byte_offset"], rows[2]["sku"]) == (3, 33, "S-2")
    assert [(e["code"], e["field"], e["value"]) for e in rows[2]["errors"]] == [
        ("UNKNOWN_SKU", "sku", "X"), ("QUANTITY_NEGATIVE", "quantity", "-5"),
    ]  # fmt: skip
    assert rows[2]["errors"][0]["message"].startswith("The account has no product of this SKU: 'X'.")
    assert (rows[8]["action"], rows[8]["to_location"], rows[8]["version"], rows[8]["to_version"]) == (
        "move",
        "B-1",
        4,
        1,
    )
    assert rows[3]["merged_into"] == 8
    assert rows[1]["errors"] is None
    assert rows[1]["created_at"] is not None


def test_errors_are_counted_by_code_and_explained_with_the_first_rows(database: Database, sync: UUID) -> None:
    found = sync_errors(database, ACME, sync, examples=1)
    assert [(each["status"], each["code"], each["rows"]) for each in found] == [
        ("error", "QUANTITY_NEGATIVE", 2), ("error", "UNKNOWN_SKU", 2), ("skipped", "SUPERSEDED", 1),
    ]  # fmt: skip
    negative = found[0]
    assert negative["hint"] == ErrorCode.QUANTITY_NEGATIVE.hint
    assert negative["meaning"] == ErrorCode.QUANTITY_NEGATIVE.meaning
    [example] = negative["examples"]
    assert (example["row"], example["line"], example["sku"]) == (2, 3, "S-2")
    assert (example["field"], example["value"]) == ("quantity", "-5")


def test_rejects_have_the_bytes_of_the_rows_that_were_not_applied_in_file_order(database: Database, sync: UUID) -> None:
    found = [(reject.raw, [e.code.value for e in reject.errors]) for reject in rejects(database, ACME, sync)]
    assert found == [
        (b"X,-5", ["UNKNOWN_SKU", "QUANTITY_NEGATIVE"]), (b"\xff,5", ["UNKNOWN_SKU", "UNKNOWN_SKU"]),
        (b"S-6,-5", ["QUANTITY_NEGATIVE"]), (b"S-7,7", []),
    ]  # fmt: skip
    aborted = rejects(database, ACME, sync, Items(status=ItemStatus.ABORTED))
    assert [reject.raw for reject in aborted] == [b"S-7,7"]
    some = rejects(database, ACME, sync, Items(code="QUANTITY_NEGATIVE"), limit=1)
    assert [reject.raw for reject in some] == [b"X,-5"]


def test_a_diff_tells_each_level_before_and_after_page_by_page(database: Database) -> None:
    sync_id = add_job(database, dry_run=True)
    add_diffs(database, sync_id, [(f"S-{n}", 10, n) for n in range(1, 1203)])
    lines = list(sync_diffs(database, ACME, sync_id))
    assert [line["row"] for line in lines] == list(range(1, 1203))
    assert lines[1] == {
        "row": 2, "leg": 1, "owner_account_id": "acme", "warehouse_id": "w1", "sku": "S-2", "location_id": "A-1",
        "lot_id": None, "before": 10, "after": 2, "delta": -8,
    }  # fmt: skip


def test_rows_are_read_from_the_month_of_their_sync(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("SELECT create_sync_partitions('2026-01-01')")
    january, now = add_job(database, items_month="2026-01-01"), add_job(database)
    add_rows(database, january, [{"sku": "OLD"}])
    add_rows(database, now, [{"sku": "NEW"}])
    assert [row["sku"] for row in sync_items(database, ACME, january)] == ["OLD"]
    assert [row["sku"] for row in sync_items(database, ACME, now)] == ["NEW"]


@pytest.mark.parametrize("read", [sync_items, sync_errors, rejects, sync_diffs])
def test_rows_that_are_too_old_are_said_to_be_gone(database: Database, read: type) -> None:
    sync_id = add_job(database, items_month="2026-01-01", status="success")
    with pytest.raises(Invalid) as failure:
        read(database, ACME, sync_id)
    assert failure.value.code is ErrorCode.SYNC_ITEMS_NOT_KEPT
    assert "2026-01" in str(failure.value)
    assert list(sync_items(database, ACME, add_job(database))) == []


@pytest.mark.parametrize("read", [sync_items, sync_errors, rejects, sync_diffs])
def test_nothing_is_told_of_a_sync_of_another_account(database: Database, sync: UUID, read: type) -> None:
    for sync_id in (sync, uuid4()):
        with pytest.raises(Invalid) as failure:
            read(database, AccountId("other"), sync_id)
        assert failure.value.code is ErrorCode.UNKNOWN_SYNC
