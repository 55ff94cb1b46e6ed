"""Counts what a file would take from the stock of warehouses, and how much of it the file leaves out."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg

from pipeline.store.statements import statements
from schemas.identifiers import ALL_WAREHOUSES, UNASSIGNED
from schemas.states import Duplicates

_SQL = statements("wipe_guard")


class Stock(NamedTuple):
    """Whose stock, and in which warehouse."""

    account_id: str
    warehouse_id: str


class Held(NamedTuple):
    """What a warehouse has: levels with stock, and units on hand in them."""

    levels: int
    units: int


class Effect(NamedTuple):
    """What rows would do to a warehouse, and what it has: levels with stock, and units on hand in them.

    `percent`: how many the warehouse itself allows. `lowered`: the levels that would have less; `emptied`: those with
    stock that would have none; `lost_units`: how many units fewer there would be.
    """

    warehouse_id: str
    percent: int | None
    levels: int
    units: int
    lowered: int
    emptied: int
    lost_units: int


class Missing(NamedTuple):
    """SKUs with stock in a warehouse that rows do not name, of all. `percent`: how many the warehouse itself allows."""

    warehouse_id: str
    percent: int | None
    part: int
    whole: int


def count_stock(connection: psycopg.Connection, stock: Stock) -> Held:
    """What one warehouse has."""
    found = connection.execute(_SQL["count_stock"], stock._asdict()).fetchone()
    assert found is not None  # noqa: S101 - an aggregate gives one row
    return Held._make(found)


def weigh(
    connection: psycopg.Connection, stock: Stock, duplicates: Duplicates, rows: Callable[[], Iterator[bytes]]
) -> list[Effect]:
    """What some rows would do to each warehouse with stock that they name.

    Args:
        connection: in a transaction.
        stock: the warehouses that count; rows about others are left out.
        duplicates: what becomes of rows about one level.
        rows: CSV of SKU, location name (empty: unassigned), lot (empty: none), warehouse (empty: that of `stock`),
            action and units; no moves, and those about one level in the order of the file.
    """
    return [Effect._make(row) for row in _compare(connection, stock, ("named", "weigh"), rows, duplicates=duplicates)]


def missing(connection: psycopg.Connection, stock: Stock, rows: Callable[[], Iterator[bytes]]) -> list[Missing]:
    """How many SKUs with stock are not among some rows (CSV of SKU and warehouse), in each warehouse that they name."""
    return [Missing._make(row) for row in _compare(connection, stock, ("missing", "count_missing"), rows)]


def _compare(
    connection: psycopg.Connection,
    stock: Stock,
    table_and_question: tuple[str, str],
    rows: Callable[[], Iterator[bytes]],
    **more: object,
) -> list[tuple[Any, ...]]:
    table, question = table_and_question
    parameters = {**stock._asdict(), "unassigned": UNASSIGNED, "all": ALL_WAREHOUSES, **more}
    connection.execute(_SQL["create_called"])
    connection.execute(_SQL["insert_called"], parameters)
    connection.execute(_SQL[f"create_{table}"])
    with connection.cursor() as cursor, cursor.copy(_SQL[f"copy_{table}"]) as copy:
        for piece in rows():
            copy.write(piece)
    connection.execute(_SQL[f"analyze_{table}"])
    return connection.execute(_SQL[question], parameters).fetchall()
