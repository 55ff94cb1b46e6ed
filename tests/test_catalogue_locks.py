"""Transactions that change the catalogue at once: they take what they need in one order, and so never deadlock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pipeline.commands.catalogue import apply_catalogue
from pipeline.commands.received import ReceivedCommand
from pipeline.store.catalogue import WarehouseKey, hold_warehouses
from pipeline.store.database import Database
from tests.support.giving import WAITING, give, new, rows
from tests.support.polling import eventually


def waits_without_holding_what_comes_later(
    database: Database, take: Callable[[psycopg.Connection, str], object], asked: str
) -> None:
    """Who asks for three things, of which another transaction has the middle one, must not have the last one yet.

    Otherwise two who ask in opposite orders could wait for each other.
    """

    def take_all() -> None:
        with database.transaction() as connection:
            take(connection, asked)

    _, middle, last = sorted(asked)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as holder:
            take(holder, middle)
            late = pool.submit(take_all)
            eventually(lambda: rows(database, WAITING), "who asks for all waits for the middle one")
            with database.transaction() as other:
                other.execute("SET LOCAL lock_timeout = '2s'")
                take(other, last)
        late.result()


@pytest.mark.parametrize(
    "kind",
    [
        lambda n: new("account.upsert", name="x", account_id=n),
        lambda n: new("account.link", provider_account_id=n),
        lambda n: new("vendor.upsert", vendor_id=n, name="x"),
        lambda n: new("reason.upsert", code=n, description="x"),
        lambda n: new("warehouse.upsert", warehouse_id=n, name="x"),
        lambda n: new("product.upsert", sku=n, vendors=[{"vendor_id": "v"}]),
        lambda n: new("lot.upsert", sku="A", lot_id=n),
        lambda n: new("channel.link", channel="c", external_location_id="e", warehouse_id="w", account_id=n),
    ],
    ids=["account", "link", "vendor", "reason", "warehouse", "product", "lot", "channel"],
)
def test_everything_is_taken_in_the_order_of_its_keys_so_that_two_batches_never_wait_for_each_other(
    database: Database, kind: Callable[[str], ReceivedCommand]
) -> None:
    give(
        database,
        new("vendor.upsert", vendor_id="v", name="V"),
        new("product.upsert", sku="A", lot_tracked=True),
    )

    def take(connection: psycopg.Connection, names: str) -> None:
        apply_catalogue(connection, [kind(name) for name in names])

    for asked in ("cba", "cba", "abc", "def"):  # what is new, what is there, and both orders of both
        waits_without_holding_what_comes_later(database, take, asked)


def test_warehouses_are_held_in_one_order_whatever_the_order_in_which_they_are_asked_for(database: Database) -> None:
    give(database, *(new("warehouse.upsert", warehouse_id=name, name=name) for name in "abc"))

    def take(connection: psycopg.Connection, names: str) -> None:
        hold_warehouses(connection, [WarehouseKey("acme", name) for name in names])

    for asked in ("cba", "abc"):
        waits_without_holding_what_comes_later(database, take, asked)
