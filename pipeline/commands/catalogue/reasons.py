"""Reasons of accounts' own for changes of stock."""

from collections.abc import Sequence

import psycopg

from pipeline.commands.catalogue.kinds import of_kind
from pipeline.commands.received import ReceivedCommand
from pipeline.store import catalogue as store
from pipeline.store.commands import Outcome
from schemas.commands.catalogue import UpsertReason


def upsert_reasons(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Register reasons; the last description stands."""
    orders = of_kind(received, UpsertReason)
    if orders:
        store.upsert_reasons(connection, {(c.owner, c.code): c.description for _, c in orders})
    return [delivery.applied() for delivery, _ in orders]
