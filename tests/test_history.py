"""History: stock can be seen as it was at any time; what is not known any more is refused. test_log.py has the log."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.settings import Settings
from infra.cli import app
from pipeline import history
from pipeline.commands.handler import apply_commands
from pipeline.errors import Invalid
from pipeline.history import Changes, change_log, levels_at, levels_at_version
from pipeline.retention import create_partitions, fold_oldest_month
from pipeline.store.database import Database
from pipeline.views import Stock
from schemas.errors import ErrorCode
from schemas.identifiers import AccountId, LocationId, LotId, Sku, WarehouseId
from tests.support.diary import ACME, Diary, Place, Seen, by_place, make_older, publish_all
from tests.support.orders import order, stock

W1, A = WarehouseId("w1"), Sku("A")
EVERYTHING = Stock()
OLD = timedelta(days=70)
"""Older than the month before the present one, whatever the day."""


@pytest.fixture
def diary(database: Database) -> Diary:
    """A diary with a catalogue."""
    diary = Diary(database)
    diary.open()
    return diary


def just(place: Place) -> Stock:
    """That level and no other; of one without lot also those with lots, which a SKU has not at the same time."""
    warehouse_id, sku, location_id, lot_id = place
    return Stock(WarehouseId(warehouse_id), Sku(sku), LocationId(location_id), LotId(lot_id) if lot_id else None)


def assert_that_all_of_it_is_remembered(diary: Diary, pages: list[Seen]) -> None:
    for page in pages:
        assert by_place(levels_at(diary.database, ACME, EVERYTHING, page.instant)) == page.levels
        for place, level in page.levels.items():
            then = levels_at_version(diary.database, ACME, just(place), level["version"])
            assert by_place(then) == {place: level}


def assert_that_it_is_forgotten(then: Callable[[], Any], since: str) -> None:
    with pytest.raises(Invalid) as failure:
        list(then())
    assert failure.value.code is ErrorCode.HISTORY_NOT_KEPT
    assert since in str(failure.value)


# As of ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_levels_are_as_they_were_seen_at_every_instant_and_version(diary: Diary, seed: int) -> None:
    diary.be_busy(seed, commands=60)
    levels = [level for page in diary.pages for level in page.levels.values()]
    states = {name for level in levels for name, value in level.items() if value}
    assert states >= {"available", "reserved", "damaged", "safety_stock", "quality_control", "incoming", "lot_id"}
    assert_that_all_of_it_is_remembered(diary, diary.pages)


def test_several_changes_of_one_batch_are_several_versions(diary: Diary) -> None:
    diary.give(stock("1", "add", 5), stock("2", "add", 2))
    quantities = [next(levels_at_version(diary.database, ACME, Stock(W1, A), v))["available"] for v in (1, 2)]
    assert quantities == [5, 7]


def test_history_goes_through_the_months(diary: Diary) -> None:
    diary.be_busy(1, commands=20)
    break_ = diary.pages[-1].instant
    diary.be_busy(2, commands=20)
    make_older(diary.database, OLD, until=break_)
    create_partitions(diary.database)
    then = [page._replace(instant=page.instant - OLD) if page.instant <= break_ else page for page in diary.pages]
    assert_that_all_of_it_is_remembered(diary, then)


def test_what_is_left_of_a_folded_log_is_remembered_and_the_rest_is_refused(diary: Diary) -> None:
    diary.be_busy(1, commands=20)
    break_ = diary.pages[-1].instant
    diary.be_busy(2, commands=20)
    publish_all(diary.database)
    make_older(diary.database, OLD, until=break_)
    create_partitions(diary.database)
    month = fold_oldest_month(diary.database, 1)
    assert month is not None
    since = (datetime(month.year, month.month, 1, tzinfo=UTC) + timedelta(days=31)).replace(day=1)

    assert_that_all_of_it_is_remembered(diary, [page for page in diary.pages if page.instant >= break_])
    assert by_place(levels_at(diary.database, ACME, EVERYTHING, since)) == diary.pages[19].levels
    just_before = since - timedelta(microseconds=1)
    assert_that_it_is_forgotten(lambda: levels_at(diary.database, ACME, EVERYTHING, just_before), since.isoformat())
    place, level = max(diary.pages[19].levels.items(), key=lambda item: item[1]["version"])
    assert_that_it_is_forgotten(
        lambda: levels_at_version(diary.database, ACME, just(place), level["version"] - 1),
        f"version {level['version']}",
    )


def test_a_month_that_is_dropped_between_two_pages_is_noticed(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_BY_PLACE", replace(history._BY_PLACE, page=1))
    diary.give(stock("1", "add", 5), stock("2", "add", 5, sku="B"), stock("3", "add", 5, sku="C"))
    publish_all(diary.database)
    make_older(diary.database, OLD)
    create_partitions(diary.database)
    rows = levels_at(diary.database, ACME, EVERYTHING, datetime.now(UTC) - OLD)
    assert next(rows)["sku"] == "A"
    assert fold_oldest_month(diary.database, 1)
    assert_that_it_is_forgotten(lambda: rows, "it begins at")


def test_a_level_that_had_no_version_then_is_left_out(diary: Diary) -> None:
    diary.look()
    diary.give(stock("1", "add", 5))
    diary.give(stock("2", "add", 5, location_id="b1"), stock("3", "add", 1, location_id="b1"))
    assert list(levels_at(diary.database, ACME, EVERYTHING, diary.pages[0].instant)) == []
    assert [row["location_id"] for row in levels_at_version(diary.database, ACME, Stock(W1, A), 2)] == ["b1"]
    assert list(levels_at_version(diary.database, ACME, Stock(W1, A), 3)) == []


def test_of_another_account_nothing_is_remembered(diary: Diary) -> None:
    diary.give(stock("1", "add", 5))
    other = AccountId("other")
    assert list(levels_at(diary.database, other, EVERYTHING, datetime.now(UTC))) == []
    assert list(levels_at_version(diary.database, other, Stock(W1, A), 1)) == []


# The command line ----------------------------------------------------------------------------------------------------


def onhand(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--account", "acme"])


def json_lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_onhand_levels_shows_stock_as_of_a_time_or_a_version(settings: Settings, diary: Diary) -> None:
    diary.give(stock("1", "add", 5))
    diary.give(stock("2", "add", 2))
    then = diary.pages[0].instant
    place = ("--warehouse", "w1", "--sku", "A", "--json")
    for as_of in (then.isoformat(), then.astimezone(UTC).replace(tzinfo=None).isoformat(), "1"):
        [level] = json_lines(onhand("levels", "--as-of", as_of, *place))
        assert (level["available"], level["version"]) == (5, 1)
    assert [level["available"] for level in json_lines(onhand("levels", "--json"))] == [7]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["levels", "--as-of", "3", "--sku", "A"], "--warehouse and --sku"),
        (["levels", "--as-of", "0", "--sku", "A", "--warehouse", "w1"], "begin with 1"),
        (["levels", "--as-of", "yesterday"], "ISO 8601"),
        (["log", "--since", "2026-13-01"], "ISO 8601"),
    ],
)
def test_what_cannot_be_asked_is_refused_as_misuse(settings: Settings, arguments: list[str], said: str) -> None:
    result = onhand(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_onhand_levels_says_how_far_back_history_goes(settings: Settings, diary: Diary) -> None:
    with diary.database.transaction() as connection:
        connection.execute("INSERT INTO retention VALUES ('change_log', '2026-09-01T00:00:00Z')")
    result = onhand("levels", "--as-of", "2026-08-31")
    assert result.exit_code == 1
    assert "2026-09-01T00:00:00+00:00" in result.stderr
    assert "bug" not in result.stderr


def test_onhand_log_filters(settings: Settings, diary: Diary) -> None:
    diary.be_busy(4, commands=30)
    rows = list(change_log(diary.database, ACME, Changes()))
    some = next(row for row in rows if row["sku"] == "L" and row["actor"] == "mia")
    options = {
        **{"--warehouse": "w1", "--sku": "L", "--location": some["location_id"], "--lot": some["lot_id"]},
        **{"--reason": some["reason"], "--actor": "mia", "--document": some["document"]},
        **{"--command": some["command_id"], "--since": some["recorded_at"].isoformat(), "--until": "2999-01-01"},
    }
    for option, value in options.items():
        lines = json_lines(onhand("log", option, value, "--json"))
        assert some["command_id"] in {line["command_id"] for line in lines}, option
        assert len(lines) < len(rows) or option in {"--warehouse", "--until"}
    every = json_lines(onhand("log", "--json", *(word for pair in options.items() for word in pair)))
    assert {line["command_id"] for line in every} == {some["command_id"]}


def test_a_provider_reads_the_history_of_a_customer_only_with_its_leave(settings: Settings, diary: Diary) -> None:
    diary.give(stock("1", "add", 5))
    for command in (["log"], ["levels", "--as-of", "2999-01-01"]):
        asked = [*command, "--account", "3pl", "--customer-account", "acme", "--json"]
        refused = CliRunner().invoke(app, asked)
        assert refused.exit_code == 1
        assert ErrorCode.FORBIDDEN_ACCOUNT.meaning.rstrip(".") in refused.stderr
    apply_commands([order("link", "account.link", provider_account_id="3pl", scope="read")], diary.database)
    for command in (["log"], ["levels", "--as-of", "2999-01-01"]):
        asked = [*command, "--account", "3pl", "--customer-account", "acme", "--json"]
        assert [line["sku"] for line in json_lines(CliRunner().invoke(app, asked))] == ["A"]
