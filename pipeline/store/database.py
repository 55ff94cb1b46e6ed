"""Connections to PostgreSQL, and what its failures mean to the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from pipeline.errors import TryLater

# Serialization failure, deadlock, lock not available, shutdown: the same work can succeed later.
_PASSING = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03"}


class Database:
    """A pool of connections. Safe to share between threads."""

    def __init__(self, url: str, *, max_size: int = 8) -> None:
        """Nothing connects until the first transaction."""
        self.url = url
        self._pool = ConnectionPool(
            url, min_size=0, max_size=max_size, open=False, timeout=10, kwargs={"autocommit": False}
        )

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            TryLater: the server is away, or it broke the transaction for the sake of another one.
        """
        self._pool.open()
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise TryLater(f"PostgreSQL does not answer: {error}") from error
        except psycopg.OperationalError as error:
            if error.sqlstate is None or error.sqlstate in _PASSING or error.sqlstate.startswith(("08", "53")):
                raise TryLater(f"PostgreSQL: {error}") from error
            raise

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
