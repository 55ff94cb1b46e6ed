"""Gives commands to the real store and says what became of each, alone or while another transaction is open."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.commands.catalogue import apply_catalogue
from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from tests.support.orders import order
from tests.support.polling import eventually

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""Has a row for each connection to the database that waits for another one."""


def new(type_: str, **data: object) -> ReceivedCommand:
    """A command of account acme, or of another `account_id`, with an id of its own."""
    return order(uuid.uuid4().hex, type_, **data)


def give(database: Database, *received: ReceivedCommand) -> list[str]:
    """Carry out one batch; for each command `applied` or the code of its rejection."""
    apply_commands(received, database)
    said = {
        tuple(key): code or status
        for *key, status, code in rows(database, "SELECT account_id, command_id, source, status, code FROM commands")
    }
    return [said[delivery.key] for delivery in received]


def give_meanwhile(database: Database, first: ReceivedCommand, second: ReceivedCommand) -> str:
    """What becomes of `second` where it is given while the transaction that carries out `first` is open.

    It must wait for it.
    """
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            apply_catalogue(connection, [first])
            answer = pool.submit(give, database, second)
            eventually(lambda: rows(database, WAITING), "the second transaction waits for the first")
        [outcome] = answer.result()
    return outcome


def rows(database: Database, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with database.transaction() as connection:
        return connection.execute(query, parameters).fetchall()  # type: ignore[call-overload]


def messages(database: Database, topic: str) -> list[dict[str, Any]]:
    """The messages that wait in the outbox for a topic, in order."""
    query = """SELECT m FROM outbox, jsonb_array_elements(messages) WITH ORDINALITY AS listed (m, n)
               WHERE m ->> 'topic' = %s ORDER BY batch_id, n"""
    return [message for (message,) in rows(database, query, topic)]
