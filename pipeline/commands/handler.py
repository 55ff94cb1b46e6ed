"""Carries out a batch of commands in one transaction: effect, ledger, dedupe records, results and announcement."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from psycopg.errors import UniqueViolation

from pipeline.commands.access import authorize
from pipeline.commands.book import Book
from pipeline.commands.catalogue import CatalogueWork, apply_catalogue
from pipeline.commands.channel_counts import linked_now, meet_channels
from pipeline.commands.dedupe import Deliveries, deduplicate
from pipeline.commands.incoming import Documents, hold_documents, write_documents
from pipeline.commands.received import ReceivedCommand
from pipeline.commands.runs import runs
from pipeline.commands.stock import Scope, StockWork, decide_stock, orders, scope_of
from pipeline.errors import TryLater
from pipeline.store import commands as command_store
from pipeline.store import levels as level_store
from pipeline.store.commands import Outcome
from pipeline.store.database import Database
from pipeline.store.locations import delete_locations
from pipeline.store.outbox import Batch, OutgoingMessage, announce_batch, publish
from pipeline.store.warehouse_locks import WarehouseKey, lock_warehouses
from schemas.commands.catalogue import CreateLocation, RenameLocation, UpdateLocation, UpsertWarehouse
from schemas.commands.channels import LinkChannel
from schemas.events import CommandResult
from schemas.states import ResultStatus

_TRIES: Final = 3


def apply_commands(received: Sequence[ReceivedCommand], database: Database) -> None:
    """Carry out commands in the order given; each id at most once, however often it comes.

    Catalogue commands of the batch take effect before its stock commands, as far as that makes no difference (see
    `runs`). Every delivery gets one result: applied, rejected, or for a repeat duplicate with the first outcome.

    Raises:
        TryLater: the same batch can be given again; what of it was carried out already is known as a repeat then.
    """
    for run in runs(received):
        _apply_run(run, database)


def publish_rejections(rejections: Sequence[CommandResult], database: Database) -> None:
    """Publish the results of commands that could not be read.

    Nothing was decided about them: nothing is recorded, and their ids stay free. Given again, they are published again.

    Raises:
        TryLater: the server is away; nothing was published.
    """
    messages: defaultdict[str, list[OutgoingMessage]] = defaultdict(list)
    for rejection in rejections:
        messages[rejection.account_id].append(command_store.result_message(rejection))
    with database.transaction() as connection:
        for account_id in sorted(messages):
            publish(connection, account_id, messages[account_id])


def _apply_run(received: Sequence[ReceivedCommand], database: Database) -> None:
    """One transaction.

    A unique violation says that another worker holds the same message after a rebalance, or announced the same schedule
    or transfer. It has committed by then, so the next try sees what it wrote: done here, it spares the runs before this
    one a repeat.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with database.transaction() as connection:
                _apply(connection, received)
            break
        except UniqueViolation as error:
            if not tries_left:
                raise TryLater(f"another worker wrote first: {error}") from error


def _apply(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> None:
    deliveries = deduplicate(connection, received)
    access = authorize(connection, [*deliveries.catalogue, *deliveries.stock])
    allowed = set(map(id, access.allowed)) if access.outcomes else None
    catalogue, stock = (_allowed(part, allowed) for part in (deliveries.catalogue, deliveries.stock))
    batch = orders(stock)
    documents = hold_documents(connection, stock)
    channels = linked_now(connection, stock)
    scope = scope_of(batch, documents, channels)
    held = _hold_warehouses(connection, catalogue, scope)
    catalogue_work = apply_catalogue(connection, catalogue) if catalogue else CatalogueWork([], [])
    book = Book(channels=meet_channels(connection, stock, held))
    if book.channels != channels:
        scope = scope_of(batch, documents, book.channels)
    stock_work = decide_stock(connection, batch, scope, documents, book) if batch else StockWork()
    outcomes = [*access.outcomes, *catalogue_work.outcomes, *stock_work.outcomes]
    _write(connection, outcomes, stock_work, documents, _messages(deliveries, outcomes, catalogue_work))


def _allowed(deliveries: list[ReceivedCommand], allowed: set[int] | None) -> list[ReceivedCommand]:
    return deliveries if allowed is None else [delivery for delivery in deliveries if id(delivery) in allowed]


def _hold_warehouses(
    connection: psycopg.Connection, catalogue: Iterable[ReceivedCommand], scope: Scope
) -> set[WarehouseKey]:
    """Hold every warehouse that the batch says something about; those."""
    shared: set[WarehouseKey] = {key[:2] for key in scope.keys}
    exclusive: set[WarehouseKey] = {(location.account_id, location.warehouse_id) for location in scope.locations}
    for delivery in catalogue:
        command = delivery.command
        if isinstance(command, UpsertWarehouse):
            exclusive.add((command.owner, command.warehouse_id))
        elif isinstance(command, CreateLocation | UpdateLocation | RenameLocation | LinkChannel):
            shared.add((command.owner, command.warehouse_id))
    lock_warehouses(connection, shared=shared, exclusive=exclusive)
    return shared | exclusive


def _messages(
    deliveries: Deliveries, outcomes: Sequence[Outcome], catalogue: CatalogueWork
) -> dict[str, list[OutgoingMessage]]:
    """What is to be published as it is, by account."""
    messages: defaultdict[str, list[OutgoingMessage]] = defaultdict(list)
    first = {outcome.key: outcome for outcome in outcomes} if deliveries.twins else {}
    twins = (first[key].result(ResultStatus.DUPLICATE) for key in deliveries.twins)
    for result in (*deliveries.repeats, *twins):
        messages[result.account_id].append(command_store.result_message(result))
    for account_id, message in catalogue.messages:
        messages[account_id].append(message)
    return messages


def _write(
    connection: psycopg.Connection,
    outcomes: list[Outcome],
    work: StockWork,
    documents: Documents,
    messages: dict[str, list[OutgoingMessage]],
) -> None:
    batches = _announce(connection, outcomes, work, messages)
    write_documents(connection, documents, work.documents)
    if work.levels:
        level_store.update_levels(connection, work.levels)
        level_store.append_ledger(connection, work.entries, batches)
    if work.deleted:
        delete_locations(connection, work.deleted)
    if outcomes:
        command_store.insert_outcomes(connection, outcomes, batches)


def _announce(
    connection: psycopg.Connection,
    outcomes: list[Outcome],
    work: StockWork,
    messages: dict[str, list[OutgoingMessage]],
) -> dict[str, Batch]:
    """One batch for each account. The levels are locked by now, as the outbox asks."""
    results = Counter(outcome.key.account_id for outcome in outcomes)
    changes: Counter[str] = Counter()
    for entry in work.entries:
        changes[entry.cause.account_id] += len(entry.lines)
    return {
        account_id: announce_batch(
            connection,
            account_id,
            change_count=changes[account_id],
            result_count=results[account_id],
            messages=messages.get(account_id, ()),
        )
        for account_id in sorted(results.keys() | changes.keys() | messages.keys())
    }
