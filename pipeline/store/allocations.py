"""Reads and writes allocations: the committed units of levels, by the document that they are promised to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import psycopg

from pipeline.inventory.level import LevelKey
from pipeline.store.statements import joined, statements
from schemas.shortages import MOST_DOCUMENTS

_SQL = statements("allocations")

OrderKey = tuple[str, str]
"""Account, and the document of an order of its."""
Held = dict[OrderKey, dict[LevelKey, int]]
"""Open units by order and level; 0 where the last of them have just gone."""


class Allocation(NamedTuple):
    """Units of a level that are open for a document; with 0 there are none any more."""

    account_id: str
    document: str
    level_id: int
    quantity: int


def open_allocations(connection: psycopg.Connection, asked: Collection[tuple[str, str, int]]) -> Held:
    """What orders (account, document, level id) have open on levels that the transaction holds.

    And what each of them has on a few other levels, which are not held: to tell a person, not to decide on.
    """
    held: Held = {}
    parameters = _lists(("account_ids", "documents", "level_ids"), asked)
    for account_id, document, *place, quantity in connection.execute(_SQL["open_allocations"], parameters):
        held.setdefault((account_id, document), {})[LevelKey(account_id, *place)] = quantity
    return held


def documents_of_levels(connection: psycopg.Connection, level_ids: Collection[int]) -> Mapping[int, list[str]]:
    """Some of the documents that have units on levels, one more than are named."""
    asked = {"level_ids": list(level_ids), "most": MOST_DOCUMENTS + 1}
    found: defaultdict[int, list[str]] = defaultdict(list)
    for level_id, document in connection.execute(_SQL["documents_of_levels"], asked):
        found[level_id].append(document)
    return found


def write_allocations(connection: psycopg.Connection, allocations: Iterable[Allocation]) -> None:
    """Write allocations of levels that the transaction holds, as they are now."""
    changed = list(allocations)
    if still_open := [allocation for allocation in changed if allocation.quantity]:
        connection.execute(
            _SQL["write_allocations"], _lists(("account_ids", "documents", "level_ids", "quantities"), still_open)
        )
    if closed := [allocation[:3] for allocation in changed if not allocation.quantity]:
        connection.execute(_SQL["delete_allocations"], _lists(("account_ids", "documents", "level_ids"), closed))


def _lists(names: Iterable[str], rows: Iterable[tuple[object, ...]]) -> dict[str, str]:
    return {name: joined(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
