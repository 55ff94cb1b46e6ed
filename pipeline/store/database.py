"""Connections to PostgreSQL, and what its failures mean to the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from pipeline.errors import TryLater

_FAULTS_OF_THE_WORK = ("22", "23", "54")
"""SQLSTATE classes of data exceptions, integrity violations and exceeded limits. All others speak of the server."""
_MISSING_SCHEMA = {"42P01", "42703"}


class UpgradeError(Exception):
    """The database cannot be brought to this version's schema. The message says why and what to do."""


class _Connection(psycopg.Connection[TupleRow]):
    """Remembers the channel that is to be notified when its transaction is committed."""

    channel: str | None = None


def notify_after_commit(connection: psycopg.Connection, channel: str) -> None:
    """Have a channel notified when the transaction of a `Database` is committed, by one of its own.

    A transaction that notifies holds a lock of the whole server until it is on the disk, and all others that do wait
    for it: a command would wait for the megabytes of a file. The notification may be lost with the connection; who
    listens looks from time to time.
    """
    if isinstance(connection, _Connection):
        connection.channel = channel


def _notify(connection: _Connection, channel: str) -> None:
    connection.autocommit = True
    try:
        connection.execute(
            sql.SQL("BEGIN; SET LOCAL synchronous_commit = off; NOTIFY {}; COMMIT").format(sql.Identifier(channel))
        )
    finally:
        connection.autocommit = False


class Database:
    """A pool of connections. Safe to share between threads."""

    def __init__(self, url: str, *, max_size: int = 8) -> None:
        """Nothing connects until the first transaction."""
        self.url = url
        self._pool = ConnectionPool(
            url,
            min_size=0,
            max_size=max_size,
            open=False,
            timeout=10,
            connection_class=_Connection,
            kwargs={"autocommit": False},
        )

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            TryLater: the server is away, not ready (read-only, no schema), or broke the transaction for another one.
            What is raised otherwise is the fault of the work itself.
        """
        self._pool.open()
        try:
            with self._pool.connection() as connection:
                connection.channel = None
                yield connection
                connection.commit()
                if connection.channel:
                    _notify(connection, connection.channel)
        except PoolTimeout as error:
            raise TryLater(f"PostgreSQL does not answer: {error}") from error
        except psycopg.DatabaseError as error:
            if (error.sqlstate or "").startswith(_FAULTS_OF_THE_WORK):
                raise
            if isinstance(error, psycopg.DataError | psycopg.ProgrammingError) and error.sqlstate is None:
                raise  # the driver itself cannot write or read the value: no server will ever be ready for it
            advice = " Has `onhand db upgrade` been run?" if error.sqlstate in _MISSING_SCHEMA else ""
            raise TryLater(f"PostgreSQL: {error}{advice}") from error

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
