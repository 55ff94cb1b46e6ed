"""Housekeeping: the log has its partitions, and what is too old goes without anything being lost or unproved."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from consumers.settings import Settings
from pipeline import retention
from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.retention import (
    create_partitions,
    delete_old_commands,
    fold_oldest_month,
)
from pipeline.store.database import Database
from pipeline.store.outbox import publish_outbox
from tests.support.diary import Diary, make_older, publish_all
from tests.support.housekeeping import ask, broken, holding, kept_since, upkeep_until
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import levels, results

OLD = timedelta(days=70)
"""Older than the month before the present one, whatever the day."""


def partitions(database: Database) -> list[str]:
    return [name for (name,) in ask(database, "SELECT inhrelid::regclass::text FROM pg_inherits "
                                    "WHERE inhparent = 'change_log'::regclass ORDER BY 1")]  # fmt: skip


def lines_by_partition(database: Database) -> dict[str, int]:
    return dict(ask(database, "SELECT tableoid::regclass::text, count(*) FROM change_log GROUP BY 1"))


@pytest.fixture
def old(database: Database) -> Database:
    """Stock of all kinds whose history is half old and half of today; all of it is published."""
    diary = Diary(database)
    diary.open()
    diary.be_busy(1, commands=30)
    publish_all(database)
    make_older(database, OLD)
    diary.be_busy(2, commands=30)
    publish_all(database)
    assert broken(database) == []
    return database


# Partitions ----------------------------------------------------------------------------------------------------------


def test_a_new_database_has_partitions_for_this_month_and_the_next_two(database: Database) -> None:
    assert create_partitions(database) == []
    assert len(partitions(database)) == 4


def test_missing_partitions_are_made_once_however_many_schedulers_do_it(database: Database) -> None:
    before = partitions(database)
    with database.transaction() as connection:
        for name in before[:3]:
            connection.execute(f"DROP TABLE {name}")  # type: ignore[call-overload]
    with ThreadPoolExecutor(4) as pool:
        made = [month for months in pool.map(lambda _: create_partitions(database), range(4)) for month in months]
    assert len(made) == 3
    assert partitions(database) == before


def test_lines_of_a_month_without_partition_are_kept_and_moved_when_it_gets_one(old: Database) -> None:
    waiting = lines_by_partition(old)["change_log_default"]
    [month] = create_partitions(old)
    assert waiting > 10
    assert lines_by_partition(old)[f"change_log_{month:%Y_%m}"] == waiting
    assert "change_log_default" not in lines_by_partition(old)
    assert broken(old) == []


def test_a_writer_of_the_default_partition_is_not_waited_for_for_long(old: Database) -> None:
    with holding(old, "UPDATE change_log_default SET note = 'busy'"), pytest.raises(TryLater):
        create_partitions(old)
    assert len(create_partitions(old)) == 1


def test_a_new_partition_takes_no_version_twice(database: Database) -> None:
    fill_catalogue(database)
    apply_commands([stock("1", "add", 5)], database)
    with pytest.raises(psycopg.errors.UniqueViolation), database.transaction() as connection:
        connection.execute("INSERT INTO change_log SELECT * FROM change_log")


# The change log ------------------------------------------------------------------------------------------------------


def test_an_old_month_is_folded_and_dropped_and_the_audit_still_proves_every_level(old: Database) -> None:
    [month] = create_partitions(old)
    of_today = sum(count for name, count in lines_by_partition(old).items() if not name.endswith(f"{month:%Y_%m}"))
    before = levels(old)
    assert fold_oldest_month(old, 1) == month
    assert fold_oldest_month(old, 1) is None
    assert sum(lines_by_partition(old).values()) == of_today > 10
    assert f"change_log_{month:%Y_%m}" not in partitions(old)
    assert kept_since(old, "change_log").date() == (month + timedelta(days=31)).replace(day=1)
    assert levels(old) == before
    assert broken(old) == []
    apply_commands([stock("later", "add", 5)], old)
    assert broken(old) == []


def test_months_are_folded_one_by_one_and_add_up(old: Database) -> None:
    create_partitions(old)
    make_older(old, timedelta(days=40))
    Diary(old).be_busy(3, commands=30)
    publish_all(old)
    months = create_partitions(old)
    folded = []
    while month := fold_oldest_month(old, 1):
        folded.append(month)
        assert broken(old) == []
    assert folded == sorted(folded)
    assert folded[0] in months
    assert len(lines_by_partition(old)) <= 2


def test_as_many_months_as_are_wanted_stay(old: Database) -> None:
    create_partitions(old)
    assert fold_oldest_month(old, 3) is None
    assert kept_since(old, "change_log") is None


def test_a_month_with_changes_that_wait_to_be_published_stays(database: Database) -> None:
    fill_catalogue(database)
    apply_commands([stock("1", "add", 5)], database)
    make_older(database, OLD)
    create_partitions(database)
    with pytest.raises(TryLater, match="published"):
        fold_oldest_month(database, 1)
    published: list[str] = []
    publish_outbox(database, lambda messages: published.extend(message.id for message in messages), 1000)
    assert any(id_.startswith("acme:") and id_.endswith(":1") for id_ in published)
    assert fold_oldest_month(database, 1) is not None


def test_a_reader_of_the_log_is_not_waited_for_for_long(old: Database) -> None:
    create_partitions(old)
    with holding(old, "SELECT FROM change_log"), pytest.raises(TryLater):
        fold_oldest_month(old, 1)
    assert ask(old, "SELECT FROM change_log_folds") == []
    assert fold_oldest_month(old, 1) is not None
    assert broken(old) == []


def test_two_schedulers_fold_a_month_once(old: Database) -> None:
    [month] = create_partitions(old)
    with ThreadPoolExecutor(2) as pool:
        folded = set(pool.map(lambda _: fold_oldest_month(old, 1), range(2)))
    assert folded == {month, None}
    assert broken(old) == []


def test_what_is_on_its_way_stays_when_its_history_goes(database: Database) -> None:
    fill_catalogue(database)
    where = {"warehouse_id": "w1", "sku": "A"}
    goods = {"transfer_id": "t1", "from_warehouse_id": "w1", "to_warehouse_id": "w2"}
    apply_commands(
        [
            stock("1", "add", 5),
            order("2", "inventory.schedule", **where, quantity=3, due_at="2030-01-01T00:00:00Z", schedule_id="s1"),
            order("3", "transfer.shipped", **goods, lines=[{"sku": "A", "quantity": 2}]),
        ],
        database,
    )
    publish_all(database)
    make_older(database, OLD)
    create_partitions(database)
    assert fold_oldest_month(database, 1)
    assert delete_old_commands(database, 30)
    assert broken(database) == []
    apply_commands(
        [order("4", "inventory.cancel-schedule", schedule_id="s1"), order("5", "transfer.received", transfer_id="t1")],
        database,
    )
    assert results(database) == {"4": ("applied", None), "5": ("applied", None)}
    assert ask(database, "SELECT sum(incoming), sum(available) FROM levels") == [(0, 5)]
    assert broken(database) == []


# Commands ------------------------------------------------------------------------------------------------------------


def test_old_commands_are_forgotten_a_few_at_a_time(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "COMMANDS_AT_ONCE", 10)
    new = {command_id for command_id in results(old) if command_id.startswith("2-")}
    counts = []
    while count := delete_old_commands(old, 30):
        counts.append(count)
        assert broken(old) == []
    assert set(counts[:-1]) == {10}
    assert results(old).keys() == new
    assert kept_since(old, "commands") is not None


def test_a_command_that_is_not_old_is_still_known(old: Database) -> None:
    before = results(old)
    assert delete_old_commands(old, 71) == 0
    assert results(old) == before
    assert kept_since(old, "commands") is None


def test_how_far_back_commands_are_known_never_goes_back(old: Database) -> None:
    assert delete_old_commands(old, 30)
    since = kept_since(old, "commands")
    make_older(old, timedelta(days=100))
    assert delete_old_commands(old, 90)
    assert kept_since(old, "commands") == since


def test_a_result_that_waits_to_be_published_is_not_deleted(database: Database) -> None:
    fill_catalogue(database)
    apply_commands([stock("1", "add", 5)], database)
    make_older(database, OLD)
    assert delete_old_commands(database, 1) == 0
    publish_all(database)
    assert delete_old_commands(database, 1) == len(["c1", "c2", "c3", "c4", *"ABCD", "1"])


def test_the_id_of_a_forgotten_command_is_new_again(old: Database) -> None:
    old_id = next(command_id for command_id, (status, _) in results(old).items() if status == "applied")
    again = order(old_id, "inventory.add", warehouse_id="w1", sku="D", quantity=4)
    while delete_old_commands(old, 30):
        pass
    apply_commands([again], old)
    assert levels(old)["w1", "D", "unassigned"] == (4, 1)
    assert broken(old) == []


# The loop ------------------------------------------------------------------------------------------------------------


def test_the_scheduler_keeps_house(old: Database, settings: Settings) -> None:
    busy = settings.model_copy(update={"upkeep_seconds": 0.05, "log_retention_months": 1})

    def done() -> bool:
        return "change_log_default" not in lines_by_partition(old) and kept_since(old, "commands") is not None

    asyncio.run(upkeep_until(old, busy, lambda: done() and kept_since(old, "change_log"), "folded and forgotten"))
    assert all(command_id.startswith("2-") for command_id in results(old))
    assert broken(old) == []


def test_without_a_setting_the_log_is_kept_for_ever(old: Database, settings: Settings) -> None:
    asyncio.run(upkeep_until(old, settings, lambda: kept_since(old, "commands"), "commands forgotten"))
    assert kept_since(old, "change_log") is None
    assert settings.command_retention_days == 30


def test_the_scheduler_goes_on_after_what_it_could_not_do(
    old: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    busy = settings.model_copy(update={"upkeep_seconds": 0.05, "log_retention_months": 1})
    create_partitions(old)
    with caplog.at_level(logging.WARNING), holding(old, "SELECT FROM change_log"):
        asyncio.run(upkeep_until(old, busy, lambda: "upkeep: " in caplog.text, "a warning"))
        assert kept_since(old, "change_log") is None
    asyncio.run(upkeep_until(old, busy, lambda: kept_since(old, "change_log"), "folded"))
