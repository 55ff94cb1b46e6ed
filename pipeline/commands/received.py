"""A command as it was received: the order, its id, and the fingerprint by which a repeat is known."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from pipeline.errors import Invalid
from pipeline.store.commands import CommandKey, Outcome
from schemas.commands import AnyCommand
from schemas.states import ResultStatus


@dataclass(frozen=True)
class ReceivedCommand:
    """One delivery of a command."""

    command_id: str
    command: AnyCommand

    @property
    def key(self) -> CommandKey:
        """What must be unique."""
        return CommandKey(self.command.account_id, self.command_id)

    @cached_property
    def body_hash(self) -> bytes:
        """16 bytes that are the same for the same order, however its JSON was written and whatever fields come yet."""
        text = f"{self.command.TYPE}\n{self.command.model_dump_json(exclude_defaults=True)}"
        return blake2b(text.encode(), digest_size=16).digest()

    def applied(self, levels: tuple[dict[str, object], ...] = ()) -> Outcome:
        """The outcome of having carried it out."""
        return Outcome(self.key, self.command.TYPE, self.body_hash, ResultStatus.APPLIED, None, None, levels)

    def rejected(self, reason: Invalid) -> Outcome:
        """The outcome of having broken a rule."""
        return Outcome(self.key, self.command.TYPE, self.body_hash, ResultStatus.REJECTED, reason.code, str(reason), ())
