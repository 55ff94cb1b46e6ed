"""Commands of account acme, and a small catalogue to give them to."""

import json

from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from schemas.commands import COMMANDS, read_json


def order(command_id: str, type_: str, *, source: str = "test", **data: object) -> ReceivedCommand:
    """A command as a consumer hands it over."""
    return ReceivedCommand(command_id, read_json(COMMANDS[type_], json.dumps({"account_id": "acme", **data})), source)


def stock(command_id: str, verb: str, quantity: int, **data: object) -> ReceivedCommand:
    """A stock command on SKU A of warehouse w1."""
    return order(command_id, f"inventory.{verb}", **{"warehouse_id": "w1", "sku": "A", "quantity": quantity, **data})


def fill_catalogue(database: Database, skus: int = 0) -> None:
    """A dynamic warehouse w1 with bin b1 named A-01, a static one w2; products A to D everywhere, W2ONLY in w2 only.

    And `skus` more products S0, S1, …
    """
    apply_commands(
        [
            order("c1", "warehouse.upsert", warehouse_id="w1", name="One"),
            order("c2", "warehouse.upsert", warehouse_id="w2", name="Two", slotting="static"),
            order("c3", "location.create", warehouse_id="w1", location_id="b1", name="A-01"),
            *(order(f"c-{sku}", "product.upsert", sku=sku) for sku in "ABCD"),
            order("c4", "product.upsert", sku="W2ONLY", warehouse_ids=["w2"]),
            *(order(f"c-s{n}", "product.upsert", sku=f"S{n}") for n in range(skus)),
        ],
        database,
    )
