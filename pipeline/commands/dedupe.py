"""Tells new commands from repeats, within a batch and against all that came before."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from pipeline.commands.received import ReceivedCommand
from pipeline.commands.runs import CATALOGUE
from pipeline.errors import Invalid
from pipeline.store.commands import CommandKey, Outcome, earlier_outcomes
from schemas.errors import ErrorCode
from schemas.events import CommandResult
from schemas.states import ResultStatus


@dataclass
class Deliveries:
    """A batch, sorted: new commands by kind, in order, and the answers to repeats of earlier batches."""

    catalogue: list[ReceivedCommand] = field(default_factory=list)
    stock: list[ReceivedCommand] = field(default_factory=list)
    repeats: list[CommandResult] = field(default_factory=list)
    twins: list[CommandKey] = field(default_factory=list)
    """The key of each repeat within the batch: to be answered when its twin has its outcome."""


def deduplicate(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> Deliveries:
    """Sort a batch.

    The same id of one source with another body is answered with IDEMPOTENCY_MISMATCH and has no effect.
    """
    deliveries = Deliveries()
    earlier = earlier_outcomes(connection, {delivery.key for delivery in received})
    new: dict[CommandKey, ReceivedCommand] = {}
    for delivery in received:
        if outcome := earlier.get(delivery.key):
            deliveries.repeats.append(_answer(delivery, outcome))
        elif (first := new.setdefault(delivery.key, delivery)) is delivery:
            part = deliveries.catalogue if type(delivery.command) in CATALOGUE else deliveries.stock
            part.append(delivery)
        elif first.body_hash == delivery.body_hash:
            deliveries.twins.append(delivery.key)
        else:
            deliveries.repeats.append(_mismatch(delivery))
    return deliveries


def _answer(delivery: ReceivedCommand, earlier: Outcome) -> CommandResult:
    if earlier.body_hash != delivery.body_hash:
        return _mismatch(delivery)
    return earlier.result(ResultStatus.DUPLICATE)


def _mismatch(delivery: ReceivedCommand) -> CommandResult:
    return delivery.rejected(Invalid(ErrorCode.IDEMPOTENCY_MISMATCH, delivery.command_id)).result()
