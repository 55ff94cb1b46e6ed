"""Reads and writes accounts, and what one account lets another do."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements
from schemas.commands.catalogue import Scope

_SQL = statements("accounts")


class LinkKey(NamedTuple):
    """Who lets whom act on its stock."""

    account_id: str
    provider_account_id: str


def upsert_accounts(connection: psycopg.Connection, names: Mapping[str, str]) -> None:
    """Give accounts their names."""
    connection.execute(_SQL["upsert_accounts"], {"account_ids": list(names), "names": list(names.values())})


def link_account(connection: psycopg.Connection, link: LinkKey, scope: Scope) -> None:
    """Let a provider act for an account, or change what it may do."""
    connection.execute(_SQL["link_account"], {**link._asdict(), "scope": scope})


def unlink_account(connection: psycopg.Connection, link: LinkKey) -> None:
    """Take a provider's rights back, if it has any."""
    connection.execute(_SQL["unlink_account"], link._asdict())


def link_scopes(connection: psycopg.Connection, links: Iterable[LinkKey]) -> dict[LinkKey, Scope]:
    """What each link allows; a link that does not exist is not in the answer."""
    asked = list(links)
    parameters = {
        "account_ids": [link.account_id for link in asked],
        "provider_account_ids": [link.provider_account_id for link in asked],
    }
    rows = connection.execute(_SQL["link_scopes"], parameters)
    return {LinkKey(account_id, provider): Scope(scope) for account_id, provider, scope in rows}
