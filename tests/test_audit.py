"""The audit holds on good data, and each of its proofs fails on data that was damaged behind onhand's back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline import audit as auditing
from pipeline.audit import audit
from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.retention import create_partitions, delete_old_commands, drop_oldest_sync_month, fold_oldest_month
from pipeline.store.database import Database
from tests.support.databases import copy_of
from tests.support.diary import make_older, publish_all
from tests.support.orders import fill_catalogue, order, stock
from tests.support.planted import Row, plant_sync

SUMS = "the change log adds up to every level and state"
VERSIONS = "versions count 1..n without a gap or a jump"
INCOMING = "what is incoming is what schedules and transfers have yet to bring"
COMMITTED = "what is committed is what documents have allocated"
NEGATIVES = "no state is below zero where that is not allowed"
COMMANDS = "each command took effect as its one result says"
SYNC_COUNTS = "the counts of a sync that goes on are never more than what it has"
SYNC_ROWS = "each row of an ended sync has one status, and the counts add up"
SYNC_CHANGES = "each change of a sync belongs to one row, and each changed row to one change"
UNPUBLISHED = "no change waits to be published for more than a minute"

OF_SYNC = {
    "plain": "sync_id = (SELECT sync_id FROM sync_jobs WHERE url = 'plain')",
    "later": "sync_id = (SELECT sync_id FROM sync_jobs WHERE url = 'later')",
}


@pytest.fixture(scope="module")
def stocked_url(template_url: str) -> Iterator[str]:
    """A database that all proofs hold for: commands of every outcome, syncs that ended in every way."""
    with copy_of(template_url) as url:
        database = Database(url)
        _stock(database)
        database.close()
        yield url


@pytest.fixture(scope="module")
def folded_url(stocked_url: str) -> Iterator[str]:
    """The same, long ago: its log was folded and its commands are forgotten. Then some of it went on."""
    with copy_of(stocked_url) as url:
        database = Database(url)
        publish_all(database)
        make_older(database, timedelta(days=70))
        create_partitions(database)
        assert fold_oldest_month(database, 1)
        assert delete_old_commands(database, 30)
        apply_commands([stock("6", "add", 5), stock("7", "remove", 1), stock("1", "add", 1, sku="B")], database)
        plant_sync(database, "later", [Row("success", "B", -6), Row("success", "A", -2)])
        database.close()
        yield url


@pytest.fixture
def stocked(stocked_url: str) -> Iterator[Database]:
    """A copy of it, to be damaged."""
    yield from _copied(stocked_url)


@pytest.fixture
def folded(folded_url: str) -> Iterator[Database]:
    """A copy of it, to be damaged."""
    yield from _copied(folded_url)


def _copied(template: str) -> Iterator[Database]:
    """What waits to be published there has just been written, however long ago the template was filled."""
    with copy_of(template) as url:
        database = Database(url)
        with database.transaction() as connection:
            connection.execute("UPDATE outbox SET created_at = now()")
        yield database
        database.close()


def _stock(database: Database) -> None:
    fill_catalogue(database)
    apply_commands(
        [
            stock("1", "add", 5), stock("2", "remove", 2), stock("3", "remove", 99), stock("4", "replace", 3),
            order("w", "warehouse.upsert", warehouse_id="w2", name="Two", slotting="static", allow_negative=True),
            stock("5", "remove", 4, warehouse_id="w2"),
            order("twice", "inventory.add", lines=[{"warehouse_id": "w1", "sku": "D", "quantity": n} for n in (1, 2)]),
            stock("soon", "schedule", 6, sku="D", due_at="2030-01-01T00:00:00Z"),
            order("link", "account.link", provider_account_id="3pl"),
            *(order(so, "order.allocated", warehouse_id="w1", document=so, lines=[{"sku": "D", "quantity": 1}])
              for so in ("SO-1", "SO-2")),
        ],
        database,
    )  # fmt: skip
    by_provider = {"account_id": "3pl", "customer_account_id": "acme"}
    goods = {"transfer_id": "t1", "from_warehouse_id": "w1", "to_warehouse_id": "w2"}
    apply_commands([stock("1", "add", 2, sku="D", **by_provider)], database)
    unchanged, changed = Row("success"), (Row("success", "B", 7), Row("success", "C", 9))
    plant_sync(database, "plain", [unchanged, *changed, Row("error", "NOPE")], status="partial")
    apply_commands([order("t", "transfer.shipped", **goods, lines=[{"sku": "C", "quantity": 2}])], database)
    plant_sync(database, "aborted", [Row("aborted", "D")], status="aborted")
    plant_sync(database, "move", [Row("success", "C", -3, to="b1"), Row("success", "C", -1, to="b1")])
    plant_sync(database, "customer", [Row("success", "D", 4)], account_id="3pl", owner="acme")
    plant_sync(database, "merged", [Row("success", "D", merged_into=3), Row("skipped", "D"), Row("success", "D", 2)])
    plant_sync(database, "dry", [Row("success", "D", 5), Row("error")], status="partial", dry_run=True)
    plant_sync(database, "going", [Row("success", "D", -1), Row("error")], status="processing", total=9)


def broken(database: Database, account_id: str | None = None) -> set[str]:
    return {finding.name for finding in audit(database, account_id) if finding.broken}


def test_the_audit_holds_on_good_data_and_says_how_much_it_checked(stocked: Database) -> None:
    findings = audit(stocked)
    assert [(finding.broken, finding.examples) for finding in findings] == [(0, ())] * len(findings)
    assert all(finding.checked for finding in findings)
    assert {finding.invariant for finding in findings} == {1, 2, 3, 4, 5}


def test_the_audit_holds_on_an_empty_database(database: Database) -> None:
    assert broken(database) == set()


@pytest.mark.parametrize(
    ("damage", "proofs"),
    [
        ("UPDATE levels SET available = available + 1 WHERE sku = 'B'", {SUMS}),
        ("UPDATE levels SET incoming = 4 WHERE sku = 'B'", {SUMS, INCOMING}),
        ("UPDATE levels SET available = available - 1, damaged = damaged + 1 WHERE sku = 'B'", {SUMS}),
        ("UPDATE change_log SET delta = delta + 1, after = after + 1 WHERE {plain} AND sync_row = 2", {SUMS}),
        ("DELETE FROM change_log WHERE {plain} AND sync_row = 3", {SUMS, VERSIONS, SYNC_CHANGES}),
        ("DELETE FROM levels WHERE sku = 'B'", {SUMS, VERSIONS}),
        ("UPDATE levels SET version = version + 1 WHERE sku = 'B'", {VERSIONS}),
        ("UPDATE change_log SET version = 9 WHERE command_id = '2'", {VERSIONS}),
        ("UPDATE change_log SET after = after + 1 WHERE command_id = '1'", {VERSIONS}),
        ("INSERT INTO change_log (account_id, level_id, version, state, delta, after, batch_id, recorded_at) "
         "SELECT 'acme', (SELECT level_id FROM levels WHERE sku = 'A' AND warehouse_id = 'w1'), v, 'damaged', d, "
         "CASE d WHEN 1 THEN 1 ELSE 0 END, 1, now() FROM (VALUES (4, 1), (5, -1)) AS t (v, d)", {VERSIONS}),
        ("UPDATE schedules SET quantity = 5", {INCOMING}),
        ("UPDATE schedules SET status = 'cancelled'", {INCOMING}),
        ("UPDATE schedules SET location_id = 'b1'", {INCOMING}),
        ("UPDATE transfer_lines SET received = 1", {INCOMING}),
        ("UPDATE transfer_lines SET lost = 1", {INCOMING}),
        ("UPDATE transfers SET to_warehouse_id = 'w1'", {INCOMING}),
        ("DELETE FROM transfer_lines", {INCOMING}),
        ("UPDATE allocations SET quantity = 2 WHERE document = 'SO-1'", {COMMITTED}),
        ("DELETE FROM allocations WHERE document = 'SO-1'", {COMMITTED}),
        ("DELETE FROM allocations", {COMMITTED}),
        ("INSERT INTO allocations SELECT account_id, 'SO-3', level_id, 1 FROM levels WHERE sku = 'A'", {COMMITTED}),
        ("INSERT INTO allocations SELECT account_id, 'SO-3', 4711, 1 FROM allocations LIMIT 1", {COMMITTED}),
        ("UPDATE allocations SET level_id = (SELECT level_id FROM levels WHERE sku = 'B') WHERE document = 'SO-1'",
         {COMMITTED}),
        ("UPDATE allocations SET account_id = 'other' WHERE document = 'SO-1'", {COMMITTED}),
        ("UPDATE levels SET committed = committed - 1, available = available + 1 WHERE committed > 0",
         {SUMS, COMMITTED}),
        ("UPDATE warehouses SET allow_negative = false", {NEGATIVES}),
        ("UPDATE levels SET available = -1, damaged = available + damaged + 1 WHERE sku = 'B'", {SUMS, NEGATIVES}),
        ("DELETE FROM commands WHERE command_id = '1'", {COMMANDS}),
        ("UPDATE commands SET status = 'rejected' WHERE command_id = '1'", {COMMANDS}),
        ("UPDATE commands SET status = 'applied', change_count = 1 WHERE command_id = '3'",
         {COMMANDS}),
        ("UPDATE commands SET change_count = 1 WHERE command_id = '4'", {COMMANDS}),
        ("UPDATE commands SET change_count = 1 WHERE command_id = 'twice'", {COMMANDS}),
        ("UPDATE commands SET account_id = 'acme', command_id = 'other' WHERE account_id = '3pl'", {COMMANDS}),
        ("UPDATE change_log SET provider_account_id = NULL WHERE command_id IS NOT NULL", {COMMANDS}),
        ("UPDATE change_log SET command_id = '1' WHERE command_id = '2'", {COMMANDS}),
        ("DELETE FROM sync_items WHERE {plain} AND row = 4", {SYNC_ROWS}),
        ("DELETE FROM sync_items WHERE status = 'aborted'", {SYNC_ROWS}),
        ("UPDATE sync_items SET row = 9 WHERE {plain} AND row = 4", {SYNC_ROWS}),
        ("UPDATE sync_items SET status = 'success' WHERE {plain} AND row = 4", {SYNC_ROWS}),
        ("UPDATE sync_jobs SET success_count = success_count - 1, error_count = error_count + 1 "
         "WHERE success_count > 0 AND finished_at IS NOT NULL", {SYNC_ROWS}),
        ("UPDATE sync_items SET version = version + 1 WHERE {plain} AND row = 2", {SYNC_CHANGES}),
        ("UPDATE sync_items SET version = NULL WHERE {plain} AND row = 2", {SYNC_CHANGES}),
        ("UPDATE sync_items SET version = 1 WHERE {plain} AND row = 1", {SYNC_CHANGES}),
        ("UPDATE change_log SET sync_row = 1 WHERE {plain} AND sync_row = 2", {SYNC_CHANGES}),
        ("UPDATE change_log SET sync_row = NULL WHERE {plain} AND sync_row = 2", {SYNC_CHANGES}),
        ("UPDATE sync_items SET status = 'skipped' WHERE {plain} AND row = 2", {SYNC_ROWS, SYNC_CHANGES}),
        ("UPDATE sync_items SET month = month + interval '1 month' WHERE {plain} AND row = 4", {SYNC_ROWS}),
        ("UPDATE sync_items SET month = month + interval '1 month' WHERE {plain}", {SYNC_ROWS}),
        ("DELETE FROM sync_jobs WHERE url = 'aborted'", {SYNC_ROWS}),
        ("DELETE FROM sync_jobs WHERE url = 'plain'", {SYNC_ROWS, SYNC_CHANGES}),
        ("UPDATE sync_jobs SET skipped_count = 0, aborted_count = skipped_count WHERE url = 'merged'", {SYNC_ROWS}),
        ("UPDATE sync_items SET level_id = 1, version = 1 WHERE merged_into IS NOT NULL", {SYNC_CHANGES}),
        ("UPDATE sync_items SET to_version = to_version + 1 WHERE row = 1 AND to_version IS NOT NULL", {SYNC_CHANGES}),
        ("UPDATE sync_items SET to_version = NULL WHERE row = 1 AND to_version IS NOT NULL", {SYNC_CHANGES}),
        ("UPDATE sync_items SET version = NULL WHERE row = 1 AND to_version IS NOT NULL", {SYNC_CHANGES}),
        ("UPDATE sync_items SET to_level_id = level_id WHERE row = 1 AND to_version IS NOT NULL", {SYNC_CHANGES}),
        ("UPDATE change_log SET sync_id = (SELECT sync_id FROM sync_jobs WHERE url = 'dry'), sync_row = 1 "
         "WHERE sync_id = (SELECT sync_id FROM sync_jobs WHERE url = 'customer')", {SYNC_CHANGES}),
        ("UPDATE sync_jobs SET dry_run = true WHERE url = 'plain'", {SYNC_CHANGES}),
        ("UPDATE change_log SET provider_account_id = NULL WHERE sync_id IS NOT NULL", {SYNC_CHANGES}),
        ("UPDATE change_log SET provider_account_id = '4pl' WHERE provider_account_id IS NOT NULL AND sync_row = 1",
         {SYNC_CHANGES}),
        ("UPDATE sync_items SET account_id = 'acme' WHERE account_id = '3pl'", {SYNC_ROWS, SYNC_CHANGES}),
        ("UPDATE sync_jobs SET success_count = total_count + 1 - error_count WHERE finished_at IS NULL", {SYNC_COUNTS}),
        ("UPDATE sync_jobs SET aborted_count = total_count WHERE finished_at IS NULL", {SYNC_COUNTS}),
        ("UPDATE sync_jobs SET chunks_done = chunk_count + 1 WHERE finished_at IS NULL", {SYNC_COUNTS}),
        ("UPDATE sync_jobs SET ranges_done = range_count + 1 WHERE finished_at IS NULL", {SYNC_COUNTS}),
        ("UPDATE outbox SET created_at = now() - interval '2 minutes'", {UNPUBLISHED}),
    ],
)  # fmt: skip
def test_damage_is_found_by_the_proof_that_it_breaks_and_no_other(
    stocked: Database, damage: str, proofs: set[str]
) -> None:
    assert_that_damage_is_found(stocked, damage, proofs)


@pytest.mark.parametrize(
    ("damage", "proofs"),
    [
        ("UPDATE change_log_folds SET delta = delta + 1 WHERE state = 'available'", {SUMS, VERSIONS}),
        ("UPDATE change_log_folds SET delta = delta + 1 WHERE state = 'incoming'", {SUMS}),
        ("UPDATE change_log_folds SET last_version = last_version + 1", {VERSIONS}),
        ("UPDATE change_log_folds SET last_version = 1 WHERE last_version = 2", {VERSIONS, SYNC_CHANGES}),
        ("DELETE FROM change_log_folds", {SUMS, VERSIONS, SYNC_CHANGES}),
        ("UPDATE levels SET version = version + 1", {VERSIONS}),
        ("UPDATE levels SET available = available + 1 WHERE sku = 'A'", {SUMS}),
        ("DELETE FROM change_log WHERE command_id = '6'", {SUMS, VERSIONS, COMMANDS}),
        ("DELETE FROM commands WHERE command_id = '6'", {COMMANDS}),
        ("DELETE FROM change_log WHERE {later} AND sync_row = 1", {SUMS, VERSIONS, SYNC_CHANGES}),
        ("UPDATE sync_items SET version = version + 1 WHERE {later} AND row = 2", {SYNC_CHANGES}),
    ],
)  # fmt: skip
def test_damage_is_found_also_when_a_part_of_the_log_was_folded(
    folded: Database, damage: str, proofs: set[str]
) -> None:
    assert broken(folded) == set()
    assert_that_damage_is_found(folded, damage, proofs)


def assert_that_damage_is_found(database: Database, damage: str, proofs: set[str]) -> None:
    with database.transaction() as connection:
        assert connection.execute(damage.format(**OF_SYNC)).rowcount > 0  # type: ignore[call-overload]
    assert broken(database) == proofs
    assert all(finding.examples for finding in audit(database) if finding.broken)


def test_the_log_is_not_shortened_while_it_is_audited(folded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make_older(folded, timedelta(days=70))
    publish_all(folded)
    create_partitions(folded)

    class Meanwhile(tuple[tuple[int, str, str], ...]):
        def __iter__(self) -> Iterator[tuple[int, str, str]]:
            with pytest.raises(TryLater):
                fold_oldest_month(folded, 1)
            return super().__iter__()

    monkeypatch.setattr(auditing, "_PROOFS", Meanwhile(auditing._PROOFS))
    assert broken(folded) == set()
    assert fold_oldest_month(folded, 1)


def test_one_account_can_be_audited_alone(stocked: Database) -> None:
    with stocked.transaction() as connection:
        connection.execute("UPDATE levels SET available = available + 1 WHERE sku = 'B'")
    assert broken(stocked, "acme") == {SUMS}
    assert broken(stocked, "other") == set()


def test_a_provider_and_its_customer_both_see_a_command_without_its_effect(stocked: Database) -> None:
    assert broken(stocked, "3pl") == set()
    with stocked.transaction() as connection:
        connection.execute("UPDATE commands SET change_count = 0 WHERE account_id = '3pl'")
    assert broken(stocked, "3pl") == broken(stocked, "acme") == {COMMANDS}


def test_a_provider_and_its_customer_both_see_a_change_without_its_row(stocked: Database) -> None:
    with stocked.transaction() as connection:
        connection.execute("UPDATE sync_items SET version = version + 1 WHERE account_id = '3pl'")
    assert broken(stocked, "3pl") == broken(stocked, "acme") == {SYNC_CHANGES}
    assert broken(stocked, "other") == set()


def test_syncs_whose_month_was_dropped_are_not_compared(stocked: Database) -> None:
    long_ago = date.fromordinal(datetime.now(UTC).toordinal() - 100).replace(day=1)
    plant_sync(stocked, "old", [Row("success", "D", 1), Row("error")], status="partial", month=long_ago)
    assert broken(stocked) == set()
    assert drop_oldest_sync_month(stocked, 1) == long_ago
    assert broken(stocked) == set()


def test_a_month_that_is_not_there_and_was_not_dropped_by_the_scheduler_is_found(stocked: Database) -> None:
    with stocked.transaction() as connection:
        [statement] = connection.execute(
            "SELECT 'DROP TABLE sync_items' || to_char(items_month, '\"_\"YYYY_MM') FROM sync_jobs LIMIT 1"
        ).fetchone() or [""]
        connection.execute(statement)  # type: ignore[call-overload]
    assert broken(stocked) == {SYNC_ROWS, SYNC_CHANGES}


def test_rows_of_syncs_are_not_dropped_while_they_are_audited(
    stocked: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_sync(stocked, "old", [Row("success", "D", 1)], month=date(2020, 1, 1))

    class Meanwhile(tuple[tuple[int, str, str], ...]):
        def __iter__(self) -> Iterator[tuple[int, str, str]]:
            with pytest.raises(TryLater):
                drop_oldest_sync_month(stocked, 1)
            return super().__iter__()

    monkeypatch.setattr(auditing, "_PROOFS", Meanwhile(auditing._PROOFS))
    assert broken(stocked) == set()
    assert drop_oldest_sync_month(stocked, 1)
