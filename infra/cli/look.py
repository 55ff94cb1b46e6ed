# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand levels`, `log`, `events tail`, `audit`: look at stock, ledger and events, and prove that they agree."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.context import (
    Account,
    AccountOrNone,
    CustomerAccount,
    Location,
    Lot,
    OfActor,
    OfCommand,
    OfDocument,
    OfReason,
    OfSource,
    Sku,
    Warehouse,
    load_settings,
    open_consumer,
    open_database,
    open_reading,
    parse_instant,
)
from infra.cli.messages import shown
from infra.cli.output import AsJson, Limit, print_json, print_line, print_rows, rows_to_ask
from pipeline import history, views
from pipeline.store.database import Database
from pipeline.store.pages import Row
from schemas.identifiers import AccountId
from schemas.topics import Topic

if TYPE_CHECKING:
    from consumers.settings import Settings
    from pipeline.audit import Finding


Since = Annotated[
    datetime | None,
    typer.Option(parser=parse_instant, metavar="TIME", help="Only from this time on, ISO 8601; UTC unless it says."),
]
Until = Annotated[datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Only before this time.")]

events = typer.Typer(no_args_is_help=True, help="The events on the topics.")
# Typer makes an application of one command that command itself, unless it has a callback.
events.callback()(lambda: None)


def levels(
    account: Account,
    customer_account: CustomerAccount = None,
    warehouse: Warehouse = None,
    sku: Sku = None,
    location: Location = None,
    lot: Lot = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|VERSION",
            help="As they were at a time (ISO 8601; UTC unless it says), or as their version of this number was, with "
            "--warehouse and --sku.",
        ),
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The account's stock: each level with its states, in units."""
    stock = views.Stock(warehouse, sku, location, lot)
    with open_reading(account, customer_account) as (database, owner):
        rows = _levels(database, owner, stock, as_of, rows_to_ask(limit, as_json=as_json))
        print_rows(rows if as_json else map(_short, rows), as_json=as_json, limit=limit)


def _levels(
    database: Database, owner: AccountId, stock: views.Stock, as_of: str | None, most: int | None
) -> Iterator[Row]:
    if as_of is None:
        return views.levels(database, owner, stock, limit=most)
    if not (as_of.isascii() and as_of.isdigit()):
        return history.levels_at(database, owner, stock, parse_instant(as_of), limit=most)
    if stock.warehouse_id is None or stock.sku is None:
        raise typer.BadParameter("each level counts its own versions: --as-of VERSION needs --warehouse and --sku")
    if int(as_of) == 0:
        raise typer.BadParameter("the versions of a level begin with 1")
    return history.levels_at_version(database, owner, stock, int(as_of), limit=most)


def log(
    account: Account,
    customer_account: CustomerAccount = None,
    warehouse: Warehouse = None,
    sku: Sku = None,
    location: Location = None,
    lot: Lot = None,
    reason: OfReason = None,
    actor: OfActor = None,
    document: OfDocument = None,
    command: OfCommand = None,
    source: OfSource = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The change log, newest first: what changed, why, by whom, and by which command or row of a sync."""
    changes = history.Changes(
        views.Stock(warehouse, sku, location, lot), reason, document, actor, command, source, since, until
    )
    with open_reading(account, customer_account) as (database, owner):
        rows = history.change_log(database, owner, changes, limit=rows_to_ask(limit, as_json=as_json))
        print_rows(rows, as_json=as_json, limit=limit)


@events.command()
def tail(
    topic: Annotated[Topic, typer.Option(help="Which topic.")] = Topic.CHANGES,
    account: AccountOrNone = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Not only what comes from now on.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many; without it, go on until Ctrl-C.")
    ] = None,
    as_json: AsJson = False,  # noqa: ARG001 - every command takes it, and this one prints nothing else
) -> None:
    """Print events as JSON, one a line. --account leaves out the events of other accounts; a dead letter is of none."""
    asyncio.run(_tail(load_settings(), topic, account, limit, from_beginning=from_beginning))


async def _tail(
    settings: "Settings", topic: Topic, account: str | None, limit: int | None, *, from_beginning: bool
) -> None:
    count = 0
    async with open_consumer(settings, topic, from_beginning=from_beginning) as consumer:
        async for record in consumer:
            event = shown(record)
            data = event["data"]
            if (
                account is not None
                and topic is not Topic.DEAD_LETTERS
                and not (isinstance(data, dict) and data.get("account_id") == account)
            ):
                continue
            print_json(event)
            count += 1
            if count == limit:
                return


def audit(
    account: AccountOrNone = None,
    with_events: Annotated[
        bool, typer.Option("--events", help="Also compare the ledger with the events on the topic of changes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove the invariants on the data that is there, of one account or of all. Exit code 1 where one is broken."""
    # These bring the readers of events with them, which take a while to import.
    from consumers.event_audit import audit_events  # noqa: PLC0415
    from pipeline.audit import audit as audit_database  # noqa: PLC0415

    settings = load_settings()
    with open_database(settings) as database:
        findings = audit_database(database, account)
        if with_events:
            findings = [*findings, asyncio.run(audit_events(settings, database, account))]
    for finding in findings:
        if as_json:
            print_json(asdict(finding))
        else:
            _print_finding(finding)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)


def _print_finding(finding: "Finding") -> None:
    verdict = "BROKEN" if finding.broken else "holds "
    print_line(f"{verdict}  {finding.invariant}. {finding.name}: {finding.checked} checked, {finding.broken} broken")
    for example in finding.examples:
        print_line(f"           {example}")


def _short(level: Row) -> Row:
    """For a table: a state in which there is nothing stays empty, and where that is so of all levels has no column."""
    always = ("warehouse_id", "sku", "location_id", "version", "on_hand", "available")
    return {name: value if name in always else value or None for name, value in level.items() if name != "updated_at"}
