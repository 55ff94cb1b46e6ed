"""README.md: its commands run, its examples keep their contracts, and its tables are what the code says."""

import inspect
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from consumers.settings import Settings
from infra.cli import app
from schemas.cloudevents import StructuredEvent
from schemas.commands import COMMANDS
from schemas.commands.base import Command
from schemas.errors import ErrorCode
from schemas.reasons import Reason
from schemas.topics import TOPICS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAYLOADS = {str(name): model for spec in TOPICS.values() for name, model in spec.payloads}


class Block(NamedTuple):
    """A fenced block: what stands behind the fence, and what is in it."""

    info: str
    text: str


BLOCKS = [Block(*found) for found in re.findall(r"^```([^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
WALK_THROUGH = [block.text for block in BLOCKS if block.info == "sh"]


def blocks(info: str) -> list[str]:
    found = [block.text for block in BLOCKS if block.info == info]
    assert found, f"README.md has no block ```{info}"
    return found


def _table(head: str) -> list[str]:
    """The rows below a head; an empty line ends them."""
    _, _, rest = README.partition(f"{head}\n")
    return rest.split("\n\n")[0].splitlines()[1:]


SPOKEN_OF = {
    *PAYLOADS, *(f"inventory.{spec.name}" for spec in TOPICS.values()),
    *(name for model in COMMANDS.values() for form in (model, model.LINES_FORM) if form for name in form.model_fields),
}  # fmt: skip
"""Messages, topics, and the fields of commands."""


def test_every_block_of_commands_is_of_a_kind_that_is_checked_here() -> None:
    assert {block.info for block in BLOCKS if block.info.startswith("sh")} == {
        "sh",
        "sh up",
        "sh make",
        "sh servers",
        "sh docker",
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the reader stands: a directory with the virtual environment in it."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    binaries = Path(sys.executable).parent
    (tmp_path / ".venv" / "bin" / "activate").write_text(f"export PATH={shlex.quote(str(binaries))}:$PATH\n")
    return tmp_path


@pytest.fixture
def running(home: Path) -> Iterator[Path]:
    """The first terminal."""
    (commands,) = blocks("sh up")
    assert commands.splitlines()[-1] == "onhand up > .onhand/env"
    terminal = subprocess.Popen(
        ["bash", "-euc", commands.replace("onhand up", "exec onhand up")], cwd=home, stderr=subprocess.PIPE, text=True
    )
    assert terminal.stderr is not None
    said = []
    while not (line := terminal.stderr.readline()).startswith("Up."):
        said.append(line)
        assert line, f"onhand up ended: {''.join(said)}"
    yield home
    terminal.send_signal(signal.SIGINT)
    assert terminal.wait(60) == 0


def test_the_walk_through_runs_from_top_to_bottom_in_one_shell(running: Path) -> None:
    began = time.monotonic()
    script = "set -o pipefail\n" + "\n".join(WALK_THROUGH)
    result = subprocess.run(
        ["bash", "-exc", script], cwd=running, capture_output=True, text=True, check=False, timeout=280
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\nafter {time.monotonic() - began:.0f} s"
    for seen in ("3 commands, 3 answered, 0 rejected", "partial", "QUANTITY_NOT_AN_INTEGER", "UNKNOWN_SKU"):
        assert seen in result.stdout + result.stderr
    assert "BROKEN" not in result.stdout
    assert (running / "rejects.csv").read_text().count("\n") == 3


@pytest.mark.parametrize("line", [line for text in blocks("sh make") for line in text.splitlines()])
def test_what_make_is_asked_for_is_there(line: str) -> None:
    """They run elsewhere: `make demo` in test_demo, `make test` is this, `make kafka` in the suite's own broker."""
    program, target = line.split()
    assert program == "make"
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("line", [line for text in blocks("sh servers") for line in text.splitlines()])
def test_commands_for_servers_of_ones_own_exist(line: str) -> None:
    """They need servers that a test does not have; that they work is tested on those that it has."""
    if line.startswith("export "):
        name = line.removeprefix("export ").partition("=")[0]
        assert name.removeprefix("ONHAND_").lower() in Settings.model_fields
    else:
        program, *arguments = shlex.split(line)
        assert program == "onhand"
        assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


@pytest.mark.parametrize("line", [line for text in blocks("sh docker") for line in text.splitlines()])
def test_commands_that_need_docker(line: str) -> None:
    words = shlex.split(line)
    assert (ROOT / words[words.index("-f") + 1]).exists()
    pytest.skip(f"needs a Docker engine and builds images: {line}")


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.info.startswith("json ")], ids=lambda block: block.info)
def test_examples_of_messages_keep_their_contracts(block: Block) -> None:
    value = json.loads(block.text)
    kind = block.info.removeprefix("json ")
    if kind == "structured":
        event = StructuredEvent.model_validate(value)
        COMMANDS[event.type].model_validate_json(json.dumps(event.data))
    else:
        parsed = PAYLOADS[kind].model_validate_json(block.text)
        # No field of a message that we write is left out.
        assert kind in COMMANDS or set(value) >= {
            name for name, field in type(parsed).model_fields.items() if field.is_required()
        }


def test_the_table_of_settings_is_the_model() -> None:
    rows = [
        f"| `ONHAND_{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    assert _table("| variable | default | meaning |") == rows


def test_the_table_of_error_codes_is_the_list() -> None:
    assert _table("| code | meaning | what to do |") == [f"| `{c.value}` | {c.meaning} | {c.hint} |" for c in ErrorCode]


def test_the_table_of_commands_is_the_list() -> None:
    rows = [
        f"| `{name}` | {(inspect.getdoc(model) or '').splitlines()[0]} | {_in_order_with(model)} |"
        for name, model in COMMANDS.items()
    ]
    assert _table("| command | what it says | in order with |") == rows


def _in_order_with(model: type[Command]) -> str:
    """What the command line's Kafka key of a command says; tests/test_order_keys.py tests that it does."""
    fields = model.model_fields.keys()
    if "transfer_id" in fields:
        return "its transfer"
    if {"warehouse_id", "sku"} <= fields:
        return "its SKU; with `lines`, its document" if model.LINES_FORM else "its SKU"
    return "its document" if "document" in fields else "nothing"


def test_the_table_of_reasons_is_the_list() -> None:
    assert _table("| reason | when |") == [f"| `{reason.value}` | {reason.meaning} |" for reason in Reason]


@pytest.mark.parametrize("row", _table("| # | what | how | shown by |"), ids=lambda row: row.split(" ")[1])
def test_each_capability_names_what_does_it_and_a_test_that_is_there(row: str) -> None:
    _, _, _, how, shown_by, _ = row.split(" | ".strip())
    for name in re.findall(r"`([^`]+)`", how):
        if name.startswith("onhand "):
            words = [word for word in name.split()[1:] if word.isalpha()]
            assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, name
        else:
            assert name in SPOKEN_OF, name
    if "not yet" not in how or shown_by.strip():
        file, _, test = shown_by.strip(" `").partition("::")
        assert f"def {test}(" in (ROOT / "tests" / file).read_text("utf-8")


def test_the_table_of_topics_is_the_list() -> None:
    rows = [f"| `inventory.{spec.name}` | {spec.direction} | {spec.about} |" for spec in TOPICS.values()]
    assert _table("| topic | | what |") == rows


def test_the_demo_that_is_shown_is_the_one_that_runs() -> None:
    (shown,) = blocks("text demo")
    assert "All of it is true" in shown
    assert "FAILED" not in shown


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, ()):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
