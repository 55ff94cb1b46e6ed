"""Finds out whose stock, in which warehouse, the rows of a chunk are about, and holds those warehouses."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import psycopg

from pipeline.store.accounts import LinkKey, link_scopes
from pipeline.store.chunk_work import ChunkWork, Named
from pipeline.store.statements import statements
from pipeline.store.warehouse_locks import lock_warehouses
from schemas.commands.catalogue import Scope
from schemas.errors import ErrorCode
from schemas.identifiers import ALL_WAREHOUSES
from schemas.uploads import UploadColumn

_SQL = statements("chunks")
_MANY: Final = 100
"""Owners from which on the planner is told how many there are."""
_SHOWN: Final = 5
"""Warehouses of the same name that an error lists."""


class _Owner(NamedTuple):
    """What all rows with the same customer and warehouse are about, and what speaks against them; see `create_stage`.

    Without a fault, `field` and `value` are what is wrong if the warehouse does not exist.
    """

    customer: str
    warehouse: str
    account_id: str
    allowed: bool
    warehouse_id: str | None
    fault: ErrorCode | None
    field: str
    value: str | None
    suggestion: str | None = None
    found: str | None = None


class _Meant(NamedTuple):
    """The warehouses that a text may mean, by id; and one that is written nearly so."""

    ids: Sequence[str]
    similar: str | None


_NOTHING: Final = _Meant((), None)


def find_owners(connection: psycopg.Connection, work: ChunkWork, named: Sequence[Named]) -> None:
    """Fill `owners` for all that rows name, and hold the warehouses until the transaction ends.

    A customer that has not linked the account is answered like one that does not exist: nothing of it is looked up.
    """
    own = work.key.account_id
    accounts = {customer: customer or work.customer_account_id or own for customer, _ in named}
    links = {LinkKey(owner, own) for owner in accounts.values() if owner != own}
    scopes = link_scopes(connection, links) if links else {}
    allowed = {own, *(link.account_id for link, scope in scopes.items() if scope == Scope.WRITE)}
    asked = {(accounts[customer], text) for customer, text in named if text and accounts[customer] in allowed}
    meant = _meant(connection, asked)
    owners = [
        _owner(work, Named(customer, text), accounts[customer], meant)
        if accounts[customer] in allowed
        else _forbidden(Named(customer, text), accounts[customer])
        for customer, text in named
    ]
    lock_warehouses(
        connection,
        shared={(owner.account_id, owner.warehouse_id) for owner in owners if owner.warehouse_id is not None},
    )
    columns = {f"{name}": [owner[n] for owner in owners] for n, name in enumerate(_Owner._fields)}
    connection.execute(_SQL["insert_owners"], columns)
    if len(owners) > _MANY:
        connection.execute(_SQL["analyze_owners"])


def _meant(connection: psycopg.Connection, asked: set[tuple[str, str]]) -> Mapping[tuple[str, str], _Meant]:
    """What texts mean among the warehouses of their accounts."""
    if not asked:
        return {}
    ordered = sorted(asked)
    parameters = {"account_ids": [account for account, _ in ordered], "names": [name for _, name in ordered]}
    return {
        (account, name): _Meant(ids, similar)
        for account, name, ids, similar in connection.execute(_SQL["find_warehouses"], parameters, prepare=False)
    }


def _forbidden(named: Named, account: str) -> _Owner:
    column = UploadColumn.CUSTOMER_ACCOUNT_ID
    return _Owner(*named, account, False, None, ErrorCode.FORBIDDEN_ACCOUNT, column, account)


def _owner(work: ChunkWork, named: Named, account: str, meant: Mapping[tuple[str, str], _Meant]) -> _Owner:
    """The warehouse that rows are about: the one that they name, else the request's."""
    text = named.warehouse
    if not text and work.warehouse_id != ALL_WAREHOUSES:
        column = UploadColumn.CUSTOMER_ACCOUNT_ID
        return _Owner(*named, account, True, work.warehouse_id, None, column, work.warehouse_id)
    ids, similar = meant.get((account, text), _NOTHING)
    refused = _Owner(*named, account, True, None, None, UploadColumn.WAREHOUSE, text or None)
    if not text:
        return refused._replace(fault=ErrorCode.WAREHOUSE_MISSING)
    if not ids:
        return refused._replace(fault=ErrorCode.UNKNOWN_WAREHOUSE, suggestion=similar)
    if len(ids) > 1:
        return refused._replace(fault=ErrorCode.WAREHOUSE_AMBIGUOUS, found=", ".join(ids[:_SHOWN]))
    if work.warehouse_id not in {ids[0], ALL_WAREHOUSES}:
        return refused._replace(fault=ErrorCode.WAREHOUSE_NOT_REQUESTED)
    return refused._replace(warehouse_id=ids[0])
