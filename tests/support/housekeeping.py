"""Looks at what housekeeping has done, holds it up, and lets the scheduler do it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from consumers.settings import Settings
from consumers.upkeep import Upkeep
from pipeline.audit import audit
from pipeline.store.database import Database
from tests.support.polling import eventually


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with database.transaction() as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload]


def kept_since(database: Database, what: str) -> Any:
    """From when on something is kept; None: everything."""
    return next((since for name, since in ask(database, "SELECT what, since FROM retention") if name == what), None)


def broken(database: Database) -> list[str]:
    """What the audit finds."""
    return [f"{finding.name}: {finding.examples}" for finding in audit(database) if finding.broken]


@contextmanager
def holding(database: Database, statement: str) -> Iterator[None]:
    """Another session that is in the middle of a transaction."""
    with psycopg.connect(database.url) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
        yield
        connection.rollback()


async def upkeep_until(database: Database, settings: Settings, condition: Any, what: str) -> None:
    """Let the scheduler keep house until something is so."""
    task = asyncio.create_task(Upkeep(database, settings).run())
    try:
        await asyncio.to_thread(eventually, condition, what)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
