"""Accounts: their names, what their files call the columns, and which provider may act for which customer."""

from collections.abc import Sequence

import psycopg

from pipeline.commands.catalogue.kinds import both, of_kind
from pipeline.commands.received import ReceivedCommand
from pipeline.store import accounts as store
from pipeline.store.accounts import LinkKey
from pipeline.store.commands import Outcome
from schemas.commands.catalogue import LinkAccount, Scope, UnlinkAccount, UpsertAccount


def upsert_accounts(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Give accounts their names and the names of their columns; what was said last stands."""
    orders = of_kind(received, UpsertAccount)
    if orders:
        said: dict[str, UpsertAccount] = {}
        for _, command in orders:
            said[command.account_id] = both(said.get(command.account_id), command)
        store.upsert_accounts(connection, said)
    return [delivery.applied() for delivery, _ in orders]


def link_accounts(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Link and unlink providers; the last word on one stands. To unlink one that is not linked changes nothing."""
    outcomes: list[Outcome] = []
    scopes: dict[LinkKey, Scope | None] = {}
    for delivery in received:
        if isinstance(delivery.command, LinkAccount | UnlinkAccount):
            link, scope = link_said_by(delivery.command)
            scopes[link] = scope
            outcomes.append(delivery.applied())
    # One after the other, in the order of the keys: they are rare.
    for link, scope in sorted(scopes.items()):
        if scope is None:
            store.unlink_account(connection, link)
        else:
            store.link_account(connection, link, scope)
    return outcomes


def link_said_by(command: LinkAccount | UnlinkAccount) -> tuple[LinkKey, Scope | None]:
    """The link that a command is about, and what it allows from then on; None: nothing."""
    link = LinkKey(command.account_id, command.provider_account_id)
    return link, command.scope if isinstance(command, LinkAccount) else None
