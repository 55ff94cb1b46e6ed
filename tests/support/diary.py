"""A busy account and what was seen of its stock after every command, to compare history with."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pipeline import views
from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from pipeline.store.outbox import publish_outbox
from schemas.identifiers import AccountId
from tests.support.orders import fill_catalogue, order

ACME = AccountId("acme")
Place = tuple[str, str, str, str | None]


class Seen(NamedTuple):
    """All levels that have ever changed, as they were at an instant."""

    instant: datetime
    levels: dict[Place, dict[str, Any]]


def by_place(rows: Any) -> dict[Place, dict[str, Any]]:
    """Level rows by warehouse, SKU, location and lot, without the time of their last change."""
    return {
        (row["warehouse_id"], row["sku"], row["location_id"], row["lot_id"]): {
            name: value for name, value in row.items() if name != "updated_at"
        }
        for row in rows
    }


@dataclass
class Diary:
    """Gives commands one by one and looks after each."""

    database: Database
    pages: list[Seen] = field(default_factory=list)

    def open(self) -> None:
        """A catalogue with a product that is tracked by lot."""
        fill_catalogue(self.database)
        apply_commands(
            [
                order("p-L", "product.upsert", sku="L", lot_tracked=True),
                order("l-1", "lot.upsert", sku="L", lot_id="lot1"),
                order("l-2", "lot.upsert", sku="L", lot_id="lot2"),
            ],
            self.database,
        )

    def give(self, *commands: ReceivedCommand) -> None:
        """Carry out some commands at once, and look."""
        apply_commands(commands, self.database)
        self.look()

    def look(self) -> None:
        """Note what is there now."""
        with self.database.transaction() as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        rows = (row for row in views.levels(self.database, ACME, views.Stock()) if row["version"])
        self.pages.append(Seen(row[0], by_place(rows)))

    def be_busy(self, seed: int, commands: int) -> None:
        """Give random commands that touch every state; some of them are rejected."""
        chance = random.Random(seed)  # noqa: S311 - the same story for the same seed
        for n in range(commands):
            self.give(_random_command(chance, f"{seed}-{n}"))


def _random_command(chance: random.Random, command_id: str) -> ReceivedCommand:
    sku = chance.choice(["A", "B", "L"])
    place: dict[str, Any] = {"warehouse_id": "w1", "sku": sku, "location_id": chance.choice(["b1", "unassigned"])}
    if sku == "L":
        place["lot_id"] = chance.choice(["lot1", "lot2"])
    quantity = chance.randint(1, 9)
    why = {"reason": chance.choice(["received", "damaged", "correction"]), "actor": chance.choice(["mia", "tom"])}
    verb, data = chance.choice([
        ("add", {"quantity": quantity}),
        ("remove", {"quantity": quantity}),
        ("set", {"state": "on_hand", "quantity": quantity}),
        ("adjust", {"state": "damaged", "delta": quantity}),
        ("move", {"from_state": "available", "to_state": "reserved", "quantity": 1}),
        ("move", {"from_state": "available", "to_state": "quality_control", "quantity": 1}),
        ("move", {"from_state": "available", "to_state": "safety_stock", "quantity": 1}),
        ("schedule", {"quantity": quantity, "due_at": "2030-01-01T00:00:00Z"}),
    ])  # fmt: skip
    return order(command_id, f"inventory.{verb}", **place, **data, **why, document=f"D-{command_id}")


def make_older(database: Database, age: timedelta, *, until: datetime | None = None) -> None:
    """Everything that was recorded up to an instant becomes that much older; lines go where there is a partition."""
    with database.transaction() as connection:
        for statement in (
            "UPDATE change_log SET recorded_at = recorded_at - %(age)s WHERE recorded_at <= coalesce(%(until)s, now())",
            "UPDATE commands SET recorded_at = recorded_at - %(age)s WHERE recorded_at <= coalesce(%(until)s, now())",
            "UPDATE outbox SET created_at = created_at - %(age)s WHERE created_at <= coalesce(%(until)s, now())",
        ):
            connection.execute(statement, {"age": age, "until": until})


def publish_all(database: Database) -> None:
    """Empty the outbox, as a relay does."""
    while publish_outbox(database, lambda _: None, 1000):
        pass
