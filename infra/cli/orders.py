"""A command as a person gives it: filled in, checked against its contract, and made a message."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from pydantic import ValidationError

from consumers.cloudevents import fault_words
from infra.cli.messages import Message
from schemas.commands import COMMANDS, read_value
from schemas.commands.base import RESERVED_IDS, Command

_MOST_FAULTS: Final = 20


class BadOrder(Exception):  # noqa: N818 - it is what the person sees
    """A command does not keep its contract; the message says why, for the person who wrote it."""


@dataclass(frozen=True)
class Sender:
    """Who gives commands, and for which customer. None: each command says it itself."""

    account: str | None = None
    customer_account: str | None = None

    def fill_in(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data with the accounts that it leaves out.

        Raises:
            BadOrder: it names another one.
        """
        given = {"account_id": self.account, "customer_account_id": self.customer_account}
        filled = {name: account for name, account in given.items() if account is not None} | dict(data)
        for name, account in given.items():
            if account is not None and filled[name] != account:
                option = f"--{name.removesuffix('_id').replace('_', '-')}"
                raise BadOrder(f"{name} {filled[name]!r} is not {option} {account!r}")
        return filled


def model_of(command_type: str) -> type[Command]:
    """What a command of this type says.

    Raises:
        BadOrder: there is no such type.
    """
    model = COMMANDS.get(command_type)
    if model is None:
        raise BadOrder(f"type {command_type!r} is not one of {', '.join(COMMANDS)}")
    return model


def order(command_type: str, data: Mapping[str, Any], sender: Sender, command_id: str | None = None) -> Message:
    """The message that gives a command. Without an id it gets one of its own.

    Raises:
        BadOrder: there is no such type, or the data or the id breaks its contract.
    """
    model = model_of(command_type)
    filled = sender.fill_in(data)
    message_id = command_id or str(uuid4())
    if message_id.startswith(RESERVED_IDS):
        raise BadOrder(f"id: begins with {RESERVED_IDS!r}, which is onhand's own")
    try:
        read_value(model, filled)
    except ValidationError as error:
        raise BadOrder(fault_words(error, _MOST_FAULTS)) from None
    key = f"{filled['warehouse_id']}:{filled['sku']}" if {"warehouse_id", "sku"} <= filled.keys() else message_id
    text = json.dumps(filled, ensure_ascii=False, separators=(",", ":"))
    return Message(command_type, message_id, key, text.encode())
