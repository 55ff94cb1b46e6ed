"""Long answers, a page at a time by key, each page in a transaction of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, LiteralString

from psycopg.rows import dict_row

from pipeline.store.database import Database

Row = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """By which columns the rows are ordered, each with a value before the first; and how many make a page."""

    key: Mapping[str, Any]
    page: int = 1_000


def pages(
    database: Database,
    statement: LiteralString,
    asked: Mapping[str, Any],
    order: Order,
    *,
    limit: int | None = None,
) -> Iterator[Row]:
    """The rows of a statement that takes `limit` and, for each column of its order, `after_{column}`; None means all.

    Between pages nothing is held open: a slow reader holds no snapshot of the database, and may or may not see what is
    written meanwhile.
    """
    page = order.page if limit is None else min(order.page, limit)
    return islice(_all(database, statement, asked, replace(order, page=page)), limit)


def _all(database: Database, statement: LiteralString, asked: Mapping[str, Any], order: Order) -> Iterator[Row]:
    last = order.key
    while True:
        after = {f"after_{name}": last[name] for name in order.key}
        with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement, {**asked, **after, "limit": order.page}).fetchall()
        yield from rows
        if len(rows) < order.page:
            return
        last = rows[-1]
