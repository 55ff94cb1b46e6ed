"""Who may act for whom: a provider only for customers that have linked it."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from pipeline.commands.catalogue.accounts import link_said_by
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.store.accounts import LinkKey, link_scopes
from pipeline.store.commands import Outcome
from schemas.commands.catalogue import LinkAccount, Scope, UnlinkAccount
from schemas.errors import ErrorCode


class Access(NamedTuple):
    """The deliveries that may be carried out, in their order, and the outcomes of the others."""

    allowed: Sequence[ReceivedCommand]
    outcomes: list[Outcome]


def authorize(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> Access:
    """Refuse what a sender orders for a customer who has not linked it with the scope `write`.

    `received` are the new commands of a batch, without repeats: its own links and unlinks count from their place on.
    An account that does not exist is answered like one that has not linked the sender.
    """
    asked = {_link(delivery) for delivery in received if _acts_for_another(delivery)}
    if not asked:
        return Access(received, [])
    scopes: dict[LinkKey, Scope | None] = {**link_scopes(connection, asked)}
    allowed: list[ReceivedCommand] = []
    outcomes: list[Outcome] = []
    for delivery in received:
        if isinstance(delivery.command, LinkAccount | UnlinkAccount):
            link, scope = link_said_by(delivery.command)
            scopes[link] = scope
        if _acts_for_another(delivery) and scopes.get(_link(delivery)) != Scope.WRITE:
            outcomes.append(delivery.rejected(Invalid(ErrorCode.FORBIDDEN_ACCOUNT, delivery.command.owner)))
        else:
            allowed.append(delivery)
    return Access(allowed, outcomes)


def require_read(connection: psycopg.Connection, provider_account_id: str, customer_account_id: str) -> None:
    """Refuse to show a customer's stock to anyone but itself and the providers that it has linked, with either scope.

    Raises:
        Invalid: with FORBIDDEN_ACCOUNT; whether the customer exists is not told.
    """
    link = LinkKey(customer_account_id, provider_account_id)
    if customer_account_id != provider_account_id and link not in link_scopes(connection, [link]):
        raise Invalid(ErrorCode.FORBIDDEN_ACCOUNT, customer_account_id)


def _acts_for_another(delivery: ReceivedCommand) -> bool:
    return delivery.command.owner != delivery.command.account_id


def _link(delivery: ReceivedCommand) -> LinkKey:
    return LinkKey(delivery.command.owner, delivery.command.account_id)
