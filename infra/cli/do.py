# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand do`: give one command from the shell, and see what became of it."""

import asyncio
import inspect
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any

import typer

from consumers.settings import Settings
from infra.cli.context import (
    AccountOrNone,
    CommandId,
    CustomerAccount,
    load_settings,
    open_consumer,
    open_producer,
)
from infra.cli.failures import Failure
from infra.cli.fields import fields_of
from infra.cli.messages import Message, publish
from infra.cli.orders import BadOrder, Sender, model_of, order
from infra.cli.output import AsJson, print_json, print_line, print_rows
from infra.cli.results import CommandKey, is_rejected, print_result, results_of
from schemas.commands import COMMANDS
from schemas.commands.base import Command
from schemas.topics import Topic
from schemas.whole_numbers import load_json


def do(
    command_type: Annotated[str | None, typer.Argument(metavar="TYPE", help="What to do; --list shows all.")] = None,
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD=VALUE", help="As `delta=-2` or `lines=[…]` in JSON; --fields shows all."),
    ] = None,
    account: AccountOrNone = None,
    customer_account: CustomerAccount = None,
    command_id: CommandId = None,
    wait: Annotated[bool, typer.Option(help="Wait for the result.")] = True,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for the result.")] = 30.0,
    list_types: Annotated[bool, typer.Option("--list", help="Show all types.")] = False,
    show_fields: Annotated[bool, typer.Option("--fields", help="Show the fields of the type.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give one command, and print its result. Exit code 1 where it was not sent, was rejected, or has no result yet.

    It is checked before it is sent. Sent again with the same --id, it is not carried out again.
    """
    if list_types:
        rows = ({"type": name, "about": _about(model)} for name, model in COMMANDS.items())
        print_rows(rows, as_json=as_json, limit=None)
        return
    if command_type is None:
        raise typer.BadParameter("missing; `onhand do --list` shows all types.", param_hint="TYPE")
    try:
        model = model_of(command_type)
        if show_fields:
            _print_fields(model, as_json=as_json)
            return
        if account is None:
            raise typer.BadParameter(
                "missing; say who gives the command, or set ONHAND_ACCOUNT.", param_hint="--account"
            )
        data = _data(fields or (), model)
        message = order(command_type, data, Sender(account, customer_account), command_id)
    except BadOrder as error:
        raise Failure(f"Nothing was sent. {error}") from None
    result = asyncio.run(
        _give(load_settings(), message, (account, message.source, message.id), timeout if wait else None)
    )
    if result is None:
        print_json({"command_id": message.id}) if as_json else print_line(message.id)
        return
    print_result(result, as_json=as_json, with_levels=True)
    if is_rejected(result):
        raise typer.Exit(1)


def _about(model: type[Command]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]


def _print_fields(model: type[Command], *, as_json: bool) -> None:
    fields = fields_of(model)
    if not as_json:
        for line in f"{model.TYPE}: {inspect.getdoc(model)}\n".split("\n"):
            print_line(line)
    rows = (
        {"field": f.name, "required": f.required, "default": json.dumps(f.default) if f.default is not None else None}
        | {"type": f.type}
        for f in fields
    )
    print_rows(rows, as_json=as_json, limit=None)


def _data(pairs: Sequence[str], model: type[Command]) -> Mapping[str, Any]:
    texts = {field.name for field in fields_of(model) if field.is_text}
    data: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadOrder(f"{pair!r} is not FIELD=VALUE")
        if name in data:
            raise BadOrder(f"{name}: given twice")
        data[name] = value if name in texts else _value(value)
    return data


def _value(text: str) -> Any:
    """JSON where it is that; else text, about which the contract will have something to say."""
    try:
        return load_json(text)
    except (ValueError, RecursionError):
        return text


async def _give(settings: Settings, message: Message, key: CommandKey, timeout: float | None) -> dict[str, Any] | None:
    """Send it. Its result; None where `timeout` is None: nobody waits.

    Raises:
        Failure: no result came in time.
    """
    async with AsyncExitStack() as stack:
        # The place in the results is noted before the command goes out, so that its result cannot be missed.
        results = (
            await stack.enter_async_context(open_consumer(settings, Topic.COMMAND_RESULTS, from_beginning=False))
            if timeout is not None
            else None
        )
        producer = await stack.enter_async_context(open_producer(settings))
        async for _ in publish(producer, settings.kafka_topic_prefix + Topic.COMMANDS, [message]):
            pass
        if results is None or timeout is None:
            return None
        async for result in results_of(results, [key], timeout):
            return result
    raise Failure(
        f"Command {message.id} was sent, and no result came for {timeout:g} s. Is a worker running? It stays in the "
        "topic; sent again with the same --id, it is not carried out again."
    )
