"""The command line without workers: help, set-up, doctor, sending and looking, and errors in one clear line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.settings import Settings
from infra.cli import app
from pipeline.objects import ObjectStore
from pipeline.store.database import Database

COMMANDS = (
    *("doctor", "up", "worker", "send", "do", "levels", "log", "audit", "db upgrade", "topics apply", "events tail"),
    *(
        "warehouses",
        "locations",
        "products",
        "lots",
        "schedules",
        "transfers",
        "allocations",
        "channels",
        "reasons",
        "links",
    ),
    *("sync submit", "sync list", "sync show", "sync errors", "sync items", "sync diff"),
    *("sync approve", "sync confirm", "sync revert", "sync abort"),
    *("snapshot create", "snapshot list", "snapshot show", "snapshot abort"),
)
NOWHERE = "127.0.0.1:1"


def onhand(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def json_lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def command(sku: str = "S-1", **fields: Any) -> str:
    data = {"account_id": "acme", "warehouse_id": "w1", "sku": sku, "quantity": 5} | fields
    return json.dumps({"type": "inventory.add", "data": data}) + "\n"


@pytest.fixture
def topics(settings: Settings) -> None:
    """The topics of this test."""
    assert onhand("topics", "apply").exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_takes_json(name: str) -> None:
    result = onhand(*name.split(), "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


def test_missing_settings_are_named_in_one_line_without_a_trace() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "infra.cli", "levels", "--account", "acme"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "ONHAND_DATABASE_URL is not set" in result.stderr
    assert "ONHAND_KAFKA_BOOTSTRAP_SERVERS is not set" in result.stderr


@pytest.mark.parametrize(
    ("variable", "arguments", "expected"),
    [
        ("ONHAND_SYNC_CHUNK_ROWS=many", ("levels", "--account", "a"), "ONHAND_SYNC_CHUNK_ROWS: Input should be"),
        ("ONHAND_DATABASE_URL=nonsense", ("db", "upgrade"), "cannot be read"),
        ("ONHAND_DATABASE_URL=nonsense", ("levels", "--account", "a"), "ONHAND_DATABASE_URL cannot be read"),
        (f"ONHAND_DATABASE_URL=postgresql://{NOWHERE}/x", ("db", "upgrade"), "PostgreSQL does not answer"),
        (f"ONHAND_DATABASE_URL=postgresql://{NOWHERE}/x", ("log", "--account", "a"), "PostgreSQL does not answer"),
        (f"ONHAND_KAFKA_BOOTSTRAP_SERVERS={NOWHERE}", ("topics", "apply"), f"Kafka does not answer at {NOWHERE}"),
        (f"ONHAND_KAFKA_BOOTSTRAP_SERVERS={NOWHERE}", ("send", "-"), f"Kafka does not answer at {NOWHERE}"),
        (f"ONHAND_KAFKA_BOOTSTRAP_SERVERS={NOWHERE}", ("events", "tail"), f"Kafka does not answer at {NOWHERE}"),
    ],
)  # fmt: skip
def test_wrong_settings_give_one_clear_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, variable: str, arguments: tuple[str, ...], expected: str
) -> None:
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    result = onhand(*arguments, stdin=command())
    assert result.exit_code == 1
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_an_account_nothing_is_guessed(settings: Settings) -> None:
    result = onhand("levels")
    assert result.exit_code == 2
    assert "ONHAND_ACCOUNT" in result.stderr


def test_a_database_without_schema_says_what_to_run(settings: Settings, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("DROP TABLE levels")
    result = onhand("levels", "--account", "acme")
    assert result.exit_code == 1
    assert "onhand db upgrade" in result.stderr


def test_topics_are_created_once_and_then_left(settings: Settings) -> None:
    first, second = json_lines(onhand("topics", "apply", "--json")), json_lines(onhand("topics", "apply", "--json"))
    assert {report["outcome"] for report in first} == {"created"}
    assert {report["outcome"] for report in second} == {"unchanged"}
    assert all(report["name"].startswith(settings.kafka_topic_prefix) for report in first)


def test_doctor_names_what_is_missing_and_then_finds_nothing(settings: Settings, environment: dict[str, str]) -> None:
    result = onhand("doctor", "--json")
    assert result.exit_code == 1
    findings = {check["check"]: check for check in map(json.loads, result.stdout.splitlines())}
    assert findings["PostgreSQL"]["ok"]
    assert "onhand topics apply" in findings["Kafka topics"]["detail"]
    assert "ONHAND_S3_WORK_BUCKET" in findings["S3 bucket for work"]["detail"]


def test_doctor_finds_nothing_wrong_when_all_is_set_up(settings: Settings, topics: None, store: ObjectStore) -> None:
    result = onhand("doctor")
    assert result.exit_code == 0, result.output
    assert not list(store.list(settings.s3_work_bucket))


def test_doctor_looks_at_the_other_servers_when_one_is_down(
    settings: Settings, topics: None, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONHAND_DATABASE_URL", f"postgresql://{NOWHERE}/x")
    result = onhand("doctor", "--json")
    assert result.exit_code == 1
    findings = {check["check"]: check["ok"] for check in map(json.loads, result.stdout.splitlines())}
    assert [name for name, ok in findings.items() if not ok] == ["PostgreSQL"], result.stdout


def test_a_bad_line_is_named_and_nothing_of_the_file_is_sent(settings: Settings, topics: None, tmp_path: Path) -> None:
    file = tmp_path / "commands.jsonl"
    file.write_text(command() + "\n" + command(quantity=-1) + "no json\n" + '{"type": "inventory.burn", "data": {}}\n')
    result = onhand("send", str(file))
    assert result.exit_code == 1
    assert "Nothing was sent." in result.stderr
    assert f"{file}, line 3: quantity: " in result.stderr
    assert f"{file}, line 4: no JSON" in result.stderr
    assert f"{file}, line 5: type 'inventory.burn' is not one of account.upsert" in result.stderr


def test_a_line_of_another_account_is_refused(settings: Settings, topics: None) -> None:
    result = onhand("send", "-", "--account", "other", stdin=command())
    assert result.exit_code == 1
    assert "standard input, line 1: account_id 'acme' is not --account 'other'" in result.stderr


def test_commands_arrive_as_events_in_binary_mode(settings: Settings, topics: None) -> None:
    structured = {
        "specversion": "1.0", "id": "erp-1", "type": "product.upsert", "source": "erp", "data": {"sku": "S-1"},
    }  # fmt: skip
    sent = onhand("send", "-", "--account", "acme", "--json", stdin=command() + json.dumps(structured))
    assert json_lines(sent) == [{"sent": 2}]
    tailed = json_lines(onhand("events", "tail", "--topic", "commands", "--from-beginning", "--limit", "2"))
    events = {event["type"]: event for event in tailed}
    assert events["inventory.add"]["key"] == "w1:S-1"
    assert events["inventory.add"]["headers"] == {"content-type": "application/json"}
    assert events["product.upsert"]["id"] == "erp-1"
    assert events["product.upsert"]["source"] == "erp"
    assert events["product.upsert"]["data"] == {"account_id": "acme", "sku": "S-1"}


def test_waiting_without_a_worker_says_so(settings: Settings, topics: None) -> None:
    result = onhand("send", "-", "--wait", "--timeout", "0.2", stdin=command())
    assert result.exit_code == 1
    assert "1 of 1 are missing. Is a worker running?" in result.stderr


def test_a_snapshot_is_requested(settings: Settings, topics: None) -> None:
    create = ("snapshot", "create", "--account", "acme", "--updated-from", "2026-01-31T12:00:00", "--json")
    [snapshot] = json_lines(onhand(*create))
    [event] = json_lines(onhand("events", "tail", "--topic", "snapshots", "--from-beginning", "--limit", "1"))
    assert event["data"]["snapshot_id"] == snapshot["snapshot_id"]
    assert event["data"]["updated_from"] == "2026-01-31T12:00:00Z"


def test_levels_and_the_log_show_one_account_only(settings: Settings, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO levels (account_id, warehouse_id, sku, location_id, version, available)
            SELECT account_id, 'w1', 'S-' || n, 'unassigned', 2, 3
            FROM unnest(ARRAY['acme', 'other']) AS account_id, generate_series(1, 1200) AS n
            """
        )
        connection.execute(
            """
            INSERT INTO change_log
                (account_id, level_id, version, state, delta, after, batch_id, recorded_at, command_id)
            SELECT account_id, level_id, v, 'available', CASE v WHEN 1 THEN 5 ELSE -2 END, 7 - 2 * v, v, now(), 'c'
            FROM levels, generate_series(1, 2) AS v
            """
        )
    levels = json_lines(onhand("levels", "--account", "acme", "--json"))
    assert len({level["sku"] for level in levels}) == len(levels) == 1200
    log = json_lines(onhand("log", "--account", "acme", "--json"))
    assert len(log) == 2400
    assert [change["version"] for change in log] == [2] * 1200 + [1] * 1200
    one = json_lines(onhand("log", "--account", "acme", "--sku", "S-9", "--json"))
    assert [(change["before"], change["delta"], change["after"]) for change in one] == [(5, -2, 3), (0, 5, 5)]


def test_what_a_tenant_wrote_does_not_steer_the_terminal(settings: Settings, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO levels (account_id, warehouse_id, location_id, version, sku) VALUES ('acme', 'w', 'a', 1, %s)",
            ["\x1b[31m[red]S"],
        )
    shown = onhand("levels", "--account", "acme").stdout
    assert r"\x1b[31m[red]S" in shown
    assert "\x1b" not in shown
