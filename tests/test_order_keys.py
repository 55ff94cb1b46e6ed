"""Commands of one document get one Kafka key from `onhand send` and `onhand do`, and are carried out in their order."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.settings import Settings
from infra.cli.orders import Sender, order
from schemas.topics import Topic
from tests.support.cli import json_lines, onhand
from tests.support.kafka import Kafka
from tests.support.workers import Worker

DOCUMENTS = [f"SO-{n}" for n in range(20)]
LINES = [{"sku": "A", "quantity": 1}]
STEPS = ("order.allocated", "order.shipped")


@pytest.fixture
def kafka(settings: Settings) -> Kafka:
    return Kafka(settings)


@pytest.fixture
def worker(kafka: Kafka, environment: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    with Worker(environment, "commands", "relay", log=tmp_path / "worker.log") as worker:
        yield worker.ready()


def command(type_: str, **data: Any) -> str:
    return json.dumps({"type": type_, "data": data})


def of_documents(*steps: str) -> str:
    """Each step of each document in its order, those of all documents one after the other."""
    return "\n".join(
        command(step, warehouse_id="w1", document=document, lines=LINES) for step in steps for document in DOCUMENTS
    )


def key(type_: str, account: str = "acme", customer: str | None = None, **data: Any) -> str:
    return order(type_, data, Sender(account, customer), "id-1").key


@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        ("order.allocated", {"warehouse_id": "w1", "document": "SO-1", "lines": LINES}, "acme:SO-1"),
        ("order.shipped", {"warehouse_id": "w2", "document": "SO-1", "lines": LINES}, "acme:SO-1"),
        ("order.cancelled", {"warehouse_id": "w1", "document": "SO-1", "lines": LINES}, "acme:SO-1"),
        ("order.shipped", {"warehouse_id": "w1", "document": "SO-e\u0301", "lines": LINES}, "acme:SO-\u00e9"),
        ("return.processed", {"warehouse_id": "w1", "document": "R 1", "lines": LINES}, "acme:R 1"),
        ("transfer.shipped", {"transfer_id": "T-1", "from_warehouse_id": "w1", "to_warehouse_id": "w2",
                              "document": "SO-1", "lines": LINES}, "acme:T-1"),
        ("transfer.received", {"transfer_id": "T-1"}, "acme:T-1"),
        ("inventory.add", {"warehouse_id": "w1", "sku": "A", "quantity": 1, "document": "SO-1"}, "w1:A"),
        ("inventory.add", {"document": "SO-1", "lines": [{"warehouse_id": "w1", **LINES[0]}]}, "acme:SO-1"),
        ("inventory.add", {"lines": [{"warehouse_id": "w1", **LINES[0]}]}, "id-1"),
        ("product.upsert", {"sku": "A"}, "id-1"),
        ("warehouse.upsert", {"warehouse_id": "w1", "name": "One"}, "id-1"),
    ],
)  # fmt: skip
def test_a_command_has_the_key_of_what_it_is_about(type_: str, data: dict[str, Any], expected: str) -> None:
    assert key(type_, **data) == expected


def test_a_provider_and_its_customer_speak_of_one_document() -> None:
    shipped = {"warehouse_id": "w1", "document": "SO-1", "lines": LINES}
    assert key("order.shipped", "3pl", "acme", **shipped) == key("order.shipped", "acme", **shipped)


def test_all_messages_of_a_document_are_on_one_partition_as_they_were_given(kafka: Kafka) -> None:
    steps = ("order.allocated", "order.shipped", "return.processed")
    [sent] = json_lines(onhand("send", "-", "--account", "acme", "--json", stdin=of_documents(*steps)))
    assert sent["sent"] == len(steps) * len(DOCUMENTS)
    found: defaultdict[str, list[str]] = defaultdict(list)
    partitions: defaultdict[str, set[int]] = defaultdict(set)
    for record in kafka.read(Topic.COMMANDS):
        document = json.loads(record.value or b"")["document"]
        found[document].append(dict(record.headers)["ce_type"].decode())
        partitions[document].add(record.partition)
    assert dict(found) == {document: list(steps) for document in DOCUMENTS}
    assert {len(where) for where in partitions.values()} == {1}
    assert len(set.union(*partitions.values())) > 1


def test_orders_that_are_allocated_and_shipped_in_one_file_are_right_every_time(worker: Worker) -> None:
    for before in (
        command("warehouse.upsert", warehouse_id="w1", name="One"),
        command("product.upsert", sku="A"),
        command("inventory.replace", warehouse_id="w1", sku="A", quantity=len(DOCUMENTS)),
    ):
        json_lines(onhand("send", "-", "--account", "acme", "--wait", "--json", stdin=before))
    answers = json_lines(onhand("send", "-", "--account", "acme", "--wait", "--json", stdin=of_documents(*STEPS)))
    assert [answer["status"] for answer in answers] == ["applied"] * len(STEPS) * len(DOCUMENTS)
    [level] = json_lines(onhand("levels", "--account", "acme", "--json"))
    assert (level["on_hand"], level["committed"]) == (0, 0)
    assert json_lines(onhand("allocations", "--account", "acme", "--json")) == []
