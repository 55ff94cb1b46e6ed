"""A command as the rules of the model get it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.model.world import UNASSIGNED, Key, World

Data = Mapping[str, Any]


class Sent(NamedTuple):
    """A command with what is the same for all its lines. `reason` "": the contract names none.

    `schedule_id` is what its schedules are called that have no name of their own.
    """

    schedule_id: str
    kind: str
    data: Data
    reason: str | None
    document: str | None

    def place(self, line: Data, warehouse: str = "warehouse_id", location: str = "location_id") -> Key:
        """The level that a line names. Its warehouse stands on the line or on the command."""
        named = line.get(warehouse) or self.data[warehouse]
        return Key(named, line["sku"], line.get(location) or UNASSIGNED, line.get("lot_id") or "")


Carry = Callable[[World, Sent, Data], None]
