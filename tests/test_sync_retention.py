"""Housekeeping: the rows of syncs have their partitions, and old ones go by the month; the jobs keep their counts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import pytest

from consumers.settings import Settings
from pipeline.errors import TryLater
from pipeline.retention import SYNC_TABLES, create_sync_partitions, drop_oldest_sync_month
from pipeline.store.database import Database
from tests.support.housekeeping import ask, broken, holding, kept_since, upkeep_until


def sync_partitions(database: Database) -> set[str]:
    return {name for parent, name in ask(database, "SELECT inhparent::regclass::text, inhrelid::regclass::text "
                                         "FROM pg_inherits") if parent in SYNC_TABLES}  # fmt: skip


def month_ago(database: Database, months: int) -> date:
    [(month,)] = ask(
        database, f"SELECT date_trunc('month', now() AT TIME ZONE 'UTC' - interval '{months} months')::date"
    )
    assert isinstance(month, date)
    return month


def old_sync(database: Database, months: int, *, ended: bool = True) -> tuple[str, date]:
    """A sync with two rows, one of them kept as it stands in the file, that began so many months ago; id and month."""
    sync_id, month = str(uuid4()), month_ago(database, months)
    with database.transaction() as connection:
        connection.execute("SELECT create_sync_partitions(%s)", [month])
        connection.execute(
            """INSERT INTO sync_jobs (account_id, sync_id, warehouse_id, url, status, items_month, total_count,
                                      success_count, error_count, finished_at)
               VALUES ('acme', %s, 'w1', 's3://uploads/x', %s, %s, 2, 1, 1, %s)""",
            [sync_id, "partial" if ended else "processing", month, month if ended else None],
        )
        for row, status in enumerate(("success", "error"), 1):
            connection.execute(
                """INSERT INTO sync_items (account_id, sync_id, month, row, line, byte_offset, status)
                   VALUES ('acme', %s, %s, %s, %s, 0, %s)""", [sync_id, month, row, row + 1, status])  # fmt: skip
        connection.execute("INSERT INTO sync_rejects VALUES ('acme', %s, %s, 2, 'A,x')", [sync_id, month])
        connection.execute(
            "INSERT INTO sync_diffs VALUES ('acme', %s, %s, 1, 1, 'acme', 'w1', 'A', 'unassigned', '', 1, 2)",
            [sync_id, month],
        )
    return sync_id, month


def named(month: date) -> list[str]:
    """The partitions of a month."""
    return [f"{table}_{month:%Y_%m}" for table in SYNC_TABLES]


def rows_of(database: Database, sync_id: str) -> list[int]:
    """How many rows of a sync each of SYNC_TABLES has."""
    counts = """SELECT (SELECT count(*) FROM sync_items WHERE sync_id = %(id)s),
                       (SELECT count(*) FROM sync_rejects WHERE sync_id = %(id)s),
                       (SELECT count(*) FROM sync_diffs WHERE sync_id = %(id)s)"""
    with database.transaction() as connection:
        return list(connection.execute(counts, {"id": sync_id}).fetchone() or ())


def test_a_new_database_has_partitions_for_the_rows_of_syncs_of_this_month_and_the_next_two(database: Database) -> None:
    assert create_sync_partitions(database) == []
    assert len(sync_partitions(database)) == 3 * 3


def test_missing_partitions_for_rows_of_syncs_are_made_once_however_many_schedulers_do_it(database: Database) -> None:
    before = sync_partitions(database)
    with database.transaction() as connection:
        for name in before:
            connection.execute(f"DROP TABLE {name}")  # type: ignore[call-overload]
    with ThreadPoolExecutor(4) as pool:
        made = [month for months in pool.map(lambda _: create_sync_partitions(database), range(4)) for month in months]
    assert sorted(made) == [month_ago(database, -n) for n in range(3)]
    assert sync_partitions(database) == before


def test_rows_of_old_syncs_go_with_their_month_and_the_jobs_keep_their_counts(database: Database) -> None:
    (oldest, first), (old, second), (young, third) = (old_sync(database, months) for months in (4, 2, 1))
    assert drop_oldest_sync_month(database, 1) == first
    assert rows_of(database, oldest) == [0, 0, 0]
    assert rows_of(database, old) == [2, 1, 1]
    assert drop_oldest_sync_month(database, 1) == second
    assert drop_oldest_sync_month(database, 1) is None
    assert rows_of(database, young) == [2, 1, 1]
    assert kept_since(database, "sync_items").date() == third
    assert sync_partitions(database).isdisjoint(named(first) + named(second))
    assert ask(database, "SELECT total_count, success_count, error_count FROM sync_jobs") == [(2, 1, 1)] * 3
    assert broken(database) == []


def test_as_many_months_of_rows_as_are_wanted_stay(database: Database) -> None:
    sync_id, _ = old_sync(database, 4)
    assert drop_oldest_sync_month(database, 4) is None
    assert rows_of(database, sync_id) == [2, 1, 1]
    assert kept_since(database, "sync_items") is None


def test_a_month_with_a_sync_that_has_not_ended_stays_and_holds_no_other_up(database: Database) -> None:
    held, _ = old_sync(database, 5, ended=False)
    beside, _ = old_sync(database, 5)
    old, month = old_sync(database, 3)
    assert drop_oldest_sync_month(database, 1) == month
    assert drop_oldest_sync_month(database, 1) is None
    assert rows_of(database, held) == rows_of(database, beside) == [2, 1, 1]
    assert rows_of(database, old) == [0, 0, 0]
    assert broken(database) == []
    ask(database, "UPDATE sync_jobs SET status = 'partial', finished_at = now() WHERE finished_at IS NULL RETURNING 1")
    assert drop_oldest_sync_month(database, 1) is not None
    assert rows_of(database, held) == [0, 0, 0]
    assert kept_since(database, "sync_items").date() == month_ago(database, 2)
    assert broken(database) == []


@pytest.mark.parametrize("table", SYNC_TABLES)
def test_a_reader_of_the_rows_is_not_waited_for_for_long(database: Database, table: str) -> None:
    sync_id, month = old_sync(database, 3)
    with holding(database, f"SELECT FROM {table}"), pytest.raises(TryLater):
        drop_oldest_sync_month(database, 1)
    assert rows_of(database, sync_id) == [2, 1, 1]
    assert drop_oldest_sync_month(database, 1) == month


def test_two_schedulers_drop_a_month_of_rows_once(database: Database) -> None:
    _, month = old_sync(database, 3)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: drop_oldest_sync_month(database, 1), range(2))) == {month, None}


def test_the_scheduler_drops_old_rows_of_syncs_and_forgets_old_events(database: Database, settings: Settings) -> None:
    busy = settings.model_copy(update={"upkeep_seconds": 0.05, "sync_item_retention_months": 2})
    sync_id, _ = old_sync(database, 4)
    with database.transaction() as connection:
        connection.execute("DROP TABLE " + ", ".join(named(month_ago(database, -2))))  # type: ignore[call-overload]
        connection.execute("INSERT INTO upload_events VALUES ('uploads', 'k', 'A', now() - interval '31 days')")

    def done() -> bool:
        return ask(database, "SELECT FROM upload_events") == [] and rows_of(database, sync_id) == [0, 0, 0]

    asyncio.run(upkeep_until(database, busy, done, "dropped and forgotten"))
    assert len(sync_partitions(database)) == 3 * 3


def test_without_a_setting_the_rows_of_syncs_are_kept_for_ever(database: Database, settings: Settings) -> None:
    sync_id, _ = old_sync(database, 9)
    with database.transaction() as connection:
        connection.execute("INSERT INTO upload_events VALUES ('uploads', 'k', 'A', now() - interval '31 days')")
    forgotten = "the last step of the first round"
    asyncio.run(upkeep_until(database, settings, lambda: ask(database, "SELECT FROM upload_events") == [], forgotten))
    assert rows_of(database, sync_id) == [2, 1, 1]
