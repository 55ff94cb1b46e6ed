"""Workers as processes against the broker: what comes out for what goes in, also when they or their servers die."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from aiokafka import ConsumerRecord

from pipeline.commands.handler import apply_commands
from schemas.topics import Topic
from tests.brokers import TestStack
from tests.support.databases import copy_of
from tests.support.house import House, build
from tests.support.orders import stock
from tests.support.polling import eventually
from tests.support.proxy import proxy_to
from tests.support.reading import levels, results

MANY_SKUS = 400
PLACE = {"warehouse_id": "w1"}


@pytest.fixture
def house(environment: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """A house without workers."""
    house = build(environment, tmp_path, skus=MANY_SKUS)
    yield house
    house.database.close()


@pytest.fixture(scope="module")
def staffed(stack: TestStack, template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with one worker that does everything, shared by the tests that kill nobody."""
    unique = uuid.uuid4().hex[:12]
    environ = {
        **stack.endpoints.environ(),
        "ONHAND_KAFKA_TOPIC_PREFIX": f"t{unique}.", "ONHAND_S3_UPLOADS_BUCKET": f"uploads-{unique}",
        "ONHAND_S3_WORK_BUCKET": f"work-{unique}", "ONHAND_S3_SNAPSHOTS_BUCKET": f"snapshots-{unique}",
        "ONHAND_UPLOADS_POLL_SECONDS": "0.2", "ONHAND_SYNC_CHUNK_ROWS": "50",
    }  # fmt: skip
    with copy_of(template_url) as url:
        house = build({**environ, "ONHAND_DATABASE_URL": url}, tmp_path_factory.mktemp("staffed"), skus=MANY_SKUS)
        with house.worker("all") as worker:
            worker.ready()
            yield house
            house.prove()
        house.database.close()


def answers(house: House, *command_ids: str) -> dict[str, list[dict[str, Any]]]:
    """The results of commands as they are on the topic, when each has at least one."""

    def found() -> dict[str, list[dict[str, Any]]] | None:
        documents = house.kafka.documents(Topic.COMMAND_RESULTS)
        by_id = {i: [d for d in documents if d["command_id"] == i] for i in command_ids}
        return by_id if all(by_id.values()) else None

    return eventually(found, f"results of {command_ids[:3]}…") or {}


def changes_of(house: House, key: bytes) -> list[ConsumerRecord[bytes, bytes]]:
    """The changes under a key that are on the topic now; results and changes are published side by side."""
    return [record for record in house.kafka.read(Topic.CHANGES) if record.key == key]


# Messages in, messages out --------------------------------------------------------------------------------------------


def test_commands_are_answered_and_their_changes_are_published(staffed: House) -> None:
    staffed.kafka.send_commands(
        ("a1", "add", {**PLACE, "sku": "A", "quantity": 5}), ("a2", "remove", {**PLACE, "sku": "A", "quantity": 2}),
        ("a3", "remove", {**PLACE, "sku": "A", "quantity": 99}),
    )  # fmt: skip
    found = answers(staffed, "a1", "a2", "a3")
    assert [(r["status"], r["code"]) for i in ("a1", "a2", "a3") for r in found[i]] == [
        ("applied", None), ("applied", None), ("rejected", "INSUFFICIENT_STOCK")]  # fmt: skip
    records = eventually(lambda: found if len(found := changes_of(staffed, b"acme:w1:A")) >= 2 else None, "two changes")
    assert records is not None
    changes = [json.loads(r.value) for r in records]
    assert [(c["version"], c["command_id"], c["changes"][0]["after"]) for c in changes] == [(1, "a1", 5), (2, "a2", 3)]
    headers = dict(records[0].headers)
    assert (headers["ce_type"], headers["ce_specversion"]) == (b"inventory.level.changed.v1", b"1.0")


def test_a_command_that_is_sent_again_has_no_effect_and_is_answered_again(staffed: House) -> None:
    command = ("r1", "add", {**PLACE, "sku": "B", "quantity": 5})
    staffed.kafka.send_commands(command)
    answers(staffed, "r1")
    staffed.kafka.send_commands(command)
    eventually(lambda: len(answers(staffed, "r1")["r1"]) == 2, "a second answer")
    first, second = answers(staffed, "r1")["r1"]
    assert (first["status"], second["status"], second["first"]) == ("applied", "duplicate", "applied")
    assert levels(staffed.database)["w1", "B", "unassigned"] == (5, 1)


def test_what_cannot_be_read_becomes_a_dead_letter_with_its_origin_and_hinders_nobody(staffed: House) -> None:
    bad: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
        (b"k1", b"\x00\xff not json", [("trace", b"\xff\x00"), ("nothing", None)]),
        (b"\xff", None, []),
        (None, b"{}", [("ce_specversion", b"1.0"), ("ce_id", None)]),
        (b"k5", b"x" * 1_048_300, []),  # with its origin it is larger than a topic usually takes
        (b"k4", b'{"sku": "A"}', [("ce_specversion", b"1.0"), ("ce_id", b"x"), ("ce_source", b"t"),
                                  ("ce_type", b"inventory.steal")]),
    ]  # fmt: skip
    staffed.kafka.send(Topic.COMMANDS, bad)
    staffed.kafka.send_commands(("d1", "add", {**PLACE, "sku": "C", "quantity": 5}))
    answers(staffed, "d1")
    letters = eventually(
        lambda: found if len(found := staffed.kafka.read(Topic.DEAD_LETTERS)) >= len(bad) else None, "dead letters"
    )
    assert letters is not None
    assert Counter((r.key, r.value) for r in letters) == Counter((key, value) for key, value, _ in bad)
    topic = f"{staffed.settings.kafka_topic_prefix}commands"
    sent = {(r.partition, r.offset): r for r in staffed.kafka.read(Topic.COMMANDS)}
    for letter in letters:
        count = len(letter.headers) - 7
        origin = {name: (value or b"").decode() for name, value in letter.headers[count:]}
        original = sent[int(origin["onhand-partition"]), int(origin["onhand-offset"])]
        assert (original.key, original.value, original.headers) == (letter.key, letter.value, letter.headers[:count])
        assert (origin["onhand-topic"], origin["onhand-consumer"]) == (topic, topic)
        assert origin["onhand-attempts"] == "1"
        assert origin["onhand-code"] == ("UNKNOWN_TYPE" if letter.key == b"k4" else "INVALID_MESSAGE")
        assert origin["onhand-message"]


def test_numbers_of_an_erp_system_are_carried_out_and_a_number_in_quotes_is_told_to_its_sender(staffed: House) -> None:
    def send(command_id: str, quantity: str) -> None:
        body = f'{{"account_id": "acme", "warehouse_id": "w1", "sku": "D", "quantity": {quantity}}}'
        attributes = {"specversion": "1.0", "id": command_id, "type": "inventory.add", "source": "erp"}
        found = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
        staffed.kafka.send(Topic.COMMANDS, [(b"w1:D", body.encode(), [*found, ("content-type", b"application/json")])])

    for command_id, quantity in (("q-text", '"5"'), ("q-float", "5.0"), ("q-float2", "5.00"), ("q-exponent", "1e1")):
        send(command_id, quantity)
    found = answers(staffed, "q-text", "q-float", "q-float2", "q-exponent")
    assert {i: [(r["source"], r["status"], r["code"]) for r in results] for i, results in found.items()} == {
        "q-text": [("erp", "rejected", "INVALID_MESSAGE")],
        **{i: [("erp", "applied", None)] for i in ("q-float", "q-float2", "q-exponent")},
    }
    assert "quantity: a number in quotes; send 5" in found["q-text"][0]["message"]
    assert levels(staffed.database)["w1", "D", "unassigned"] == (20, 3)
    send("q-text", "5")  # corrected, under the same id
    eventually(lambda: len(answers(staffed, "q-text")["q-text"]) == 2, "a second answer")
    assert [r["status"] for r in answers(staffed, "q-text")["q-text"]] == ["rejected", "applied"]
    assert levels(staffed.database)["w1", "D", "unassigned"] == (25, 4)


def test_a_file_that_is_dropped_into_the_bucket_is_synced(staffed: House) -> None:
    staffed.desk.put("sku,quantity\nS0,5\nNOPE,1\n", "acme/w1/dropped by a person+1.csv")
    staffed.desk.put("no upload", "notes.txt")

    def ended() -> dict[str, Any] | None:
        found = [d for d in staffed.kafka.documents(Topic.SYNC_STATUS) if "person" in d["url"] and d["finished_at"]]
        return found[0] if found else None

    status = eventually(ended, "the end of the sync")
    assert status is not None
    assert (status["status"], status["success_count"], status["error_count"]) == ("partial", 1, 1)
    assert levels(staffed.database)["w1", "S0", "unassigned"] == (5, 1)


def test_a_sync_that_is_requested_by_message_can_be_aborted_on_its_way(staffed: House) -> None:
    rows = "".join(f"S{n},{n + 1},{location}\n" for location in ("", "A-01") for n in range(1, MANY_SKUS))
    sync_id = str(uuid.uuid4())
    staffed.objects.put_bytes(
        staffed.settings.s3_uploads_bucket, "acme/requested/not-an-upload", f"sku,quantity,location\n{rows}".encode()
    )
    url = f"s3://{staffed.settings.s3_uploads_bucket}/acme/requested/not-an-upload"
    request = {"account_id": "acme", "sync_id": sync_id, "warehouse_id": "w1", "url": url}
    with psycopg.connect(staffed.environ["ONHAND_DATABASE_URL"]) as writer:
        writer.execute("LOCK TABLE levels IN SHARE ROW EXCLUSIVE MODE")  # the first chunk waits here, the others behind
        staffed.kafka.send_event(Topic.SYNCS, "q1", "sync.request", request)
        planned = "SELECT 1 FROM sync_jobs WHERE sync_id = %s AND status = 'processing'"
        eventually(lambda: staffed.desk.ask(planned, sync_id), "the planned sync")
        staffed.kafka.send_event(
            Topic.SYNCS, "q2", "sync.abort", {"account_id": "acme", "sync_id": sync_id, "reason": "wrong file"}
        )
        heard = "SELECT 1 FROM sync_jobs WHERE sync_id = %s AND abort_reason = 'wrong file'"
        eventually(lambda: staffed.desk.ask(heard, sync_id), "the abort")
    job = eventually(lambda: _finished(staffed, sync_id), "the end of the sync")
    assert job is not None
    assert job["status"] == "aborted"
    assert job["total_count"] == 2 * (MANY_SKUS - 1) == job["success_count"] + job["aborted_count"]
    assert job["aborted_count"] > 0


def _finished(house: House, sync_id: object) -> dict[str, Any] | None:
    job = house.desk.job(uuid.UUID(str(sync_id)))
    return job if job["finished_at"] else None


# Crashes --------------------------------------------------------------------------------------------------------------


def test_a_syncs_worker_that_is_killed_in_the_middle_of_a_sync_is_carried_on_by_the_next(house: House) -> None:
    rows = "".join(f"S{n},{n + 1},{location}\n" for location in ("", "A-01") for n in range(MANY_SKUS))
    desk = house.desk
    desk.limit(chunk_rows=15)
    with house.worker("relay"):
        with house.worker("syncs") as doomed:
            doomed.ready()
            sync_id = desk.request(desk.put("sku,quantity,location\n" + rows + "NOPE,1,\n"))
            chunk_count = len(desk.ask("SELECT chunk FROM sync_chunks WHERE sync_id = %s", sync_id))
            eventually(lambda: desk.job(sync_id)["chunks_done"] >= 5, "some chunks applied")
            doomed.kill()
        done = desk.job(sync_id)["chunks_done"]
        assert 5 <= done < chunk_count, "the worker was too fast to be killed in the middle"
        with house.worker("syncs"):
            eventually(lambda: _finished(house, sync_id), "the end of the sync", seconds=90)
        house.prove()
    assert desk.counts(sync_id) == ("partial", 2 * MANY_SKUS + 1, 2 * MANY_SKUS, 1, 0)
    assert len(desk.items(sync_id)) == 2 * MANY_SKUS + 1
    assert desk.work_files() == []


def test_relays_that_are_killed_and_relays_that_run_at_once_lose_nothing(house: House) -> None:
    stop = threading.Event()

    def write() -> None:
        for batch in range(1000):
            if stop.is_set():
                return
            apply_commands([stock(f"{batch}-{n}", "add", 1, sku=f"S{n}") for n in range(100)], house.database)

    def position() -> int:
        return len(house.kafka.read(Topic.CHANGES))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with house.worker("relay") as first, house.worker("relay") as second:
            eventually(lambda: position() > 500, "changes on the topic")
            first.kill()
            at_its_end = position()
            eventually(lambda: position() > at_its_end + 500, "changes by the other relay")
            second.kill()
        with house.worker("relay").ready():
            stop.set()
            writer.join()
            house.prove()
    finally:
        stop.set()
        writer.join()
    assert set(results(house.database)) >= {
        r["command_id"] for r in house.kafka.documents(Topic.COMMAND_RESULTS)}  # fmt: skip


# Servers that go away -------------------------------------------------------------------------------------------------


def test_a_worker_waits_for_a_broker_and_survives_the_loss_of_its_database(house: House) -> None:
    url = urlsplit(house.environ["ONHAND_DATABASE_URL"])
    with (
        proxy_to(house.settings.kafka_bootstrap_servers.split(",")[0]) as broker,
        proxy_to(f"{url.hostname}:{url.port}") as postgres,
    ):
        through = url._replace(netloc=url.netloc.rpartition("@")[0] + f"@{postgres.address}").geturl()
        postgres.open()
        with house.worker(
            "commands", "relay", kafka_bootstrap_servers=broker.address, database_url=through
        ) as worker:  # fmt: skip
            worker.says("does not answer")
            broker.open()
            worker.ready()
            house.kafka.send_commands(*_adds("before", 20))
            answers(house, "before19")
            postgres.cut()
            house.kafka.send_commands(*_adds("during", 20))
            eventually(lambda: "PostgreSQL" in worker.output(), "an attempt at the database")
            assert "during0" not in results(house.database)
            postgres.open()
            house.kafka.send_commands(*_adds("after", 20))
            found = answers(house, *(f"{when}{n}" for when in ("before", "during", "after") for n in range(20)))
            assert {r["status"] for repeats in found.values() for r in repeats} == {"applied"}
            assert all(r == repeats[0] for repeats in found.values() for r in repeats)  # at least once: the same again
            house.prove()
            assert "Traceback" not in worker.output()
    assert levels(house.database) == {("w1", f"S{n}", "unassigned"): (3, 3) for n in range(20)}
    assert house.kafka.read(Topic.DEAD_LETTERS) == []


def _adds(prefix: str, count: int) -> list[tuple[str, str, dict[str, Any]]]:
    return [(f"{prefix}{n}", "add", {**PLACE, "sku": f"S{n}", "quantity": 1}) for n in range(count)]


# The end --------------------------------------------------------------------------------------------------------------


def test_sigterm_ends_a_worker_that_waits_for_a_broker(house: House) -> None:
    with proxy_to(house.settings.kafka_bootstrap_servers.split(",")[0]) as broker:
        worker = house.worker("commands", kafka_bootstrap_servers=broker.address)
        worker.says("does not answer")
        assert worker.stop() == 0
        assert "Traceback" not in worker.output()


def test_sigterm_ends_a_worker_in_the_middle_of_its_work_and_nothing_is_lost(house: House) -> None:
    for batch in range(30):
        apply_commands([stock(f"{batch}-{n}", "add", 1, sku=f"S{n}") for n in range(MANY_SKUS)], house.database)
    worker = house.worker("relay", "snapshots", "uploads").ready()
    assert worker.stop() == 0
    assert "Traceback" not in worker.output()
    with house.worker("relay").ready():
        house.prove()
