"""An account of the model: batches of deliveries in, the answer to each out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tests.model.rules import RULES, apply_due
from tests.model.sent import Sent
from tests.model.world import Refused, Step, World

WHOLE = {"transfer.received"}
"""Commands that are carried out as one, although they have lines."""


class Delivery(NamedTuple):
    """One delivery of a command. `sender` "": the account itself, else a provider that acts for it.

    `source` is the system that chose the id; two of them use the same ids.
    """

    id: str
    kind: str
    data: Mapping[str, Any]
    sender: str = ""
    source: str = "shop"

    @property
    def key(self) -> "CommandKey":
        """What is carried out at most once: ids of commands are their source's, within a sender."""
        return self.sender, self.id, self.source

    @property
    def body(self) -> str:
        """What must be the same for a repeat, however it is spelt."""
        return json.dumps([self.kind, _meant(self.data)], sort_keys=True)


CommandKey = tuple[str, str, str]
"""Sender, command id and source."""


def _meant(value: Any) -> Any:
    """A document without its spelling: null is the same as nothing, and an instant has many names."""
    if isinstance(value, Mapping):
        said = {name: _meant(inner) for name, inner in value.items() if inner is not None}
        return said | ({"due_at": datetime.fromisoformat(said["due_at"]).timestamp()} if "due_at" in said else {})
    return [_meant(inner) for inner in value] if isinstance(value, list) else value


class Answer(NamedTuple):
    """What became of a command; a rejection names one of `codes`."""

    status: str
    codes: frozenset[str] = frozenset()
    steps: tuple[Step, ...] = ()


class Repeat(NamedTuple):
    """The answer to a repeat: duplicate with the first outcome, or the rejection of another body."""

    key: CommandKey
    status: str
    first: str | None


@dataclass
class Account:
    """The world of an account, and every command that it has answered."""

    world: World
    answered: dict[CommandKey, tuple[str, Answer]] = field(default_factory=dict)
    """Body and answer of each command."""

    def deliver(self, batch: Sequence[Delivery]) -> tuple[dict[CommandKey, Answer], list[Repeat]]:
        """The answers of new commands, and those of repeats."""
        answers: dict[CommandKey, Answer] = {}
        repeats: list[Repeat] = []
        for delivery in batch:
            if delivery.key in self.answered:
                body, first = self.answered[delivery.key]
                same = body == delivery.body
                said = ("duplicate", first.status) if same else ("rejected", None)
                repeats.append(Repeat(delivery.key, *said))
            else:
                answers[delivery.key] = self._carry_out(delivery)
                self.answered[delivery.key] = delivery.body, answers[delivery.key]
        return answers, repeats

    def take_requests(self) -> tuple[tuple[str, str, str], ...]:
        """The channel locations that were asked for their counts since the last time."""
        asked, self.world.requests = self.world.requests, ()
        return asked

    def apply_due(self, now: str) -> dict[str, Step]:
        """The steps of the schedules that are due, by schedule."""
        return apply_due(self.world, now)

    def _carry_out(self, delivery: Delivery) -> Answer:
        if delivery.sender and self.world.scope != "write":
            return Answer("rejected", frozenset({"FORBIDDEN_ACCOUNT"}))
        carry, named = RULES[delivery.kind]
        data = delivery.data
        name = f"{delivery.sender}:{delivery.id}" if delivery.sender else delivery.id
        sent = Sent(name, delivery.kind, data, data.get("reason", named), data.get("document", ""))
        draft = self.world.copy()
        if data.get("reason") is not None and data["reason"] not in self.world.reasons:
            draft.codes.add("UNKNOWN_REASON")
        if delivery.kind == "transfer.shipped" and data["transfer_id"] in self.world.transfers:
            draft.codes.add("TRANSFER_EXISTS")
        for line in [data] if delivery.kind in WHOLE else data.get("lines", [data]):
            try:
                carry(draft, sent, line)
            except Refused as refused:
                draft.codes |= refused.codes
        if draft.codes:
            return Answer("rejected", frozenset(draft.codes))
        self.world = draft
        return Answer("applied", steps=tuple(draft.steps))
