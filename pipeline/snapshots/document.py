"""Reads the stock of an account at one instant and writes it as the JSON document `schemas.snapshot.Snapshot`."""

from collections.abc import Generator
from contextlib import closing
from typing import Final, cast

import psycopg

from pipeline.errors import Invalid
from pipeline.store.catalogue import warehouses
from pipeline.store.statements import statements
from schemas.errors import ErrorCode
from schemas.jobs import SnapshotStatus
from schemas.snapshot import Snapshot

PIECE_BYTES: Final = 8 * 2**20
_ROWS_AT_ONCE: Final = 1_000
_FILE: Final = "snapshots"


def begin(connection: psycopg.Connection) -> None:
    """Make the transaction, which must not have read anything yet, one consistent read."""
    connection.execute(statements(_FILE)["begin_reading"])


class Document:
    """The document of one job, read in a transaction that `begin` was called in.

    In it is each product that has a level in the warehouses asked for. `has_inventory` leaves out products of which no
    such level has units on hand, `updated_from` those of which no such level changed since then; a product that stays
    has all its levels, but those whose location was deleted. Without either filter a product that has no level is in it
    too, with no warehouses, when no warehouse was asked for or the product is available in the one that was.
    """

    def __init__(self, connection: psycopg.Connection, job: SnapshotStatus) -> None:
        """Nothing is read before `pieces`."""
        self._connection = connection
        self._job = job
        self._parameters = job.model_dump(include={"account_id", "warehouse_id", "has_inventory", "updated_from"})
        self.product_count = 0
        self.level_count = 0

    def pieces(self) -> Generator[bytes, None, None]:
        """The document in pieces of at least PIECE_BYTES, the last one shorter; counts the products and levels read.

        Raises:
            Invalid: UNKNOWN_WAREHOUSE.
        """
        self._require_warehouse()
        texts, size = [self._head()], 0
        for text in self._products():
            texts += (text, ",")
            size += len(text)
            if size >= PIECE_BYTES:
                separator = texts.pop()
                yield "".join(texts).encode()
                texts, size = [separator], 0
        if texts[-1] == ",":
            texts.pop()
        yield "".join([*texts, "}}"]).encode()

    def _products(self) -> Generator[str, None, None]:
        with self._connection.cursor() as cursor:
            rows = cursor.stream(statements(_FILE)["products"], self._parameters, size=_ROWS_AT_ONCE)
            # A reader that stops early ends the query here, and not when the garbage is collected.
            with closing(cast("Generator[tuple[str, int]]", rows)):
                for text, level_count in rows:
                    self.product_count += 1
                    self.level_count += level_count
                    yield text

    def _require_warehouse(self) -> None:
        if self._job.warehouse_id is None:
            return
        if not warehouses(self._connection, [(self._job.account_id, self._job.warehouse_id)]):
            raise Invalid(ErrorCode.UNKNOWN_WAREHOUSE, f"warehouse_id {self._job.warehouse_id!r}")

    def _head(self) -> str:
        """The document up to the first product: everything but the products comes from the contract itself."""
        (taken_at,) = self._connection.execute(statements(_FILE)["taken_at"]).fetchone() or (None,)
        empty = Snapshot.model_validate({**self._job.model_dump(), "taken_at": taken_at, "products": {}})
        return empty.model_dump_json().removesuffix("}}")
