"""The command line as a person or a program uses it, in this process."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from infra.cli import app


def onhand(*arguments: str, stdin: str | None = None) -> Result:
    """Run it."""
    return CliRunner().invoke(app, arguments, input=stdin)


def json_lines(result: Result) -> list[dict[str, Any]]:
    """What a command that went well has printed."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def sent(topic: str, count: int) -> list[dict[str, Any]]:
    """The first events of a topic."""
    tail = ("events", "tail", "--topic", topic, "--from-beginning", "--limit", str(count))
    return json_lines(onhand(*tail))
