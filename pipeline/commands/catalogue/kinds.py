"""Picks the commands of one kind out of a batch, and makes one of two."""

from collections.abc import Iterable
from typing import TypeVar

from pipeline.commands.received import ReceivedCommand
from schemas.commands.base import Command

C = TypeVar("C", bound=Command)


def of_kind(received: Iterable[ReceivedCommand], kind: type[C]) -> list[tuple[ReceivedCommand, C]]:
    """The deliveries of the commands that are of this kind, in their order."""
    return [(delivery, delivery.command) for delivery in received if isinstance(delivery.command, kind)]


def both(earlier: C | None, later: C) -> C:
    """What two commands about one thing say together: what the later one does not say, the earlier one does."""
    if earlier is None:
        return later
    said = {name: value for name, value in later if value is not None}
    return earlier.model_copy(update=said)
