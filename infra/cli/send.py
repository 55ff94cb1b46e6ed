"""`onhand send`: publish commands from JSON Lines, checked before they are sent."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from uuid import uuid4

import typer
from aiokafka import AIOKafkaConsumer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.progress import Progress

from consumers.settings import Settings
from infra.cli.context import AccountOrNone, load_settings, open_consumer, open_producer
from infra.cli.failures import Failure
from infra.cli.messages import Message, publish, shown
from infra.cli.output import AsJson, print_json, print_line, print_note, progress
from schemas.cloudevents import Attribute, EventId, StructuredEvent
from schemas.commands import COMMANDS
from schemas.states import ResultStatus
from schemas.topics import Topic

_MOST_BAD_LINES: Final = 20

_Id: TypeAlias = tuple[str, str]
"""Account and command id: ids are unique within an account only."""


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
    wait: Annotated[bool, typer.Option("--wait", help="Print the results as they come.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that --wait goes without any result.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Publish commands, one a line: a structured CloudEvent, or {"type": …, "data": {…}} with an "id" if you have one.

    A file with a bad line is not sent at all; standard input is sent up to its first bad line. --account fills in the
    account_id of lines that have none. Exit code 1 where a line is bad, a command was rejected, or a result is missing.
    """
    if file != "-":
        _check(Path(file), account)
    sent, answers = asyncio.run(_run(load_settings(), file, account, timeout if wait else None, as_json=as_json))
    rejected = answers.count(ResultStatus.REJECTED)
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
    for line in _read(path, account):
        if isinstance(line, _BadLine):
            bad.append(line)
            if len(bad) == _MOST_BAD_LINES:
                break
    if bad:
        more = "\nand perhaps more after these" if len(bad) == _MOST_BAD_LINES else ""
        raise Failure("Nothing was sent.\n" + "\n".join(f"{path}, {line}" for line in bad) + more)


async def _run(
    settings: Settings, file: str, account: str | None, timeout: float | None, *, as_json: bool
) -> tuple[int, list[ResultStatus]]:
    """How many were sent, and the statuses of the results, one for each id."""
    ids: set[_Id] = set()
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
        async for count in publish(producer, topic, _messages(file, account, ids)):
            sent += count
            bar.update(task, completed=sent)
        if results is None or timeout is None:
            return sent, []
        return len(ids), await _await_results(results, ids, timeout, bar, as_json=as_json)


def _messages(file: str, account: str | None, ids: set[_Id]) -> Iterator[Message]:
    lines = _read(None if file == "-" else Path(file), account)
    for count, line in enumerate(lines):
        if isinstance(line, _BadLine):
            raise Failure(f"{'standard input' if file == '-' else file}, {line}\nCommands sent before it: {count}.")
        ids.add((json.loads(line.data)["account_id"], line.id))
        yield line


async def _await_results(
    results: AIOKafkaConsumer, ids: set[_Id], timeout: float, bar: Progress, *, as_json: bool
) -> list[ResultStatus]:
    missing, statuses = set(ids), list[ResultStatus]()
    task = bar.add_task("Waiting", total=len(ids))
    while missing:
        batches = await results.getmany(timeout_ms=int(timeout * 1000))
        found = [
            result
            for records in batches.values()
            for result in (shown(record)["data"] for record in records)
            if isinstance(result, dict) and (result.get("account_id"), result.get("command_id")) in missing
        ]
        if not batches:
            break
        for result in found:
            missing.discard((result["account_id"], result["command_id"]))
            statuses.append(ResultStatus(result["status"]))
            _print_result(result, as_json=as_json)
        bar.update(task, completed=len(statuses))
    return statuses


def _print_result(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        reason = f"  {result['code']}: {result.get('message') or ''}" if result.get("code") else ""
        print_line(f"{result['status']:<9}  {result['type']}  {result['command_id']}{reason}")


def _read(path: Path | None, account: str | None) -> Iterator[Message | _BadLine]:
    """The lines of a file, or of standard input. Blank lines are passed over."""
    with path.open("rb") if path else sys.stdin.buffer as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield _parse(number, line, account)


def _parse(number: int, line: bytes, account: str | None) -> Message | _BadLine:
    try:
        value = json.loads(line)
    except ValueError as error:
        return _BadLine(number, f"no JSON: {error}")
    if not isinstance(value, dict):
        return _BadLine(number, "no JSON object")
    try:
        event = (StructuredEvent if "specversion" in value else _ShortForm).model_validate(value)
        command = COMMANDS.get(event.type)
        if command is None:
            return _BadLine(number, f"type {event.type!r} is not one of {', '.join(COMMANDS)}")
        data = event.data if account is None else {"account_id": account} | event.data
        if account is not None and data["account_id"] != account:
            return _BadLine(number, f"account_id {data['account_id']!r} is not --account {account!r}")
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        command.model_validate_json(text)
    except ValidationError as error:
        return _BadLine(number, "; ".join(_problem(problem) for problem in error.errors(include_url=False)))
    message_id = event.id or str(uuid4())
    key = f"{data['warehouse_id']}:{data['sku']}" if {"warehouse_id", "sku"} <= data.keys() else message_id
    message = Message(event.type, message_id, key, text.encode())
    return replace(message, source=event.source, time=event.time) if isinstance(event, StructuredEvent) else message


def _problem(problem: Any) -> str:
    return f"{'.'.join(map(str, problem['loc'])) or 'line'}: {problem['msg']}"
