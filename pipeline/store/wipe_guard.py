"""Counts how much of the stock of warehouses a file would empty, and how much of it the file leaves out."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements
from schemas.identifiers import ALL_WAREHOUSES, UNASSIGNED

_SQL = statements("wipe_guard")


class Stock(NamedTuple):
    """Whose stock, and where: a warehouse, or ALL_WAREHOUSES."""

    account_id: str
    warehouse_id: str


class Share(NamedTuple):
    """Some of the levels or SKUs with stock in a warehouse, of all. `percent`: how many the warehouse itself allows."""

    warehouse_id: str
    percent: int | None
    part: int
    whole: int


def zeroed(connection: psycopg.Connection, stock: Stock, rows: Callable[[], Iterator[bytes]]) -> list[Share]:
    """How many levels with stock some rows name, in each warehouse that they name.

    Args:
        connection: in a transaction.
        stock: the warehouses that count; rows about others are left out.
        rows: CSV of SKU, location name (empty: unassigned), lot (empty: none), and warehouse (empty: that of `stock`).
    """
    return _compare(connection, stock, "zeroed", rows)


def missing(connection: psycopg.Connection, stock: Stock, rows: Callable[[], Iterator[bytes]]) -> list[Share]:
    """How many SKUs with stock are not among some rows (CSV of SKU and warehouse), in each warehouse that they name."""
    return _compare(connection, stock, "missing", rows)


def _compare(
    connection: psycopg.Connection, stock: Stock, question: str, rows: Callable[[], Iterator[bytes]]
) -> list[Share]:
    parameters = {**stock._asdict(), "unassigned": UNASSIGNED, "all": ALL_WAREHOUSES}
    connection.execute(_SQL["create_called"])
    connection.execute(_SQL["insert_called"], parameters)
    connection.execute(_SQL[f"create_{question}"])
    with connection.cursor() as cursor, cursor.copy(_SQL[f"copy_{question}"]) as copy:
        for piece in rows():
            copy.write(piece)
    connection.execute(_SQL[f"analyze_{question}"])
    return [Share._make(row) for row in connection.execute(_SQL[f"count_{question}"], parameters)]
