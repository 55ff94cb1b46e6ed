"""Reads and writes accounts, and what one account lets another do."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import psycopg
from pydantic import BaseModel, ConfigDict, Field

from pipeline.store.statements import statements
from schemas.commands.catalogue import Scope, UpsertAccount
from schemas.uploads import ColumnMeaning, DecimalMark, RowAction

_SQL = statements("accounts")


class LinkKey(NamedTuple):
    """Who lets whom act on its stock."""

    account_id: str
    provider_account_id: str


class UploadSettings(BaseModel):
    """How an account's files are to be read where a request does not say so.

    `columns`: what the files call the columns, name in the file → column or IGNORED.
    """

    model_config = ConfigDict(frozen=True)

    columns: dict[str, ColumnMeaning] = Field(default_factory=dict)
    encoding: str | None = None
    decimal: DecimalMark | None = None
    action: RowAction | None = None


_SETTINGS: Final = {f"upload_{name}": name for name in UploadSettings.model_fields}


def upsert_accounts(connection: psycopg.Connection, commands: Mapping[str, UpsertAccount]) -> None:
    """Give accounts their names, and say how their files are to be read where that is said."""
    names = {account_id: command.name for account_id, command in commands.items()}
    connection.execute(_SQL["upsert_accounts"], {"account_ids": list(names), "names": list(names.values())})
    said = {account_id: found for account_id, command in commands.items() if (found := _said(command))}
    if said:
        parameters = {"account_ids": list(said), "said": [json.dumps(settings) for settings in said.values()]}
        connection.execute(_SQL["change_upload_settings"], parameters)


def _said(command: UpsertAccount) -> dict[str, object]:
    """The settings that a command changes. An empty text takes one back."""
    settings = command.model_dump(mode="json", include=set(_SETTINGS), exclude_none=True)
    return {_SETTINGS[name]: None if value == "" else value for name, value in settings.items()}


def upload_settings(connection: psycopg.Connection, account_id: str) -> UploadSettings:
    """How the account's files are to be read."""
    row = connection.execute(_SQL["upload_settings"], {"account_id": account_id}).fetchone()
    return UploadSettings.model_validate(row[0] if row else {})


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
