"""Counts how much of a warehouse's stock a file would empty, and how much of it the file leaves out."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements
from schemas.identifiers import UNASSIGNED

_SQL = statements("wipe_guard")


class Stock(NamedTuple):
    """Whose stock, and where."""

    account_id: str
    warehouse_id: str


def zeroed(connection: psycopg.Connection, stock: Stock, rows: Callable[[], Iterator[bytes]]) -> tuple[int, int]:
    """How many levels with stock some rows name, of how many.

    Args:
        connection: in a transaction.
        stock: the warehouse.
        rows: CSV of SKU, location name (empty: unassigned) and lot (empty: none).
    """
    return _compare(connection, stock, "zeroed", rows)


def missing(connection: psycopg.Connection, stock: Stock, rows: Callable[[], Iterator[bytes]]) -> tuple[int, int]:
    """How many SKUs with stock are not among some rows (CSV of SKUs), of how many."""
    return _compare(connection, stock, "missing", rows)


def _compare(
    connection: psycopg.Connection, stock: Stock, question: str, rows: Callable[[], Iterator[bytes]]
) -> tuple[int, int]:
    connection.execute(_SQL[f"create_{question}"])
    with connection.cursor() as cursor, cursor.copy(_SQL[f"copy_{question}"]) as copy:
        for piece in rows():
            copy.write(piece)
    connection.execute(_SQL[f"analyze_{question}"])
    found = connection.execute(_SQL[f"count_{question}"], {**stock._asdict(), "unassigned": UNASSIGNED}).fetchone()
    assert found is not None  # noqa: S101 - an aggregate gives one row
    return found
