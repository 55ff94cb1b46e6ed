"""Who may touch a warehouse at the same time: many writers of stock, or one who changes what they rely on.

A writer of stock reads that a location exists and writes the level later; a location must not be deleted in between,
nor a warehouse be created twice with two kinds of slotting. Advisory locks cost the writers one statement in each
transaction; row locks on the catalogue would cost a write for each row.
"""

from collections.abc import Iterable

import psycopg

from pipeline.store.statements import statements

WarehouseKey = tuple[str, str]
"""Account and warehouse id."""


def lock_warehouses(
    connection: psycopg.Connection, *, shared: Iterable[WarehouseKey] = (), exclusive: Iterable[WarehouseKey] = ()
) -> None:
    """Hold warehouses until the transaction ends, all in one call: a second one could wait for somebody who waits.

    Writers of stock hold them shared; what deletes a location or changes a warehouse's rules holds them exclusively.
    """
    modes = dict.fromkeys(shared, False) | dict.fromkeys(exclusive, True)
    if not modes:
        return
    parameters = {
        "account_ids": [account_id for account_id, _ in modes],
        "warehouse_ids": [warehouse_id for _, warehouse_id in modes],
        "exclusive": list(modes.values()),
    }
    connection.execute(statements("warehouse_locks")["lock_warehouses"], parameters)
