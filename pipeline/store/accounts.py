"""Reads and writes accounts, and what one account lets another do."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import psycopg

from pipeline.store.statements import statements
from schemas.commands.catalogue import Scope, UpsertAccount

_SQL = statements("accounts")


class LinkKey(NamedTuple):
    """Who lets whom act on its stock."""

    account_id: str
    provider_account_id: str


def upsert_accounts(connection: psycopg.Connection, commands: Mapping[str, UpsertAccount]) -> None:
    """Give accounts their names, and what their files call the columns where that is said."""
    names = {account_id: command.name for account_id, command in commands.items()}
    connection.execute(_SQL["upsert_accounts"], {"account_ids": list(names), "names": list(names.values())})
    said = {
        account_id: json.dumps(command.upload_columns)
        for account_id, command in commands.items()
        if command.upload_columns is not None
    }
    if said:
        parameters = {"account_ids": list(said), "upload_columns": list(said.values())}
        connection.execute(_SQL["change_upload_columns"], parameters)


def upload_columns(connection: psycopg.Connection, account_id: str) -> dict[str, str]:
    """What the account's files call the columns: name in the file → column."""
    row = connection.execute(_SQL["upload_columns"], {"account_id": account_id}).fetchone()
    return dict(row[0]) if row else {}


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
