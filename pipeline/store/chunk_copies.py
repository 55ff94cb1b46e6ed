"""Decides what becomes of rows of a chunk that name the same thing."""

from typing import Final

import psycopg

from pipeline.store.chunk_work import ChunkWork, holds
from pipeline.store.statements import statements
from schemas.states import Duplicates

_SQL = statements("chunk_copies")
_DECISIONS: Final = {
    Duplicates.ERROR: "reject_copies",
    Duplicates.LAST: "supersede_copies",
    Duplicates.SUM: "sum_copies",
}


def decide_copies(connection: psycopg.Connection, work: ChunkWork) -> bool:
    """Put copies in error, leave out all but the last, or give the last one their sum; whether there are any.

    To be called when all is known that the file and the catalogue have against the rows.
    """
    if not holds(connection, _SQL["may_have_copies"], work):
        return False
    if not connection.execute(_SQL["gather_copies"], work.parameters(), prepare=False).rowcount:
        return False
    connection.execute(_SQL[_DECISIONS[work.duplicates]], work.parameters(), prepare=False)
    return True


def settle_copies(connection: psycopg.Connection) -> None:
    """Let copies follow their last one where its level had something against it."""
    connection.execute(_SQL["settle_copies"], prepare=False)
