# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand send`: publish commands from JSON Lines, checked before they are sent."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from aiokafka import AIOKafkaConsumer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.progress import Progress

from consumers.cloudevents import fault_words
from consumers.settings import Settings
from infra.cli.context import AccountOrNone, CommandSource, load_settings, open_consumer, open_producer
from infra.cli.failures import Failure
from infra.cli.messages import CLI_SOURCE, Message, publish
from infra.cli.orders import BadOrder, Sender, order
from infra.cli.output import AsJson, print_json, print_note, progress
from infra.cli.results import CommandKey, is_rejected, print_result, results_of
from schemas.cloudevents import Attribute, EventId, StructuredEvent
from schemas.topics import Topic
from schemas.whole_numbers import load_json

_MOST_BAD_LINES: Final = 20


class _ShortForm(BaseModel):
    """A line without the attributes that we can add ourselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Attribute
    id: EventId | None = None
    data: dict[str, Any]


@dataclass(frozen=True)
class _BadLine:
    number: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.problem}"


def send(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON Lines, or - for standard input.")],
    account: AccountOrNone = None,
    source: CommandSource = None,
    wait: Annotated[bool, typer.Option("--wait", help="Print the results as they come.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that --wait goes without any result.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Publish commands, one a line: a structured CloudEvent, or {"type": …, "data": {…}} with an "id" if you have one.

    A file with a bad line is not sent at all; standard input is sent up to its first bad line. --account fills in the
    account_id of lines that have none, --source the source of lines that are no CloudEvents. A command that is sent
    again with the same id and source is not carried out again. Exit code 1 where a line is bad, a command was rejected,
    or a result is missing.
    """
    if file != "-":
        _check(Path(file), account)
    lines = _read(None if file == "-" else Path(file), account, source or CLI_SOURCE)
    sent, answers = asyncio.run(_run(load_settings(), file, lines, timeout if wait else None, as_json=as_json))
    rejected = sum(map(is_rejected, answers))
    if not wait and as_json:
        print_json({"sent": sent})
    elif not as_json:
        results = f", {len(answers)} answered, {rejected} rejected" if wait else ""
        print_note(f"Sent {sent} commands{results}.")
    if wait and len(answers) < sent:
        raise Failure(
            f"No result came for {timeout:g} s, {sent - len(answers)} of {sent} are missing. Is a worker running? They "
            "stay in the topic, and their results come later."
        )
    if rejected:
        raise typer.Exit(1)


def _check(path: Path, account: str | None) -> None:
    bad = []
    for line in _read(path, account, CLI_SOURCE):
        if isinstance(line, _BadLine):
            bad.append(line)
            if len(bad) == _MOST_BAD_LINES:
                break
    if bad:
        more = "\nand perhaps more after these" if len(bad) == _MOST_BAD_LINES else ""
        raise Failure("Nothing was sent.\n" + "\n".join(f"{path}, {line}" for line in bad) + more)


async def _run(
    settings: Settings, file: str, lines: Iterator[Message | _BadLine], timeout: float | None, *, as_json: bool
) -> tuple[int, list[dict[str, Any]]]:
    """How many were sent, and the results, one for each."""
    keys: list[CommandKey] = []
    async with AsyncExitStack() as stack:
        # The place in the results is noted before the first command goes out, so that no result can be missed.
        results = (
            await stack.enter_async_context(open_consumer(settings, Topic.COMMAND_RESULTS, from_beginning=False))
            if timeout is not None
            else None
        )
        producer = await stack.enter_async_context(open_producer(settings))
        bar = stack.enter_context(progress("commands"))
        task = bar.add_task("Sending", total=None)
        sent = 0
        topic = settings.kafka_topic_prefix + Topic.COMMANDS
        async for count in publish(producer, topic, _messages(file, lines, keys)):
            sent += count
            bar.update(task, completed=sent)
        if results is None or timeout is None:
            return sent, []
        return len(keys), await _await_results(results, keys, timeout, bar, as_json=as_json)


def _messages(file: str, lines: Iterator[Message | _BadLine], keys: list[CommandKey]) -> Iterator[Message]:
    for count, line in enumerate(lines):
        if isinstance(line, _BadLine):
            raise Failure(f"{'standard input' if file == '-' else file}, {line}\nCommands sent before it: {count}.")
        keys.append((json.loads(line.data)["account_id"], line.source, line.id))
        yield line


async def _await_results(
    results: AIOKafkaConsumer, keys: list[CommandKey], timeout: float, bar: Progress, *, as_json: bool
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    task = bar.add_task("Waiting", total=len(keys))
    async for result in results_of(results, keys, timeout):
        found.append(result)
        print_result(result, as_json=as_json)
        bar.update(task, completed=len(found))
    return found


def _read(path: Path | None, account: str | None, source: str) -> Iterator[Message | _BadLine]:
    """The lines of a file, or of standard input. Blank lines are passed over."""
    with path.open("rb") if path else sys.stdin.buffer as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield _parse(number, line, account, source)


def _parse(number: int, line: bytes, account: str | None, source: str) -> Message | _BadLine:
    try:
        value = load_json(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return _BadLine(number, f"no JSON: {error}")
    if not isinstance(value, dict):
        return _BadLine(number, "no JSON object")
    try:
        event = (StructuredEvent if "specversion" in value else _ShortForm).model_validate(value)
        message = order(event.type, _data_of(event), Sender(account), event.id)
    except ValidationError as error:
        return _BadLine(number, fault_words(error))
    except BadOrder as error:
        return _BadLine(number, str(error))
    if isinstance(event, StructuredEvent):
        return replace(message, source=event.source, time=event.time)
    return replace(message, source=source)


def _data_of(event: StructuredEvent | _ShortForm) -> dict[str, Any]:
    if isinstance(event, _ShortForm):
        return event.data
    if event.data is not None and event.data_base64 is None:
        return event.data
    try:
        data = load_json(event.packed().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadOrder(f"data_base64: {error}") from None
    if not isinstance(data, dict):
        raise BadOrder("data_base64: no JSON object")
    return data
