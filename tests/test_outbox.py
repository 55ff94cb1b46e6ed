"""The outbox: whatever was committed is published, at least once and in order per level, however the relay fares."""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for

import pytest
from psycopg import ClientCursor

from consumers.settings import Settings
from pipeline.audit import audit
from pipeline.commands.handler import apply_commands
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from pipeline.store.outbox import Publishable, announce_batch, await_publishing, claim_batches, publish_outbox
from pipeline.store.statements import statements
from schemas.events import CommandResult, LevelChanged
from schemas.jobs import SyncStatus
from schemas.states import SyncState
from schemas.topics import TOPICS, Topic
from tests.support.desk import Desk
from tests.support.orders import fill_catalogue, order, stock


class Recorder:
    """A broker that takes everything down, and can refuse."""

    def __init__(self) -> None:
        self.sent: list[Publishable] = []
        self._lock = threading.Lock()

    def send(self, messages: Sequence[Publishable]) -> None:
        with self._lock:
            self.sent.extend(messages)

    def of(self, topic: Topic) -> list[Publishable]:
        return [message for message in self.sent if message.topic is topic]

    def changes(self) -> list[LevelChanged]:
        return [LevelChanged.model_validate_json(message.data) for message in self.of(Topic.CHANGES)]

    def versions(self) -> dict[tuple[str, str], list[int]]:
        """The versions of each level, in the order in which they were sent."""
        versions: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for change in self.changes():
            versions[change.sku, change.location_id].append(change.version)
        return versions


@pytest.fixture
def shop(database: Database) -> Database:
    """A catalogue, and an outbox that is empty."""
    fill_catalogue(database, skus=20)
    drain(database)
    return database


def drain(database: Database, max_messages: int = 1000) -> Recorder:
    recorder = Recorder()
    while publish_outbox(database, recorder.send, max_messages):
        pass
    return recorder


def waiting(database: Database) -> int:
    with database.transaction() as connection:
        row = connection.execute("SELECT count(*) FROM outbox").fetchone()
    assert row is not None
    return int(row[0])


def test_a_change_is_published_once_with_all_that_it_says(shop: Database) -> None:
    said = {"reason": "restock", "note": "behind the shelf", "document": "RMA-7", "actor": "mia"}
    apply_commands([stock("1", "add", 5, location_id="b1", **said)], shop)
    [message] = drain(shop).of(Topic.CHANGES)
    assert (message.key, message.type) == ("acme:w1:A", "inventory.level.changed.v1")
    document = json.loads(message.data)
    assert LevelChanged.model_validate(document).recorded_at.tzinfo is not None
    del document["recorded_at"]
    assert document == {
        "account_id": "acme", "warehouse_id": "w1", "sku": "A", "location_id": "b1", "lot_id": None, "version": 1,
        "changes": [{"state": "available", "before": 0, "after": 5, "delta": 5}],
        "reason": "restock", "note": "behind the shelf", "document": "RMA-7", "actor": "mia",
        "provider_account_id": None, "origin": None, "command_id": "1", "command_source": "test",
        "sync_id": None, "sync_row": None,
    }  # fmt: skip
    assert drain(shop).sent == []


def test_a_change_says_which_lot_changed_and_who_acted_for_the_account(shop: Database) -> None:
    apply_commands(
        [
            order("l", "account.link", provider_account_id="3pl", scope="write"),
            order("p", "product.upsert", sku="MILK", lot_tracked=True),
            order("m", "lot.upsert", sku="MILK", lot_id="M-1", expires_on="2027-01-31"),
        ],
        shop,
    )
    apply_commands([stock("1", "add", 5, account_id="3pl", customer_account_id="acme", sku="MILK", lot_id="M-1")], shop)
    recorder = drain(shop)
    [change] = recorder.changes()
    assert (change.account_id, change.provider_account_id, change.lot_id) == ("acme", "3pl", "M-1")
    assert recorder.of(Topic.CHANGES)[0].key == "acme:w1:MILK"


def test_a_change_of_several_states_is_one_message(shop: Database) -> None:
    apply_commands([stock("1", "add", 5)], shop)
    apply_commands([stock("2", "move", 2, from_state="available", to_state="damaged")], shop)
    [_, moved] = drain(shop).changes()
    assert [(change.state, change.before, change.after, change.delta) for change in moved.changes] == [
        ("available", 5, 3, -2), ("damaged", 0, 2, 2)]  # fmt: skip


def test_the_relay_reads_no_month_of_the_log_but_those_of_its_batches(shop: Database) -> None:
    apply_commands([stock("1", "add", 5)], shop)
    with shop.transaction() as connection:
        statement = statements("outbox")["copy_changes_of_batches"]
        query = statement.partition("COPY (")[2].removesuffix(") TO STDOUT (FORMAT csv)")
        [batch] = [b for b in claim_batches(connection, 1000) if b.change_count]
        plan = ClientCursor(connection).execute(
            f"EXPLAIN {query}",
            {"account_ids": [batch.account_id], "batch_ids": [batch.batch_id], "times": [batch.recorded_at]},
        )
        read = "\n".join(line for (line,) in plan)
        assert {f"change_log_{batch.recorded_at:%Y_%m}"} == set(re.findall(r"on (change_log\w+)", read))


def test_who_has_much_to_say_waits_for_the_relay_that_is_at_work(shop: Database) -> None:
    apply_commands([stock("1", "add", 1)], shop)

    def wait() -> None:
        with shop.transaction() as connection:
            await_publishing(connection)

    wait()  # nobody publishes
    with ThreadPoolExecutor() as other:
        with shop.transaction() as connection:
            claim_batches(connection, 1000)
            waiting = other.submit(wait)
            assert wait_for([waiting], timeout=0.5).not_done
        waiting.result(timeout=10)


def test_changes_over_the_edge_of_two_months_are_published_together(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("2", "add", 1, sku="B")], shop)
    apply_commands([stock("3", "add", 2)], shop)
    with shop.transaction() as connection:
        first = "WHERE batch_id = (SELECT min(batch_id) FROM outbox)"
        connection.execute(f"UPDATE change_log SET recorded_at = recorded_at - interval '1 month' {first}")  # noqa: S608
        connection.execute(f"UPDATE outbox SET created_at = created_at - interval '1 month' {first}")  # noqa: S608
    assert drain(shop).versions() == {("A", "unassigned"): [1, 2], ("B", "unassigned"): [1]}


def test_a_batch_of_more_messages_than_a_request_may_have_goes_out_in_several(shop: Database) -> None:
    apply_commands([stock(f"{n}", "add", 1, sku=f"S{n}") for n in range(8)], shop)
    sizes: list[int] = []
    publish_outbox(shop, lambda messages: sizes.append(len(messages)), 5)
    assert (sizes, waiting(shop)) == ([5, 5, 5, 1], 0)


def test_the_results_of_commands_are_published_under_their_ids(shop: Database) -> None:
    apply_commands([stock("1", "add", 5), stock("2", "remove", 9), order("3", "product.upsert", sku="N")], shop)
    apply_commands([stock("1", "add", 5)], shop)
    messages = drain(shop).of(Topic.COMMAND_RESULTS)
    results = [CommandResult.model_validate_json(message.data) for message in messages]
    assert {(r.command_id, r.type, r.status, r.first, r.code) for r in results} == {
        ("1", "inventory.add", "applied", None, None),
        ("2", "inventory.remove", "rejected", None, "INSUFFICIENT_STOCK"),
        ("3", "product.upsert", "applied", None, None),
        ("1", "inventory.add", "duplicate", "applied", None),
    }
    assert [message.key for message in messages] == [result.command_id for result in results]
    assert next(r for r in results if r.status == "applied" and r.levels).levels[0].on_hand == 5


def test_odd_characters_survive(shop: Database) -> None:
    odd = 'Ä"\\/\u2028 😀\u00a0,{}'
    apply_commands([order("p", "product.upsert", sku=odd), stock('i"\\', "add", 5, sku=odd, note=odd)], shop)
    recorder = drain(shop)
    [change] = recorder.changes()
    assert (change.sku, change.note, change.command_id) == (odd, odd, 'i"\\')
    assert recorder.of(Topic.CHANGES)[0].key == f"acme:w1:{odd}"
    assert 'i"\\' in {m.key for m in recorder.of(Topic.COMMAND_RESULTS)}


def test_every_document_of_a_sync_keeps_its_contract(shop: Database, store: ObjectStore, settings: Settings) -> None:
    desk = Desk.of(shop, store, settings)
    desk.limit(chunk_rows=3)
    sync_id = desk.sync("sku,quantity,reason\nA,5,count\nB,3,\nNOPE,1,\nC,2,\n", user_id="mia")
    recorder = drain(shop)
    for message in recorder.sent:
        document = json.loads(message.data)
        parsed = dict(TOPICS[message.topic].payloads)[message.type].model_validate(document)
        assert parsed.model_dump(mode="json").keys() == document.keys()
    assert {m.topic for m in recorder.sent} == {Topic.CHANGES, Topic.SYNC_STATUS, Topic.SYNC_CHUNKS}
    assert {(c.sku, c.sync_id, c.sync_row, c.reason, c.actor) for c in recorder.changes()} == {
        ("A", sync_id, 1, "count", "mia"), ("B", sync_id, 2, None, "mia"), ("C", sync_id, 4, None, "mia")}  # fmt: skip
    states = [SyncStatus.model_validate_json(m.data) for m in recorder.of(Topic.SYNC_STATUS)]
    assert [s.status for s in states[:2]] == [SyncState.PLANNING, SyncState.PROCESSING]
    assert (states[-1].status, states[-1].finished_count, states[-1].error) == (
        SyncState.PARTIAL, 4, "error in 1 out of 4 rows")  # fmt: skip
    assert [s.chunks_done for s in states] == sorted(s.chunks_done for s in states)
    assert {m.key for m in recorder.of(Topic.SYNC_STATUS)} == {str(sync_id)}


def test_changes_are_published_in_order_per_level_in_requests_of_any_size(shop: Database) -> None:
    for batch in range(10):
        commands = [stock(f"{batch}-{n}-{k}", "add", 1, sku=f"S{n}") for k in range(3) for n in range(5)]
        apply_commands(commands, shop)
    recorder = drain(shop, max_messages=1)
    assert recorder.versions() == {(f"S{n}", "unassigned"): list(range(1, 31)) for n in range(5)}
    assert waiting(shop) == 0


def test_a_request_holds_about_as_many_messages_as_it_may(shop: Database) -> None:
    for n in range(6):
        apply_commands([stock(f"{n}", "add", 1)], shop)
    assert (publish_outbox(shop, Recorder().send, 4), waiting(shop)) == (2, 4)
    assert (publish_outbox(shop, Recorder().send, 1), waiting(shop)) == (1, 3)


@pytest.mark.parametrize("published", [0, 3])
def test_what_the_broker_did_not_acknowledge_is_published_again_with_the_same_ids(
    shop: Database, published: int
) -> None:
    apply_commands([stock(f"{n}", "add", 1) for n in range(5)], shop)
    first = Recorder()

    def fail(messages: Sequence[Publishable]) -> None:
        first.send(messages[:published])
        raise ConnectionError("the broker is gone")

    with pytest.raises(ConnectionError):
        publish_outbox(shop, fail, 1000)
    assert waiting(shop) == 1
    again = drain(shop)
    assert len(again.sent) == 10
    assert again.sent[:published] == first.sent
    assert again.versions() == {("A", "unassigned"): [1, 2, 3, 4, 5]}


def test_two_relays_at_once_lose_nothing_and_keep_the_order(shop: Database) -> None:
    recorder = Recorder()
    stop = threading.Event()

    def relay() -> None:
        while not stop.is_set() or waiting(shop):
            publish_outbox(shop, recorder.send, 7)

    def write(writer: int) -> None:
        for batch in range(15):
            apply_commands([stock(f"{writer}-{batch}-{n}", "add", 1, sku=f"S{n}") for n in range(6)], shop)

    with ThreadPoolExecutor(4) as pool:
        relays = [pool.submit(relay) for _ in range(2)]
        for writer in [pool.submit(write, n) for n in range(2)]:
            writer.result(timeout=60)
        stop.set()
        for future in relays:
            future.result(timeout=60)
    assert recorder.versions() == {(f"S{n}", "unassigned"): list(range(1, 31)) for n in range(6)}
    assert len(recorder.of(Topic.COMMAND_RESULTS)) == 2 * 15 * 6
    assert len({message.id for message in recorder.sent}) == len(recorder.sent)
    assert not any(finding.broken for finding in audit(shop))


def test_a_transaction_that_is_open_for_long_is_not_skipped_by_those_that_came_after_it(shop: Database) -> None:
    announced, commit = threading.Event(), threading.Event()

    def slow() -> int:
        with shop.transaction() as connection:
            number, recorded_at = announce_batch(connection, "acme", result_count=1)
            connection.execute(
                """INSERT INTO commands
                       (account_id, command_id, source, type, body_hash, status, change_count, batch_id, recorded_at)
                   VALUES ('acme', 'slow', 'test', 'inventory.add', '', 'applied', 0, %s, %s)""",
                [number, recorded_at],
            )
            announced.set()
            assert commit.wait(30)
        return number

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(slow)
        assert announced.wait(30)
        apply_commands([stock("fast", "add", 1)], shop)
        with shop.transaction() as connection:
            [(fast,)] = connection.execute("SELECT batch_id FROM outbox").fetchall()
        assert [m.key for m in drain(shop).of(Topic.COMMAND_RESULTS)] == ["fast"]
        commit.set()
        assert running.result(timeout=30) < fast
    assert [m.key for m in drain(shop).of(Topic.COMMAND_RESULTS)] == ["slow"]


def test_what_was_rolled_back_is_never_published(shop: Database) -> None:
    with pytest.raises(KeyboardInterrupt), shop.transaction() as connection:
        announce_batch(connection, "acme", result_count=1)
        raise KeyboardInterrupt
    assert (drain(shop).sent, waiting(shop)) == ([], 0)
