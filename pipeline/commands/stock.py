"""Decides the stock commands of a batch: in order, on levels that the transaction holds."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import psycopg

from pipeline.commands import channel_counts, incoming, location_removal
from pipeline.commands.book import Book, refusal
from pipeline.commands.draft import Draft, carry_out_alone
from pipeline.commands.incoming import Documents
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.inventory.level import Level, LevelKey
from pipeline.inventory.shortage import Shortage
from pipeline.inventory.steps import Step, Steps, Total, steps_by_command
from pipeline.inventory.workflows import steps_by_workflow
from pipeline.store import levels as store
from pipeline.store.allocations import Allocation, Held, documents_of_levels, open_allocations
from pipeline.store.channels import ChannelLink, ChannelLocation
from pipeline.store.commands import CommandKey, Outcome
from pipeline.store.levels import LedgerEntry, Place
from pipeline.store.locations import LocationKey, existing_locations
from pipeline.store.reasons import registered_reasons
from schemas.commands.catalogue import DeleteLocation
from schemas.commands.channels import ChannelCounts
from schemas.commands.stock import ApplySchedule
from schemas.identifiers import UNASSIGNED
from schemas.reasons import BUILT_IN
from schemas.shortages import named

log = logging.getLogger(__name__)

_Product = tuple[str, str, str]
"""Account, warehouse and SKU."""


@dataclass
class StockWork:
    """What is to be written: the levels as they end, each change on the way there, and an outcome for each command."""

    levels: list[tuple[str, Level]] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    documents: Documents = field(default_factory=Documents)
    """The schedules and transfers of the batch as they end."""
    allocations: Sequence[Allocation] = ()
    """Those that have changed, as they end."""
    deleted: Collection[LocationKey] = ()


class _Order(NamedTuple):
    """A command, and the steps that it comes to where those depend on nothing else; or why it cannot be carried out."""

    delivery: ReceivedCommand
    steps: Steps | None = None
    refusal: Invalid | None = None


def orders(received: Sequence[ReceivedCommand]) -> list[_Order]:
    """The commands with their steps."""
    return [_order(delivery) for delivery in received]


def _order(delivery: ReceivedCommand) -> _Order:
    translate = _STEPS.get(type(delivery.command))
    if translate is None:
        return _Order(delivery)
    try:
        return _Order(delivery, translate(delivery.command))
    except Invalid as broken_rule:
        return _Order(delivery, refusal=broken_rule)


_STEPS: Final = steps_by_command() | steps_by_workflow()


@dataclass
class Scope:
    """Everything that a batch can touch, known before a level is locked."""

    keys: set[LevelKey] = field(default_factory=set)
    products: set[_Product] = field(default_factory=set)
    """Counted in their whole warehouse: all their levels there take part."""
    locations: set[LocationKey] = field(default_factory=set)
    """To be deleted: all levels in them are emptied."""
    allocations: set[tuple[LevelKey, str]] = field(default_factory=set)
    """What orders may have open: level and document."""


def scope_of(batch: Iterable[_Order], documents: Documents, channels: Mapping[ChannelLocation, ChannelLink]) -> Scope:
    """What the commands of a batch can touch, whatever becomes of each."""
    scope = Scope(keys=documents.held_keys())
    for delivery, steps, _ in batch:
        if steps is not None:
            for step in steps:
                scope.keys.add(step.key)
                if isinstance(step, Total):
                    scope.products.add(step.key[:3])
                elif step.allocates is not None:
                    scope.allocations.add((step.key, step.allocates))
            continue
        command = delivery.command
        if isinstance(command, ChannelCounts):
            counted = channel_counts.keys(command, channels)
            scope.keys.update(counted)
            scope.products.update(key[:3] for key in counted)
        elif isinstance(command, DeleteLocation):
            scope.locations.add(location_removal.location_key(command))
        elif incoming.is_incoming(command):
            scope.keys |= documents.keys(delivery)
    return scope


def decide_stock(
    connection: psycopg.Connection, batch: Sequence[_Order], scope: Scope, documents: Documents, book: Book
) -> StockWork:
    """Lock the levels of all commands, then let one command after the other change them in memory."""
    _open(connection, batch, scope, book)
    book.schedules, book.transfers = dict(documents.schedules), dict(documents.transfers)
    book.allocations = _open_allocations(connection, scope, book)
    before, open_before = dict(book.levels), {order: dict(held) for order, held in book.allocations.items()}
    outcomes = [outcome for order in batch if (outcome := _carry_out(order, book))]
    if book.short:
        outcomes = _with_documents(connection, outcomes, book)
    return StockWork(
        levels=[(key.account_id, level) for key, level in book.levels.items() if level is not before[key]],
        entries=book.entries,
        outcomes=outcomes,
        documents=Documents(book.schedules, book.transfers),
        allocations=[
            Allocation(*order, book.levels[key].level_id, quantity)
            for order, held in book.allocations.items()
            for key, quantity in held.items()
            if quantity != open_before.get(order, {}).get(key, 0)
        ],
        deleted=book.gone,
    )


def _open_allocations(connection: psycopg.Connection, scope: Scope, book: Book) -> Held:
    """What the orders of the batch have open. Their levels are held by now, and nobody else can change it."""
    asked = {
        (key.account_id, document, level.level_id)
        for key, document in scope.allocations
        if (level := book.levels.get(key))
    }
    return open_allocations(connection, asked) if asked else {}


def _with_documents(connection: psycopg.Connection, outcomes: list[Outcome], book: Book) -> list[Outcome]:
    """The outcomes; where stock was short, with the documents that it is committed to when the batch ends."""
    ids = {level_id for _, short in book.short for level_id in short.committed_levels}
    promised = {level_id: set(documents) for level_id, documents in documents_of_levels(connection, ids).items()}
    for (_, document), held in book.allocations.items():
        for key, quantity in held.items():
            if (level := book.levels.get(key)) and level.level_id in ids:
                documents = promised.setdefault(level.level_id, set())
                documents.add(document) if quantity else documents.discard(document)
    told: dict[CommandKey, Outcome] = {}
    for delivery, short in book.short:
        documents = set[str]().union(*(promised.get(level_id, ()) for level_id in short.committed_levels))
        told[delivery.key] = delivery.rejected(short.promised_to(named(sorted(documents))))
    return [told.get(outcome.key, outcome) for outcome in outcomes]


def _open(connection: psycopg.Connection, batch: Sequence[_Order], scope: Scope, book: Book) -> None:
    """Read what the commands depend on, and lock their levels."""
    book.reasons = _registered_reasons(connection, batch)
    if scope.locations:
        asked = scope.locations | {location._replace(location_id=UNASSIGNED) for location in scope.locations}
        book.locations = existing_locations(connection, asked)
    wanted = scope.keys | _keys_in_scope(connection, scope, book)
    while not _lock(connection, sorted(wanted), scope, book):  # sorted: neighbours are found together
        wanted |= _keys_in_scope(connection, scope, book)


def _keys_in_scope(connection: psycopg.Connection, scope: Scope, book: Book) -> set[LevelKey]:
    found: set[LevelKey] = set()
    if scope.products:
        found |= store.levels_of_products(connection, scope.products)
        book.by_product = {product: set() for product in scope.products}
        for key in found | scope.keys:
            if key[:3] in scope.products:
                book.by_product[key[:3]].add(key)
    if scope.locations:
        there = store.levels_of_locations(connection, scope.locations)
        for key in there | scope.keys:
            location = LocationKey(key.account_id, key.warehouse_id, key.location_id)
            if location in scope.locations:
                book.by_location.setdefault(location, set()).add(key)
        found |= there
    return found


def _lock(connection: psycopg.Connection, keys: Sequence[LevelKey], scope: Scope, book: Book) -> bool:
    """Hold levels; False, and none is held, where there are more to be held by now.

    All are locked in one statement, in the order of level_id, or given up again: whoever locked some more after the
    others could wait for somebody who waits. Those that were never stocked are created before, unless the catalogue
    does not allow stock there. Whoever held the levels may have brought stock to further ones that `scope` is about.
    """
    opened: dict[LevelKey, tuple[Place, Level]] = {}
    complete = False
    with connection.transaction() as attempt:
        opened = store.open_levels(connection, keys) if keys else {}
        complete = len(opened) + len(book.refusals) >= len(keys) and not _keys_in_scope(connection, scope, book) - set(
            keys
        )
        if not complete:
            raise psycopg.Rollback(attempt)
    if not complete:
        _create(connection, [key for key in keys if key not in opened], book)
        return False
    for key, (place, level) in opened.items():
        book.places[key], book.levels[key] = place, level
        if reason := refusal(key, place):
            book.refusals[key] = reason
    return True


def _create(connection: psycopg.Connection, missing: Sequence[LevelKey], book: Book) -> None:
    """Create levels, or note why the catalogue does not allow them."""
    places = store.places(connection, missing) if missing else {}
    book.places |= places
    for key, place in places.items():
        reason = None if place.level_exists else refusal(key, place)
        if reason:
            book.refusals[key] = reason
    if creatable := [key for key in missing if key not in book.refusals]:
        store.create_levels(connection, creatable)


def _registered_reasons(connection: psycopg.Connection, batch: Sequence[_Order]) -> set[tuple[str, str]]:
    named = {
        (delivery.command.owner, reason)
        for delivery, _, _ in batch
        if (reason := getattr(delivery.command, "reason", None)) is not None and reason not in BUILT_IN
    }
    return registered_reasons(connection, named) if named else set()


def _carry_out(order: _Order, book: Book) -> Outcome | None:
    """The outcome of a command; None of a due schedule that cannot be applied yet, which comes again."""
    delivery, steps, broken_rule = order
    command = delivery.command
    message = None
    try:
        if broken_rule is not None:
            raise broken_rule
        if steps is not None and len(steps) == 1 and isinstance(step := steps[0], Step):
            return carry_out_alone(book, delivery, step)
        counts = command if isinstance(command, ChannelCounts) else None
        draft = Draft(book, delivery, origin=channel_counts.origin(counts) if counts else None)
        if steps is not None:
            for step in steps:
                draft.take(step)
        elif counts:
            message = channel_counts.act(draft, counts)
        elif isinstance(command, DeleteLocation):
            location_removal.act(draft, command)
        else:
            incoming.act(draft, delivery)
    except Invalid as reason:
        if isinstance(command, ApplySchedule):
            log.warning("schedule %s of %s is due: %s", command.schedule_id, command.owner, reason)
            return None
        if isinstance(reason, Shortage) and reason.committed_levels:
            book.short.append((delivery, reason))
        return delivery.rejected(reason)
    draft.commit()
    return delivery.applied(draft.touched, draft.change_count, message)
