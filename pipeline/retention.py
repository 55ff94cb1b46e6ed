"""Housekeeping: partitions of the change log and of the syncs' rows, and what is kept for a time only.

Each function is one short transaction and can be called at any time, by any number of schedulers: what one does, the
others find done.
"""

from datetime import date, timedelta
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from pipeline.errors import TryLater
from pipeline.store.database import Database
from pipeline.store.statements import statements
from pipeline.store.upload_events import delete_old_events

COMMANDS_AT_ONCE: Final = 5_000
"""How many commands one transaction deletes at most."""

EVENT_DAYS: Final = 30
"""How long what was heard of an uploaded object is remembered: no store delivers an event later than that."""
SYNC_TABLES: Final = ("sync_items", "sync_rejects", "sync_diffs")
"""The tables that hold the rows of syncs, by month."""

_SQL: Final = statements("retention")


def create_partitions(database: Database) -> list[date]:
    """Give this month and the next two their partition of the change log, and move what the default partition has.

    Returns the months that had none, each by its first day, oldest first.

    Raises:
        TryLater: the log is in use for longer than writers can wait; some of the months may be done.
    """
    return _create_missing(database, "months_to_have", "create_partition")


def fold_oldest_month(database: Database, keep_months: int) -> date | None:
    """Drop the oldest month of the change log that is older than `keep_months` full months beside the present one.

    Its lines are added up in `change_log_folds`, so that the audit still proves every level. Returns the month, None
    where there is none to drop.

    Raises:
        TryLater: changes of the month wait to be published, or the log is in use for longer than writers can wait.
    """
    with database.transaction() as connection:
        found = connection.execute(_SQL["oldest_month_to_fold"], {"keep_months": keep_months}).fetchone()
        if found is None:
            return None
        partition, month, until = found
        connection.execute(_SQL["do_not_wait_long"])
        connection.execute(_SQL["lock_partitions"])
        if not _value(connection, "is_partition", partition=partition):
            return None
        connection.execute(_about(partition, "stop_writers"))
        if not _value(connection, "is_published", until=until):
            raise TryLater(f"the change log of {month:%Y-%m} is kept until all of it is published")
        connection.execute(_about(partition, "fold"))
        connection.execute(_SQL["move_on"], {"what": "change_log", "since": until})
        connection.execute(_about(partition, "drop_partition"))
    return date(month.year, month.month, 1)


def create_sync_partitions(database: Database) -> list[date]:
    """Give this month and the next two their partitions of SYNC_TABLES.

    Returns the months that had none, each by its first day, oldest first.

    Raises:
        TryLater: the tables are in use for longer than writers can wait; some of the months may be done.
    """
    return _create_missing(database, "sync_months_to_have", "create_sync_partition")


def _create_missing(database: Database, months_to_have: str, create: str) -> list[date]:
    """Have a statement create each month that another one names, each in a transaction; the months that were new."""
    with database.transaction() as connection:
        months = [month for (month,) in connection.execute(_SQL[months_to_have])]
    created = []
    for month in months:
        with database.transaction() as connection:
            connection.execute(_SQL["do_not_wait_long"])
            if _value(connection, create, month=month):
                created.append(month)
    return created


def drop_oldest_sync_month(database: Database, keep_months: int) -> date | None:
    """Drop the rows of the syncs of the oldest month that is older than `keep_months` full months beside this one.

    The jobs stay, with their counts. A month with a sync that has not ended is left out. Returns the month, None where
    there is none to drop.

    Raises:
        TryLater: the tables are in use for longer than writers can wait.
    """
    with database.transaction() as connection:
        found = connection.execute(_SQL["oldest_sync_month_to_drop"], {"keep_months": keep_months}).fetchone()
        if found is None:
            return None
        month, until = found
        connection.execute(_SQL["do_not_wait_long"])
        connection.execute(_SQL["lock_sync_partitions"])
        if not _value(connection, "is_partition", partition=f"sync_items_{month:%Y_%m}"):
            return None
        connection.execute(_SQL["move_on"], {"what": "sync_items", "since": until})
        for table in SYNC_TABLES:
            connection.execute(_about(f"{table}_{month:%Y_%m}", "drop_partition"))
    return date(month.year, month.month, 1)


def forget_old_events(database: Database) -> int:
    """Forget the objects of the uploads bucket of which nothing was heard for EVENT_DAYS days; how many."""
    with database.transaction() as connection:
        return delete_old_events(connection, EVENT_DAYS)


def delete_old_commands(database: Database, keep_days: int) -> int:
    """Delete up to COMMANDS_AT_ONCE of the commands that are older than `keep_days` days, oldest first; how many.

    From then on their ids are new again. What waits to be published stays.
    """
    with database.transaction() as connection:
        before = _value(connection, "now") - timedelta(days=keep_days)
        count = connection.execute(_SQL["delete_old_commands"], {"before": before, "limit": COMMANDS_AT_ONCE}).rowcount
        if count:
            connection.execute(_SQL["move_on"], {"what": "commands", "since": before})
    return count


def _about(partition: str, statement: str) -> sql.Composed:
    return sql.SQL(_SQL[statement]).format(partition=sql.Identifier(partition))


def _value(connection: psycopg.Connection, statement: str, **parameters: Any) -> Any:
    query: LiteralString = _SQL[statement]
    row = connection.execute(query, parameters).fetchone()
    assert row is not None  # noqa: S101 - each of these statements gives one row
    return row[0]
