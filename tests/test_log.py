"""The change log: every filter gives the lines that match, newest first, and no page reads all of the log."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pipeline import history
from pipeline.history import Changes, change_log
from pipeline.retention import create_partitions, delete_old_commands
from pipeline.store.database import Database
from pipeline.store.pages import Row
from pipeline.store.statements import statements
from pipeline.views import Stock
from schemas.identifiers import AccountId, LocationId, LotId, Sku, WarehouseId
from tests.support.diary import ACME, Diary, make_older, publish_all
from tests.support.orders import order, stock

W1, A = WarehouseId("w1"), Sku("A")
OLD = timedelta(days=70)


@pytest.fixture
def diary(database: Database) -> Diary:
    """A diary with a catalogue."""
    diary = Diary(database)
    diary.open()
    return diary


FILTERS: dict[str, tuple[Callable[[list[Row]], Changes], Callable[[Row, list[Row]], bool]]] = {
    "all": (lambda _: Changes(), lambda *_: True),
    "warehouse": (lambda _: Changes(Stock(W1)), lambda row, _: row["warehouse_id"] == "w1"),
    "sku": (lambda _: Changes(Stock(sku=A)), lambda row, _: row["sku"] == "A"),
    "location": (lambda _: Changes(Stock(location_id=LocationId("b1"))), lambda row, _: row["location_id"] == "b1"),
    "lot": (lambda _: Changes(Stock(lot_id=LotId("lot2"))), lambda row, _: row["lot_id"] == "lot2"),
    "sku and reason": (
        lambda _: Changes(Stock(sku=A), reason="damaged"),
        lambda row, _: (row["sku"], row["reason"]) == ("A", "damaged"),
    ),
    "reason": (lambda _: Changes(reason="damaged"), lambda row, _: row["reason"] == "damaged"),
    "actor": (lambda _: Changes(actor="tom"), lambda row, _: row["actor"] == "tom"),
    "document": (
        lambda rows: Changes(document=rows[7]["document"]),
        lambda row, rows: row["document"] == rows[7]["document"],
    ),
    "document elsewhere": (lambda rows: Changes(Stock(sku=Sku("C")), document=rows[7]["document"]), lambda *_: False),
    "command": (
        lambda rows: Changes(command_id=rows[9]["command_id"]),
        lambda row, rows: row["command_id"] == rows[9]["command_id"],
    ),
    "since": (
        lambda rows: Changes(since=rows[10]["recorded_at"]),
        lambda row, rows: row["recorded_at"] >= rows[10]["recorded_at"],
    ),
    "sku until": (
        lambda rows: Changes(Stock(sku=A), until=rows[10]["recorded_at"]),
        lambda row, rows: row["sku"] == "A" and row["recorded_at"] < rows[10]["recorded_at"],
    ),
}


@pytest.mark.parametrize("few_levels", [0, 100], ids=["by time", "by level"])
@pytest.mark.parametrize("page", [2, 1_000])
def test_each_filter_gives_the_lines_that_match_newest_first(
    diary: Diary, monkeypatch: pytest.MonkeyPatch, page: int, few_levels: int
) -> None:
    diary.be_busy(4, commands=40)
    make_older(diary.database, OLD, until=diary.pages[20].instant)
    rows = list(change_log(diary.database, ACME, Changes()))
    assert [row["recorded_at"] for row in rows] == sorted((row["recorded_at"] for row in rows), reverse=True)
    with diary.database.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM change_log").fetchone() == (len(rows),)

    monkeypatch.setattr(history, "_NEWEST_FIRST", replace(history._NEWEST_FIRST, page=page))
    monkeypatch.setattr(history, "_FEW_LEVELS", few_levels)
    for name, (changes, matches) in FILTERS.items():
        expected = [row for row in rows if matches(row, rows)]
        assert list(change_log(diary.database, ACME, changes(rows))) == expected, name
        assert list(change_log(diary.database, ACME, changes(rows), limit=3)) == expected[:3], name
        assert bool(expected) is (name != "document elsewhere")


def test_a_line_says_all_that_is_known_of_a_change(diary: Diary) -> None:
    lot = {"sku": "L", "lot_id": "lot1", "location_id": "b1"}
    diary.give(stock("1", "add", 5, **lot, reason="received", note="wet", document="PO-1", actor="mia"))
    [line] = change_log(diary.database, ACME, Changes())
    assert isinstance(line.pop("recorded_at"), datetime)
    assert line == {
        **{"warehouse_id": "w1", "sku": "L", "location_id": "b1", "lot_id": "lot1"},
        **{"version": 1, "state": "available", "before": 0, "delta": 5, "after": 5},
        **{"reason": "received", "note": "wet", "document": "PO-1", "actor": "mia"},
        **{
            "provider_account_id": None,
            "origin": None,
            "command_id": "1",
            "command_source": "test",
            "sync_id": None,
            "sync_row": None,
        },
    }


def test_another_account_finds_none_of_it(diary: Diary) -> None:
    diary.give(stock("1", "add", 5, document="D"))
    for changes in (Changes(), Changes(Stock(W1, A)), Changes(document="D"), Changes(command_id="1")):
        assert len(list(change_log(diary.database, ACME, changes))) == 1
        assert list(change_log(diary.database, AccountId("other"), changes)) == []


def test_a_command_is_found_whoever_sent_it_and_also_when_it_is_forgotten(diary: Diary) -> None:
    link = order("link", "account.link", provider_account_id="3pl")
    by_provider = order("1", "inventory.add", warehouse_id="w1", sku="A", quantity=7, account_id="3pl",
                        customer_account_id="acme")  # fmt: skip
    diary.give(link)
    diary.give(stock("1", "add", 5))
    diary.give(by_provider)

    def found() -> list[tuple[int, str | None]]:
        lines = change_log(diary.database, ACME, Changes(command_id="1"))
        return [(line["delta"], line["provider_account_id"]) for line in lines]

    assert found() == [(7, "3pl"), (5, None)]
    assert list(change_log(diary.database, AccountId("3pl"), Changes(command_id="1"))) == []
    publish_all(diary.database)
    make_older(diary.database, OLD)
    assert delete_old_commands(diary.database, 30)
    assert found() == [(7, "3pl"), (5, None)]
    diary.give(stock("1", "add", 5))
    assert found() == [(5, None), (7, "3pl"), (5, None)]


@pytest.fixture
def long_log(database: Database) -> Database:
    """30,000 lines of 1,000 levels in three months."""
    with database.transaction() as connection:
        connection.execute(
            """INSERT INTO levels (account_id, warehouse_id, sku, location_id)
               SELECT 'acme', 'w1', 'S' || n, 'unassigned' FROM generate_series(0, 999) AS n"""
        )
        connection.execute(
            """INSERT INTO change_log
                   (account_id, level_id, version, state, delta, after, batch_id, recorded_at, document)
               SELECT 'acme', l.level_id, n, 'available', 1, n, n * 1000 + right(l.sku, -1)::int,
                      now() - n * interval '2 days' - right(l.sku, -1)::int * interval '1 second',
                      CASE WHEN n = 7 THEN 'D-' || l.sku END
               FROM levels AS l, generate_series(1, 30) AS n"""
        )
    create_partitions(database)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    return database


@pytest.mark.parametrize(
    ("statement", "changes", "expected"),
    [
        ("lines_of_levels", Changes(Stock(sku=Sku("S7"))), 30),
        ("lines_by_time", Changes(), 50),
        ("lines_by_time", Changes(until=datetime.now(UTC) - timedelta(days=30)), 50),
        ("lines_of_document", Changes(document="D-S7"), 1),
    ],
)
def test_a_page_does_not_read_the_whole_log(
    long_log: Database, statement: str, changes: Changes, expected: int
) -> None:
    asked = changes.parameters(ACME)
    asked["level_ids"] = history._matching_levels(long_log, asked) if statement == "lines_of_levels" else []
    asked |= {f"after_{name}": value for name, value in history._NEWEST_FIRST.key.items()} | {"limit": 50}
    with long_log.transaction() as connection:
        row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {history._composed(statement)}", asked).fetchone()
    assert row is not None
    [explained] = row[0]
    assert explained["Plan"]["Actual Rows"] == expected
    assert _lines_read(explained["Plan"]) <= 100


def _lines_read(plan: dict[str, Any]) -> float:
    read = 0.0
    if plan.get("Relation Name", "").startswith("change_log"):
        read = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return read + sum(_lines_read(part) for part in plan.get("Plans", ()))


def test_the_relay_finds_the_lines_of_its_batches_without_reading_the_log(long_log: Database) -> None:
    with long_log.transaction() as connection:
        row = connection.execute("SELECT batch_id, recorded_at FROM change_log ORDER BY recorded_at LIMIT 1").fetchone()
        assert row is not None
        query = statements("outbox")["copy_changes_of_batches"].partition("COPY (")[2].rpartition(") TO STDOUT")[0]
        asked = {"account_ids": ["acme"], "batch_ids": [row[0]], "times": [row[1]]}
        explained = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", asked).fetchone()  # type: ignore[arg-type]
    assert explained is not None
    assert explained[0][0]["Plan"]["Actual Rows"] == 1
    assert _lines_read(explained[0][0]["Plan"]) <= 10
