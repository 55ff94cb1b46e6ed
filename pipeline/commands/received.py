"""A command as it was received: the order, its id and source, and the fingerprint by which a repeat is known."""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

from pipeline.errors import Invalid
from pipeline.store.commands import CommandKey, Outcome
from schemas.commands.base import Command
from schemas.events import MAX_LEVELS_OF_RESULT
from schemas.states import ResultStatus


class ReceivedCommand:
    """One delivery of a command. Not to be changed; slots and no dataclass, because there are 20,000 a second.

    `key` is what must be unique. `body_hash` has 16 bytes that are the same for the same order, however its JSON was
    written and whatever fields come yet.
    """

    __slots__ = ("body_hash", "command", "command_id", "key", "source")

    def __init__(self, command_id: str, command: Command, source: str) -> None:
        """Of an order as it was read. `source` is the CloudEvents source: the system that chose the id."""
        self.command_id = command_id
        self.command = command
        self.source = source
        self.key = CommandKey(command.account_id, command_id, source)
        self.body_hash = blake2b(_said(command).encode(), digest_size=16).digest()

    def applied(
        self, levels: Sequence[dict[str, object]] = (), change_count: int = 0, message: str | None = None
    ) -> Outcome:
        """The outcome of having carried it out, with what of it fits into a result."""
        return self._outcome(ResultStatus.APPLIED, None, message, change_count, levels[:MAX_LEVELS_OF_RESULT])

    def rejected(self, reason: Invalid) -> Outcome:
        """The outcome of having broken a rule."""
        return self._outcome(ResultStatus.REJECTED, reason.code, str(reason), 0, ())

    def _outcome(self, status: ResultStatus, *what: Any) -> Outcome:
        command = self.command
        return Outcome(self.key, command.customer_account_id, command.TYPE, self.body_hash, status, *what)


def _said(command: Command) -> str:
    """What a command says beyond the defaults; no value can hold the control character between the parts."""
    defaults = _defaults(type(command))
    parts = [command.TYPE]
    for name, value in command.__dict__.items():
        if value != defaults[name]:
            if isinstance(value, tuple):  # lines: JSON knows how to write models, and is slower
                return f"{command.TYPE}\n{command.model_dump_json(exclude_defaults=True)}"
            parts.append(f"{name}={value}")
    return "\x1f".join(parts)


@cache
def _defaults(model: type[Command]) -> dict[str, object]:
    return {name: field.default for name, field in model.model_fields.items()}
