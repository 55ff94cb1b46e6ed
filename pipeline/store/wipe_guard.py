"""Counts what a file would take from a warehouse's stock, and how much of it the file leaves out."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements
from schemas.identifiers import UNASSIGNED
from schemas.states import Duplicates

_SQL = statements("wipe_guard")


class Stock(NamedTuple):
    """Whose stock, and where."""

    account_id: str
    warehouse_id: str


class Held(NamedTuple):
    """What a warehouse has: levels with stock, and units on hand in them."""

    levels: int
    units: int


class Effect(NamedTuple):
    """What rows would do: levels that they lower, levels with stock that they empty, and units that are fewer then."""

    lowered: int
    emptied: int
    lost_units: int


def count_stock(connection: psycopg.Connection, stock: Stock) -> Held:
    """What is there."""
    found = connection.execute(_SQL["count_stock"], stock._asdict()).fetchone()
    assert found is not None  # noqa: S101 - an aggregate gives one row
    return Held._make(found)


def weigh(
    connection: psycopg.Connection, stock: Stock, duplicates: Duplicates, rows: Callable[[], Iterator[bytes]]
) -> Effect:
    """What some rows would do to the stock.

    Args:
        connection: in a transaction.
        stock: the warehouse.
        duplicates: what becomes of rows about one level.
        rows: CSV of SKU, location name (empty: unassigned), lot (empty: none), action and units; no moves, and those
            about one level in the order of the file.
    """
    return Effect._make(_compare(connection, stock, "named", "weigh", rows, duplicates=duplicates.value))


def missing(connection: psycopg.Connection, stock: Stock, rows: Callable[[], Iterator[bytes]]) -> tuple[int, int]:
    """How many SKUs with stock are not among some rows (CSV of SKUs), of how many."""
    gone, skus = _compare(connection, stock, "missing", "count_missing", rows)
    return gone, skus


def _compare(
    connection: psycopg.Connection,
    stock: Stock,
    table: str,
    question: str,
    rows: Callable[[], Iterator[bytes]],
    **more: object,
) -> tuple[int, ...]:
    connection.execute(_SQL[f"create_{table}"])
    with connection.cursor() as cursor, cursor.copy(_SQL[f"copy_{table}"]) as copy:
        for piece in rows():
            copy.write(piece)
    connection.execute(_SQL[f"analyze_{table}"])
    found = connection.execute(_SQL[question], {**stock._asdict(), "unassigned": UNASSIGNED, **more}).fetchone()
    assert found is not None  # noqa: S101 - an aggregate gives one row
    return found
