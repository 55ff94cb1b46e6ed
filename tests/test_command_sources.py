"""A command is known by account, source and id: two systems that count alike do not swallow each other's commands."""

import json
from collections import Counter

import pytest

from pipeline.audit import audit
from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.history import Changes, change_log
from pipeline.store.database import Database
from pipeline.store.outbox import Publishable, publish_outbox
from schemas.identifiers import AccountId
from schemas.topics import Topic
from tests.support.giving import rows
from tests.support.orders import fill_catalogue, order, stock
from tests.support.reading import levels, outbox_results

ACME = AccountId("acme")
A = ("w1", "A", "unassigned")


@pytest.fixture
def shop(database: Database) -> Database:
    """A catalogue, and 50 units of A."""
    fill_catalogue(database)
    apply_commands([stock("opening", "replace", 50)], database)
    return database


def sale(command_id: str, source: str, quantity: int = 1) -> ReceivedCommand:
    return stock(command_id, "remove", quantity, source=source)


def published(database: Database) -> list[Publishable]:
    """What the relay publishes."""
    found: list[Publishable] = []
    while publish_outbox(database, found.extend, 1000):
        pass
    return found


def statuses(database: Database, command_id: str) -> dict[str, str]:
    """What became of the commands of an id, by source."""
    return dict(rows(database, "SELECT source, coalesce(code, status) FROM commands WHERE command_id = %s", command_id))


@pytest.mark.parametrize("at_once", [True, False])
def test_the_same_id_of_three_sources_is_three_sales(shop: Database, at_once: bool) -> None:
    sales = [sale("1001", "shop"), sale("1001", "till-2"), sale("1001", "till-3", 2)]
    for batch in [sales] if at_once else [[each] for each in sales]:
        apply_commands(batch, shop)
    assert levels(shop)[A] == (46, 4)
    assert statuses(shop, "1001") == dict.fromkeys(("shop", "till-2", "till-3"), "applied")
    assert not any(finding.broken for finding in audit(shop))


def test_results_and_changes_say_whose_command_it_was(shop: Database) -> None:
    published(shop)
    apply_commands([sale("1001", "shop"), sale("1001", "till-2")], shop)
    messages = published(shop)
    results = [message for message in messages if message.topic is Topic.COMMAND_RESULTS]
    said = [(m.key, document["command_id"], document["source"]) for m in results for document in [json.loads(m.data)]]
    assert sorted(said) == [("1001", "1001", "shop"), ("1001", "1001", "till-2")]
    changes = [json.loads(message.data) for message in messages if message.topic is Topic.CHANGES]
    assert [(c["command_id"], c["command_source"]) for c in changes] == [("1001", "shop"), ("1001", "till-2")]


def test_results_of_different_commands_never_have_one_id(shop: Database) -> None:
    named = [("b:c", "a"), ("c", "a:b"), ("1:c", "a"), ("c", "a:1"), ("c", "a:1:1"), ("x", "é"), ("x", "e")]
    published(shop)
    apply_commands([sale(command_id, source) for command_id, source in named], shop)
    ids = [message.id for message in published(shop) if message.topic is Topic.COMMAND_RESULTS]
    assert len(set(ids)) == len(named)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_repeat_within_one_source_stays_a_repeat_and_another_body_a_mismatch(shop: Database, at_once: bool) -> None:
    given = [sale("1001", "shop"), sale("1001", "till"), sale("1001", "till"), sale("1001", "till", 2)]
    for batch in [given] if at_once else [[each] for each in given]:
        apply_commands(batch, shop)
    assert levels(shop)[A] == (48, 3)
    answers = Counter((answer["source"], answer["status"], answer["code"]) for answer in outbox_results(shop))
    assert answers == {("till", "duplicate", None): 1, ("till", "rejected", "IDEMPOTENCY_MISMATCH"): 1}


def test_a_batch_in_which_each_message_has_a_source_of_its_own_is_carried_out(shop: Database) -> None:
    apply_commands([stock("same", "add", 1, source=f"https://example.com/{'x' * 200}/{n}") for n in range(2_000)], shop)
    assert levels(shop)[A] == (2_050, 2_001)
    assert rows(shop, "SELECT count(*), count(DISTINCT source) FROM commands WHERE command_id = 'same'") == [
        (2_000, 2_000)
    ]


def test_the_longest_source_and_id_that_the_contract_allows_are_kept(shop: Database) -> None:
    longest = sale("😀" * 100, "😀" * 255)
    apply_commands([longest], shop)
    apply_commands([longest], shop)
    assert levels(shop)[A] == (49, 2)


def test_the_log_of_a_command_is_of_all_sources_or_of_the_one_that_is_named(shop: Database) -> None:
    apply_commands([sale("1001", "shop"), sale("1001", "till"), sale("1002", "till")], shop)
    wanted = {
        Changes(command_id="1001"): {("1001", "shop"), ("1001", "till")},
        Changes(command_id="1001", command_source="till"): {("1001", "till")},
        Changes(command_source="till"): {("1001", "till"), ("1002", "till")},
        Changes(command_id="1001", command_source="nobody"): set(),
    }
    for changes, expected in wanted.items():
        lines = [*change_log(shop, ACME, changes)]
        assert {(line["command_id"], line["command_source"]) for line in lines} == expected
        assert len(lines) == len(expected)


@pytest.mark.parametrize(
    "lie",
    [
        "UPDATE change_log SET command_source = 'till' WHERE command_source = 'shop'",
        "UPDATE change_log SET command_source = NULL WHERE command_source = 'shop'",
        "UPDATE commands SET source = 'other' WHERE source = 'till'",
        "DELETE FROM commands WHERE source = 'till'",
    ],
)
def test_the_audit_tells_the_sources_of_one_id_apart(shop: Database, lie: str) -> None:
    apply_commands([sale("1001", "shop"), sale("1001", "till")], shop)
    with shop.transaction() as connection:
        connection.execute(lie.encode())
    assert {finding.name for finding in audit(shop) if finding.broken} == {
        "each command took effect as its one result says"
    }


def test_schedules_of_two_sources_under_one_id_are_told_and_not_mixed(shop: Database) -> None:
    place = {"warehouse_id": "w1", "sku": "A", "quantity": 3, "due_at": "2101-01-01T00:00:00Z"}
    apply_commands([order("1001", "inventory.schedule", source=source, **place) for source in ("shop", "till")], shop)
    assert statuses(shop, "1001") == {"shop": "applied", "till": "SCHEDULE_EXISTS"}
