"""`onhand do`: what a person writes becomes one command, checked before it is sent; its result is shown."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.settings import Settings
from infra.cli import app
from infra.cli.results import results_of
from schemas.commands import COMMANDS
from schemas.errors import ErrorCode
from tests.support.records import record
from tests.support.workers import Worker

ADD = ("inventory.add", "warehouse_id=w1", "sku=TEA", "quantity=5")


def onhand(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def do(*arguments: str, account: str = "acme") -> Result:
    return onhand("do", *arguments, "--account", account)


def done(*arguments: str, account: str = "acme") -> dict[str, Any]:
    """The result of a command that was not rejected."""
    result = do(*arguments, "--json", account=account)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def refused(*arguments: str, account: str = "acme") -> ErrorCode:
    """The code with which a command is rejected."""
    result = do(*arguments, "--json", account=account)
    assert result.exit_code == 1, result.output
    return ErrorCode(json.loads(result.stdout)["code"])


@pytest.fixture
def topics(settings: Settings) -> None:
    """The topics of this test."""
    assert onhand("topics", "apply").exit_code == 0


@pytest.fixture
def worker(topics: None, environment: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    """One that carries out commands and publishes their results."""
    with Worker(environment, "commands", "relay", log=tmp_path / "worker.log") as worker:
        yield worker.ready()


def test_all_types_are_listed_each_with_a_sentence() -> None:
    result = onhand("do", "--list", "--json")
    listed = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["type"] for row in listed] == list(COMMANDS)
    assert all(row["about"].endswith((".", ":")) for row in listed)


@pytest.mark.parametrize("command_type", COMMANDS)
def test_the_fields_of_a_type_are_those_of_its_contract(command_type: str) -> None:
    result = onhand("do", command_type, "--fields", "--json")
    fields = {row["field"]: row for row in map(json.loads, result.stdout.splitlines())}
    model = COMMANDS[command_type]
    contract = dict(model.model_fields)
    if model.LINES_FORM is not None:
        contract = {"lines": model.LINES_FORM.model_fields["lines"], **contract}
    assert fields.keys() == {name for name, field in contract.items() if field.annotation is not type(None)}
    required = {name for name, field in contract.items() if field.is_required()}
    assert {name for name, field in fields.items() if field["required"]} == required - (
        {"lines"} if model.LINES_FORM is not None else set()
    )


def test_fields_say_what_may_be_written() -> None:
    shown = onhand("do", "inventory.adjust", "--fields").stdout
    assert "inventory.adjust: Change `state` by `delta` units" in shown
    assert "whole number from -1,000,000,000 to 1,000,000,000" in shown
    assert "list of {warehouse_id, sku, delta, expected_quantity?" in shown
    assert "instant, as 2026-01-31T12:00:00Z" in onhand("do", "inventory.schedule", "--fields").stdout
    assert "{any name: sku | quantity | action" in " ".join(onhand("do", "account.upsert", "--fields").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("inventory.burn", "sku=TEA"), "type 'inventory.burn' is not one of account.upsert"),
        (("inventory.add", "sku"), "'sku' is not FIELD=VALUE"),
        ((*ADD, "sku=TEA"), "sku: given twice"),
        ((*ADD, "qty=1"), "qty: Extra inputs are not permitted"),
        (("inventory.add", "warehouse_id=w1", "sku=TEA", "quantity=many"), "quantity: Input should be a valid integer"),
        (("inventory.add", "warehouse_id=w1", "quantity=0"), "sku: Field required; quantity: Input should be greater"),
        (("inventory.add", 'lines=[{"sku": "A"}]'), "lines[0].warehouse_id: Field required"),
        (("inventory.add", "lines=[{sku"), "lines: Input should be a valid array, found '[{sku'"),
        (("inventory.schedule", *ADD[1:], "due_at=2026-01-31T12:00:00"), "due_at: Input should have timezone info"),
        ((*ADD, "account_id=other"), "account_id 'other' is not --account 'acme'"),
        ((*ADD, "--customer-account", "c1", "customer_account_id=c2"), "'c2' is not --customer-account 'c1'"),
        ((*ADD, "--id", "onhand:due:1"), "id: begins with 'onhand:', which is onhand's own"),
    ],
)
def test_what_breaks_the_contract_is_not_sent(arguments: tuple[str, ...], fault: str) -> None:
    result = do(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Nothing was sent. ")
    assert fault in result.stderr


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(("do",), "TYPE"), (("do", *ADD), "--account"), (("do", *ADD, "--account", "a", "--id", "a\nb"), "command id")],
)
def test_a_command_line_without_a_type_or_sender_is_misuse(arguments: tuple[str, ...], missing: str) -> None:
    result = onhand(*arguments)
    assert result.exit_code == 2
    assert missing in result.stderr


def test_send_finds_the_same_faults_in_the_same_words(settings: Settings, topics: None) -> None:
    data = {"account_id": "acme", "warehouse_id": "w1", "quantity": 0, "colour": "green"}
    line = json.dumps({"type": "inventory.add", "data": data})
    sent = onhand("send", "-", stdin=line).stderr
    fault = do("inventory.add", *(f"{name}={value}" for name, value in data.items())).stderr
    assert fault.removeprefix("Nothing was sent. ").strip() in sent


def test_a_value_is_text_where_the_field_is_and_json_elsewhere(settings: Settings, topics: None) -> None:
    written = (
        ("inventory.adjust", "warehouse_id=1", "sku=007", "delta=-2", "state=damaged", "note=true", 'document="7"'),
        ("warehouse.upsert", "warehouse_id=main", "name=123", "allow_negative=true"),
        ("inventory.add", 'lines=[{"warehouse_id": "w1", "sku": "A=B", "quantity": 1}]', "note=a=b"),
    )
    for number, arguments in enumerate(written):
        sent = do(*arguments, "--id", f"c{number}", "--no-wait", "--customer-account", "shop")
        assert (sent.exit_code, sent.stdout) == (0, f"c{number}\n")
    tailed = onhand("events", "tail", "--topic", "commands", "--from-beginning", "--limit", "3").stdout
    events = {event["id"]: event for event in map(json.loads, tailed.splitlines())}
    who = {"account_id": "acme", "customer_account_id": "shop"}
    assert events["c0"]["key"] == "1:007"
    assert events["c0"]["data"] == who | {
        "warehouse_id": "1", "sku": "007", "delta": -2, "state": "damaged", "note": "true", "document": '"7"',
    }  # fmt: skip
    assert events["c1"]["data"] == who | {"warehouse_id": "main", "name": "123", "allow_negative": True}
    line = {"warehouse_id": "w1", "sku": "A=B", "quantity": 1}
    assert events["c2"]["data"] == who | {"lines": [line], "note": "a=b"}


def test_without_a_worker_it_says_that_no_result_came(settings: Settings, topics: None) -> None:
    result = do(*ADD, "--id", "c-1", "--timeout", "0.2")
    assert result.exit_code == 1
    assert "Command c-1 was sent, and no result came for 0.2 s. Is a worker running?" in result.stderr


def test_each_delivery_of_an_id_is_waited_for(worker: Worker, tmp_path: Path) -> None:
    done("warehouse.upsert", "warehouse_id=w9", "name=Nine")
    done("product.upsert", "sku=TWICE")
    lines = [
        {"type": "inventory.add", "id": "twice", "data": {"warehouse_id": "w9", "sku": "TWICE", "quantity": quantity}}
        for quantity in (1, 2, 1)
    ]
    file = tmp_path / "twice.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = CliRunner().invoke(app, ["send", str(file), "--account", "acme", "--wait"])
    assert result.exit_code == 1
    assert [word in result.output for word in ("applied", "IDEMPOTENCY_MISMATCH", "duplicate")] == [True] * 3


def test_send_waits_for_the_results_of_its_own_source(worker: Worker, tmp_path: Path) -> None:
    done("warehouse.upsert", "warehouse_id=w8", "name=Eight")
    done("product.upsert", "sku=BOTH")
    file = tmp_path / "both.jsonl"
    data = {"account_id": "acme", "warehouse_id": "w8", "sku": "BOTH", "quantity": 5.0}
    packed = b64encode(json.dumps(data).encode()).decode()
    event = {"specversion": "1.0", "id": "both", "source": "shop", "type": "inventory.add", "data_base64": packed}
    file.write_text(json.dumps(event) + "\n" + json.dumps({"type": "inventory.add", "id": "both", "data": data}) + "\n")
    sent = [
        CliRunner().invoke(app, ["send", str(file), "--wait", "--json", *more]) for more in ([], ["--source", "till"])
    ]
    answers = [[json.loads(line) for line in result.stdout.splitlines()] for result in sent]
    assert [{(answer["source"], answer["status"]) for answer in found} for found in answers] == [
        {("shop", "applied"), ("onhand/cli", "applied")}, {("shop", "duplicate"), ("till", "applied")}
    ]  # fmt: skip
    assert {line["command_source"] for line in json_of_log("both")} == {"shop", "onhand/cli", "till"}
    assert {line["command_source"] for line in json_of_log("both", "--source", "till")} == {"till"}


def json_of_log(command_id: str, *more: str) -> list[dict[str, Any]]:
    """The log of a command."""
    result = onhand("log", "--account", "acme", "--command", command_id, *more, "--json")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_results_of_others_do_not_make_it_wait_longer() -> None:
    class Busy:
        """A topic on which something always happens."""

        async def getmany(self, **_: int) -> dict[int, list[Any]]:
            others = (("other", "shop"), ("acme", "till"))
            texts = (
                json.dumps({"account_id": a, "source": s, "command_id": "c-1", "status": "applied"}) for a, s in others
            )
            return {0: [record(text.encode()) for text in texts]}

    async def found() -> list[dict[str, Any]]:
        return [result async for result in results_of(Busy(), [("acme", "shop", "c-1")], timeout=0.05)]

    assert asyncio.run(found()) == []


def test_a_person_adjusts_a_bin_and_sees_what_became_of_it(worker: Worker) -> None:
    done("warehouse.upsert", "warehouse_id=w1", "name=One")
    done("location.create", "warehouse_id=w1", "location_id=a1", "name=A-01")
    done("product.upsert", "sku=TEA")
    added = done(*ADD, "location_id=a1", "--id", "add-1")
    assert added["status"] == "applied"
    assert added["levels"][0]["deltas"] == {"available": 5, "on_hand": 5}

    damaged = do(
        "inventory.move", "warehouse_id=w1", "sku=TEA", "location_id=a1", "from_state=available", "to_state=damaged",
        "quantity=2", "reason=damaged", "note=dropped", "--id", "drop-1",
    )  # fmt: skip
    assert damaged.exit_code == 0, damaged.output
    assert damaged.stdout.splitlines()[0] == "applied    inventory.move  drop-1"
    assert "w1 TEA a1: available -2, damaged +2; version 2, 5 on hand, 3 available" in damaged.stdout

    again = done(*ADD, "location_id=a1", "--id", "add-1")
    assert (again["status"], again["first"]) == ("duplicate", "applied")
    assert refused(*ADD, "--id", "add-1") is ErrorCode.IDEMPOTENCY_MISMATCH
    much = ("inventory.remove", "warehouse_id=w1", "sku=TEA", "quantity=50", "--id", "much")
    assert refused(*much) is ErrorCode.INSUFFICIENT_STOCK
    repeated = do(*much)
    assert repeated.exit_code == 1  # it had no effect when it came first, and has none now
    assert "duplicate  inventory.remove  much  (first: rejected)  INSUFFICIENT_STOCK" in repeated.stdout


def test_a_provider_acts_for_a_customer_only_after_the_customer_has_linked_it(worker: Worker) -> None:
    done("warehouse.upsert", "warehouse_id=w1", "name=One")
    done("product.upsert", "sku=TEA")
    for_acme = ("--customer-account", "acme")
    assert refused(*ADD, *for_acme, account="3pl") is ErrorCode.FORBIDDEN_ACCOUNT
    assert refused(*ADD, "--customer-account", "nobody", account="3pl") is ErrorCode.FORBIDDEN_ACCOUNT
    done("account.link", "provider_account_id=3pl", "scope=read")
    assert refused(*ADD, *for_acme, account="3pl") is ErrorCode.FORBIDDEN_ACCOUNT
    assert onhand("levels", "--account", "acme", "--json").stdout == ""
    done("account.link", "provider_account_id=3pl", "scope=write")
    added = done(*ADD, *for_acme, account="3pl")
    assert (added["account_id"], added["customer_account_id"], added["status"]) == ("3pl", "acme", "applied")
    assert refused(*ADD, account="3pl") is ErrorCode.UNKNOWN_WAREHOUSE  # it has no stock of its own
    [level] = map(json.loads, onhand("levels", "--account", "acme", "--json").stdout.splitlines())
    assert (level["sku"], level["on_hand"]) == ("TEA", 5)
    done("account.unlink", "provider_account_id=3pl")
    assert refused(*ADD, *for_acme, account="3pl") is ErrorCode.FORBIDDEN_ACCOUNT
