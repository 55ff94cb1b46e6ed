"""Carries out a batch of commands in one transaction: effect, ledger, dedupe records, results and announcement."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import psycopg
from psycopg.errors import UniqueViolation

from pipeline.commands.catalogue import apply_catalogue
from pipeline.commands.dedupe import Deliveries, deduplicate
from pipeline.commands.received import ReceivedCommand
from pipeline.commands.stock import StockWork, decide_stock
from pipeline.errors import TryLater
from pipeline.store import commands as command_store
from pipeline.store import levels as level_store
from pipeline.store.commands import Outcome
from pipeline.store.database import Database
from pipeline.store.outbox import OutgoingMessage, announce_batch
from schemas.cloudevents import EventType
from schemas.events import CommandResult
from schemas.topics import Topic


def apply_commands(received: Sequence[ReceivedCommand], database: Database) -> None:
    """Carry out commands in the order given; each id at most once, however often it comes.

    Catalogue commands of the batch take effect before its stock commands. Every command gets one result: applied,
    rejected, or for a repeat duplicate with the first outcome.

    Raises:
        TryLater: nothing was written; the same batch can be given again.
    """
    try:
        with database.transaction() as connection:
            _apply(connection, received)
    except UniqueViolation as error:
        # Another worker holds the same message after a rebalance, or created the same location. It has committed by
        # now, so the next try sees what it wrote.
        raise TryLater(f"another worker wrote first: {error}") from error


def _apply(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> None:
    deliveries = deduplicate(connection, received)
    outcomes = apply_catalogue(connection, deliveries.catalogue)
    work = decide_stock(connection, deliveries.stock)
    _write(connection, [*outcomes, *work.outcomes], work, deliveries)


def _write(connection: psycopg.Connection, outcomes: list[Outcome], work: StockWork, deliveries: Deliveries) -> None:
    batch_ids = _announce(connection, outcomes, work, deliveries.repeats)
    if work.levels:
        level_store.update_levels(connection, work.levels)
        level_store.append_ledger(connection, work.entries, batch_ids)
    if outcomes:
        command_store.insert_outcomes(connection, outcomes, batch_ids)


def _announce(
    connection: psycopg.Connection, outcomes: list[Outcome], work: StockWork, repeats: Sequence[CommandResult]
) -> dict[str, int]:
    """One batch for each account. The levels are locked by now, as the outbox asks."""
    results = Counter(outcome.key.account_id for outcome in outcomes)
    changes = Counter(entry.account_id for entry in work.entries)
    messages: defaultdict[str, list[OutgoingMessage]] = defaultdict(list)
    for result in repeats:
        messages[result.account_id].append(
            OutgoingMessage(Topic.COMMAND_RESULTS, result.command_id, EventType.COMMAND_RESULT, result)
        )
    return {
        account_id: announce_batch(
            connection,
            account_id,
            change_count=changes[account_id],
            result_count=results[account_id],
            messages=messages.get(account_id, ()),
        )
        for account_id in sorted(results.keys() | messages.keys())
    }
