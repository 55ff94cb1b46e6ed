# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand warehouses`, `locations`, `products`, `schedules`, …: what an account's catalogue, plans and links hold."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

import typer

from infra.cli.context import Account, CustomerAccount, Location, OfDocument, Sku, TransferId, Warehouse, open_reading
from infra.cli.output import AsJson, Limit, print_rows, rows_to_ask
from pipeline import listings
from pipeline.store.pages import Row


def warehouses(
    account: Account, customer_account: CustomerAccount = None, limit: Limit = None, as_json: AsJson = False
) -> None:
    """The account's warehouses, with their rules."""
    with open_reading(account, customer_account) as (database, owner):
        _print(listings.warehouses(database, owner, limit=rows_to_ask(limit, as_json=as_json)), limit, as_json=as_json)


def locations(
    account: Account,
    customer_account: CustomerAccount = None,
    warehouse: Warehouse = None,
    location: Location = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The locations of the account's warehouses, with the units on hand in each."""
    with open_reading(account, customer_account) as (database, owner):
        most = rows_to_ask(limit, as_json=as_json)
        rows = listings.locations(database, owner, warehouse_id=warehouse, location_id=location, limit=most)
        print_rows(rows, as_json=as_json, limit=limit)


def products(
    account: Account,
    customer_account: CustomerAccount = None,
    sku: Sku = None,
    warehouse: Warehouse = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The account's products, with their vendors and the warehouses that they are available in."""
    with open_reading(account, customer_account) as (database, owner):
        most = rows_to_ask(limit, as_json=as_json)
        _print(listings.products(database, owner, sku=sku, warehouse_id=warehouse, limit=most), limit, as_json=as_json)


def lots(
    account: Account,
    customer_account: CustomerAccount = None,
    sku: Sku = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The lots of products that are tracked by lot, with their expiry and the units on hand in all warehouses."""
    with open_reading(account, customer_account) as (database, owner):
        most = rows_to_ask(limit, as_json=as_json)
        _print(listings.lots(database, owner, sku=sku, limit=most), limit, as_json=as_json)


def schedules(
    account: Account,
    customer_account: CustomerAccount = None,
    status: Annotated[
        listings.ScheduleFilter | None, typer.Option(help="Only these. Overdue: still pending after the time.")
    ] = None,
    warehouse: Warehouse = None,
    sku: Sku = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Scheduled changes by the time they are due: incoming units that become available then."""
    with open_reading(account, customer_account) as (database, owner):
        which = listings.Schedules(status, warehouse, sku)
        rows = listings.schedules(database, owner, which, limit=rows_to_ask(limit, as_json=as_json))
        _print(rows, limit, as_json=as_json)


def transfers(
    account: Account,
    customer_account: CustomerAccount = None,
    transfer: TransferId = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only what is still on its way.")] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The lines of transfers between warehouses: what was sent, has arrived, was lost, and is still on its way."""
    with open_reading(account, customer_account) as (database, owner):
        most = rows_to_ask(limit, as_json=as_json)
        rows = listings.transfers(database, owner, transfer_id=transfer, only_open=only_open, limit=most)
        _print(rows, limit, as_json=as_json)


def allocations(
    account: Account,
    customer_account: CustomerAccount = None,
    warehouse: Warehouse = None,
    sku: Sku = None,
    document: OfDocument = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Units that are committed to orders, not yet shipped or cancelled: by document and level, and since when."""
    with open_reading(account, customer_account) as (database, owner):
        most = rows_to_ask(limit, as_json=as_json)
        rows = listings.allocations(database, owner, listings.Allocations(document, warehouse, sku), limit=most)
        _print(rows, limit, as_json=as_json)


def channels(
    account: Account,
    customer_account: CustomerAccount = None,
    warehouse: Warehouse = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The locations of sales channels that are linked to warehouses, and which one is the master."""
    with open_reading(account, customer_account) as (database, owner):
        most = rows_to_ask(limit, as_json=as_json)
        _print(listings.channels(database, owner, warehouse_id=warehouse, limit=most), limit, as_json=as_json)


def reasons(
    account: Account, customer_account: CustomerAccount = None, limit: Limit = None, as_json: AsJson = False
) -> None:
    """The reasons that a change of stock can have: those that every account has, and the account's own."""
    with open_reading(account, customer_account) as (database, owner):
        _print(listings.reasons(database, owner, limit=rows_to_ask(limit, as_json=as_json)), limit, as_json=as_json)


def links(
    account: Account, customer_account: CustomerAccount = None, limit: Limit = None, as_json: AsJson = False
) -> None:
    """Who may act for the account (its providers), and for whom it may act (its customers).

    With --customer-account only the link that lets the account in: who else works for a customer is the customer's.
    """
    with open_reading(account, customer_account) as (database, owner):
        only = account if owner != account else None
        most = rows_to_ask(limit, as_json=as_json)
        _print(listings.links(database, owner, linked_account_id=only, limit=most), limit, as_json=as_json)


COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    warehouses, locations, products, lots, schedules, transfers, allocations, channels, reasons, links,
)  # fmt: skip


def _print(rows: Iterable[Row], limit: int | None, *, as_json: bool) -> None:
    print_rows(rows if as_json else map(_short, rows), as_json=as_json, limit=limit)


def _short(row: Row) -> Row:
    """For a table: without what a person rarely asks for, lists of things as words."""
    short: dict[str, Any] = {
        name: row[name] for name in row if name not in {"created_at", "updated_at", "overdue", "level_id"}
    }
    if row.get("overdue"):
        short["status"] = "overdue"
    if "vendors" in row:
        short["vendors"] = ", ".join(vendor["vendor_id"] for vendor in row["vendors"])
        short["warehouse_ids"] = "all" if row["warehouse_ids"] is None else ", ".join(row["warehouse_ids"])
    return short
