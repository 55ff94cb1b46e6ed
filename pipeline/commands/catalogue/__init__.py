"""Carries out the catalogue commands of a batch, kind by kind, so that what others name is there before them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from pipeline.commands.catalogue.accounts import link_accounts, upsert_accounts
from pipeline.commands.catalogue.channels import link_channels
from pipeline.commands.catalogue.locations import keep_locations
from pipeline.commands.catalogue.products import upsert_lots, upsert_products, upsert_vendors
from pipeline.commands.catalogue.reasons import upsert_reasons
from pipeline.commands.catalogue.warehouses import upsert_warehouses
from pipeline.commands.received import ReceivedCommand
from pipeline.store.commands import Outcome
from pipeline.store.outbox import OutgoingMessage
from schemas.identifiers import AccountId


@dataclass
class CatalogueWork:
    """An outcome for each command, and what is to be published for which account beside the outcomes."""

    outcomes: list[Outcome] = field(default_factory=list)
    messages: list[tuple[AccountId, OutgoingMessage]] = field(default_factory=list)


def apply_catalogue(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> CatalogueWork:
    """Carry out catalogue and channel commands, but for `location.delete` and `channel.counts`, which change stock.

    The kinds follow each other: accounts and their links, vendors, reasons, warehouses, products, lots, locations,
    links of channels. Within a kind the commands take effect in the order given. Each kind takes its locks in the order
    of the keys, so that two transactions that do this at once never wait for each other.

    Raises:
        TryLater: another transaction was faster; this one may not be committed.
    """
    if not received:
        return CatalogueWork()
    outcomes = [
        *upsert_accounts(connection, received),
        *link_accounts(connection, received),
        *upsert_vendors(connection, received),
        *upsert_reasons(connection, received),
        *upsert_warehouses(connection, received),
        *upsert_products(connection, received),
        *upsert_lots(connection, received),
        *keep_locations(connection, received),
    ]
    channels = link_channels(connection, received)
    return CatalogueWork([*outcomes, *channels.outcomes], channels.messages)
