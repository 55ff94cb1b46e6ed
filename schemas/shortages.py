"""What a level has that is too little for a change, in words that a person can act on."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas.states import InventoryState

MOST_DOCUMENTS: Final = 3
"""How many documents are named; the others are `and more`."""

_PROMISED: Final = "; committed to "
_STATE: Final = re.compile(r"([a-z_]+) (-?\d+)")


class Holding(NamedTuple):
    """The states of a level in units, and the documents that its committed units are promised to, as text."""

    states: Mapping[str, int]
    documents: str = ""

    @classmethod
    def parse(cls, text: str) -> "Holding":
        """Read what `words` or the function shortage_found of the database have written."""
        states, _, documents = text.partition(_PROMISED)
        return cls({name: int(units) for name, units in _STATE.findall(states)}, documents)

    @property
    def words(self) -> str:
        """All states, as `available 4, committed 6`, and the documents behind them."""
        states = ", ".join(f"{name} {units}" for name, units in self.states.items())
        return states + (_PROMISED + self.documents if self.documents else "")

    def advice(self, short: str = InventoryState.AVAILABLE) -> str:
        """What can be done where the state `short` has too little."""
        if short != InventoryState.AVAILABLE:
            return "Check the quantity and the state, or count the location."
        ways = ["Check the quantity, or count the location"]
        if committed := self.states.get(InventoryState.COMMITTED):
            named = f" ({self.documents})" if self.documents else ""
            ways = [
                f"{committed} {'is' if committed == 1 else 'are'} committed to orders{named}: ship or cancel them, "
                "`onhand allocations` lists them"
            ]
        if held := [name for name in _HELD if self.states.get(name)]:
            ways.append(f"bring back what is {' and '.join(held)} with inventory.move")
        ways.append("allow negative stock for the warehouse: warehouse.upsert with allow_negative=true")
        return f"{', or '.join(ways)}."


_HELD: Final = (
    InventoryState.RESERVED, InventoryState.DAMAGED, InventoryState.SAFETY_STOCK, InventoryState.QUALITY_CONTROL
)  # fmt: skip


def named(documents: list[str]) -> str:
    """Some documents as text."""
    return ", ".join(documents[:MOST_DOCUMENTS]) + (" and more" if len(documents) > MOST_DOCUMENTS else "")
