"""Reads and writes which locations of sales channels are linked to which warehouses."""

from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements

_SQL = statements("channels")


class ChannelLocation(NamedTuple):
    """A location of a channel, by the channel's own id for it, within an account."""

    account_id: str
    channel: str
    external_location_id: str


class ChannelLink(NamedTuple):
    """The warehouse of a linked location, and whether the location is the account's master."""

    warehouse_id: str
    master: bool


def hold_channels(connection: psycopg.Connection, account_id: str) -> None:
    """Keep others from changing the links of an account until the transaction ends.

    Who holds several accounts takes them in the order of their ids.
    """
    connection.execute(_SQL["hold_channels"], {"account_id": account_id})


def links_in_question(connection: psycopg.Connection, location: ChannelLocation) -> dict[ChannelLocation, ChannelLink]:
    """The link of a channel's location, and that of the account's master; each where there is one."""
    rows = connection.execute(_SQL["links_in_question"], location._asdict())
    return {
        ChannelLocation(account_id, channel, external_location_id): ChannelLink(warehouse_id, master)
        for account_id, channel, external_location_id, warehouse_id, master in rows
    }


def linked_locations(
    connection: psycopg.Connection, locations: Iterable[ChannelLocation]
) -> dict[ChannelLocation, ChannelLink]:
    """Those of the channel locations that are linked."""
    asked = list(locations)
    parameters = {
        "account_ids": [location.account_id for location in asked],
        "channels": [location.channel for location in asked],
        "external_location_ids": [location.external_location_id for location in asked],
    }
    rows = connection.execute(_SQL["linked_locations"], parameters).fetchall()
    return {ChannelLocation(*row[:3]): ChannelLink(*row[3:]) for row in rows}


def link_channel(connection: psycopg.Connection, location: ChannelLocation, link: ChannelLink) -> None:
    """Link a channel's location, or change whether it is the master; one that is linked keeps its warehouse."""
    connection.execute(_SQL["link_channel"], {**location._asdict(), **link._asdict()})


def unlink_channel(connection: psycopg.Connection, location: ChannelLocation) -> None:
    """Unlink a channel's location."""
    connection.execute(_SQL["unlink_channel"], location._asdict())


def create_products(connection: psycopg.Connection, products: Iterable[tuple[str, str, str | None]]) -> None:
    """Create those of the products (account, SKU, name) that are not known: a master location brought them."""
    asked = list(products)
    parameters = {
        "account_ids": [account_id for account_id, _, _ in asked],
        "skus": [sku for _, sku, _ in asked],
        "names": [name for _, _, name in asked],
    }
    connection.execute(_SQL["create_products"], parameters)
