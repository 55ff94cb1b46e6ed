"""Reads the reasons that accounts have registered."""

from collections.abc import Iterable

import psycopg

from pipeline.store.statements import statements


def registered_reasons(connection: psycopg.Connection, reasons: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the reasons (account, code) that are registered."""
    asked = list(reasons)
    parameters = {"account_ids": [account_id for account_id, _ in asked], "codes": [code for _, code in asked]}
    return set(connection.execute(statements("reasons")["registered_reasons"], parameters).fetchall())
