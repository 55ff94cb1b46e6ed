"""Reads and writes the dedupe records and results of commands."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg
from pydantic_core import to_json

from pipeline.store.outbox import Batch, OutgoingMessage
from pipeline.store.statements import joined, statements
from schemas.cloudevents import EventType
from schemas.errors import ErrorCode
from schemas.events import CommandResult, LevelTouched
from schemas.states import ResultStatus
from schemas.topics import Topic

_SQL = statements("commands")


class CommandKey(NamedTuple):
    """What makes a command the same: its id, which the source chooses, within an account."""

    account_id: str
    command_id: str
    source: str


class Outcome(NamedTuple):
    """What became of a command. `levels` are documents of the form of LevelTouched, at most MAX_LEVELS_OF_RESULT."""

    key: CommandKey
    customer_account_id: str | None
    type: str
    body_hash: bytes
    status: ResultStatus
    code: ErrorCode | None
    message: str | None
    change_count: int
    levels: Sequence[dict[str, object]]

    def result(self, status: ResultStatus | None = None) -> CommandResult:
        """The result as it is published; with `status` DUPLICATE, the answer to a repeat."""
        return CommandResult(
            account_id=self.key.account_id,
            command_id=self.key.command_id,
            source=self.key.source,
            customer_account_id=self.customer_account_id,
            type=self.type,
            status=status or self.status,
            first=self.status if status else None,
            code=self.code,
            message=self.message,
            change_count=self.change_count,
            levels=tuple(LevelTouched.model_validate(level) for level in self.levels),
        )


def result_message(result: CommandResult) -> OutgoingMessage:
    """A result without a row of its own in `commands`: the answer to a repeat, or to what could not be read."""
    return OutgoingMessage(Topic.COMMAND_RESULTS, result.command_id, EventType.COMMAND_RESULT, result)


def earlier_outcomes(connection: psycopg.Connection, keys: Iterable[CommandKey]) -> dict[CommandKey, Outcome]:
    """The outcomes of those of the commands that had their effect before."""
    asked = list(keys)
    parameters = {
        "account_ids": joined(key.account_id for key in asked),
        "command_ids": joined(key.command_id for key in asked),
        "sources": joined(key.source for key in asked),
    }
    rows = connection.execute(_SQL["earlier_results"], parameters).fetchall()
    outcomes = (
        Outcome(
            CommandKey(account_id, command_id, source),
            customer_account_id,
            kind,
            body_hash,
            ResultStatus(status),
            ErrorCode(code) if code else None,
            *what,
        )
        for account_id, command_id, source, customer_account_id, body_hash, kind, status, code, *what in rows
    )
    return {outcome.key: outcome for outcome in outcomes}


def insert_outcomes(connection: psycopg.Connection, outcomes: Iterable[Outcome], batches: dict[str, Batch]) -> None:
    """Write dedupe records and results. `batches` gives the batch of each account.

    Raises:
        psycopg.errors.UniqueViolation: another worker wrote one of the commands meanwhile.
    """
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_commands"]) as copy:
        for key, customer_account_id, kind, body_hash, status, code, message, change_count, levels in outcomes:
            copy.write_row(
                (
                    *key,
                    customer_account_id,
                    kind,
                    body_hash,
                    str(status),  # as plain text: the driver takes twice as long for an enum
                    None if code is None else str(code),
                    message,
                    change_count,
                    to_json(levels).decode(),
                    *batches[key.account_id],
                )
            )


def are_coming_in(connection: psycopg.Connection) -> bool:
    """Whether commands were carried out in the last five seconds."""
    return connection.execute(_SQL["are_coming_in"]).fetchone() == (True,)
