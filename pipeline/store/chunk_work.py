"""What a chunk of a sync is about, and how its rows get into the tables of a transaction and out again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum, auto
from typing import Final, LiteralString, NamedTuple

import polars as pl
import psycopg
from psycopg.abc import Query

from pipeline.store.statements import statements
from pipeline.store.syncs import SyncKey
from schemas.identifiers import MAX_LEVEL, MAX_QUANTITY, UNASSIGNED
from schemas.states import Duplicates

_SQL = statements("chunks")
_LARGE: Final = 100_000
"""Rows from which on the planner is told how many there are."""


@dataclass(frozen=True)
class ChunkWork:
    """What a chunk is about.

    `customer_account_id` owns the stock that rows do not name an owner of, else the account itself. `month` is where
    the job keeps its rows. `as_of`: levels that have changed since are not replaced. `skip_changed`: a row whose
    expectation does not hold is left out, as in a revert, and no error. `has_left_rows`: some rows may leave
    the stock as it is.
    """

    key: SyncKey
    warehouse_id: str
    customer_account_id: str | None
    actor: str | None
    month: date
    duplicates: Duplicates
    as_of: datetime | None
    skip_changed: bool
    has_left_rows: bool = False

    def parameters(self, **more: object) -> dict[str, object]:
        """Itself and the limits as statement parameters, with others."""
        return self.key.parameters(
            warehouse_id=self.warehouse_id,
            actor=self.actor,
            month=self.month,
            as_of=self.as_of,
            skip_changed=self.skip_changed,
            unassigned=UNASSIGNED,
            max_quantity=MAX_QUANTITY,
            max_level=MAX_LEVEL,
            **more,
        )


class Effect(StrEnum):
    """What the good rows of a chunk do."""

    APPLY = auto()
    CHECK = auto()
    """Nothing: what they would do is noted, as of a dry run."""
    ALL_OR_NOTHING = auto()
    """Nothing unless all rows are good."""
    CHECK_ALL_OR_NOTHING = auto()
    """Nothing: what they would do if all are good is noted."""


class Survey(NamedTuple):
    """What was staged: the owners that rows name ('' for none), and whether there is what a plain file has not."""

    customers: Sequence[str]
    row_count: int
    has_moves: bool
    has_lots: bool

    @property
    def is_large(self) -> bool:
        """Whether the planner must know how large it is."""
        return self.row_count > _LARGE


def survey(connection: psycopg.Connection) -> Survey:
    """Look at what was staged."""
    found = connection.execute(_SQL["survey"]).fetchall()
    customers, rows, moves, lots = zip(*found, strict=True) if found else ((), (), (), ())
    return Survey(customers, sum(rows), has_moves=any(moves), has_lots=any(lots))


def holds(connection: psycopg.Connection, statement: LiteralString, work: ChunkWork) -> bool:
    """The answer of a statement that asks whether."""
    row = connection.execute(statement, work.parameters(), prepare=False).fetchone()
    return row is not None and bool(row[0])


def write(connection: psycopg.Connection, statement: Query, content: bytes) -> None:
    """Copy lines of CSV into a table."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)


def write_frame(connection: psycopg.Connection, statement: Query, rows: pl.DataFrame) -> None:
    """Copy rows into a table; the columns are those of the statement, in its order."""
    write(connection, statement, rows.write_csv(include_header=False).encode())


def read(connection: psycopg.Connection, statement: Query) -> bytes:
    """The lines of CSV that a statement copies out."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)
