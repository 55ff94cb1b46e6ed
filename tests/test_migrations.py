"""Migrations: run twice, run at once, and refused where they cannot work."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from consumers.settings import Settings
from pipeline.errors import TryLater
from pipeline.store import migrate


@pytest.fixture
def empty_database(settings: Settings) -> Iterator[str]:
    """The address of a database with nothing in it, dropped afterwards."""
    server, name = settings.database_url.get_secret_value(), f"empty_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(server, dbname=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_the_second_upgrade_finds_nothing_to_do(empty_database: str) -> None:
    assert migrate.pending(empty_database) == ["0001_initial"]
    assert migrate.upgrade(empty_database) == ["0001_initial"]
    assert migrate.upgrade(empty_database) == []
    assert migrate.pending(empty_database) == []


def test_of_four_upgrades_at_once_one_does_the_work(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(migrate.upgrade, [empty_database] * 4))
    assert sorted(done) == [[], [], [], ["0001_initial"]]


def test_a_failed_migration_leaves_nothing_behind(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE snapshot_jobs ()")  # the last table of the first migration is in the way
    with pytest.raises(migrate.UpgradeError, match="snapshot_jobs"):
        migrate.upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        tables = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
    assert tables == [("snapshot_jobs",)]


def test_a_schema_of_a_newer_version_is_refused(empty_database: str) -> None:
    migrate.upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(migrate.UpgradeError, match="newer version"):
        migrate.upgrade(empty_database)


def test_an_old_server_is_refused(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "MINIMUM_SERVER", 99)
    with pytest.raises(migrate.UpgradeError, match="needs 99 or newer"):
        migrate.upgrade(empty_database)


def test_a_server_that_is_down_is_named() -> None:
    with pytest.raises(TryLater, match="PostgreSQL does not answer"):
        migrate.upgrade("postgresql://postgres@127.0.0.1:1/nothing")
