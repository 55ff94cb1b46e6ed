"""What must be true at the end: kept by the generator, which knows every row and every command that it made."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.errors import ErrorCode
from schemas.states import ResultStatus


class Place(NamedTuple):
    """What has a quantity: a SKU in a location of a warehouse."""

    warehouse_id: str
    sku: str
    location_id: str


class Answer(NamedTuple):
    """What a command must be answered with."""

    command_id: str
    status: ResultStatus
    code: ErrorCode | None = None


@dataclass
class Expected:
    """Stock in units by place, how many changes led there, and the answers to commands."""

    stock: dict[Place, int] = field(default_factory=dict)
    changes: int = 0
    answers: Counter[Answer] = field(default_factory=Counter)

    def replace(self, place: Place, quantity: int) -> None:
        """The place was counted. The same quantity as before is no change."""
        self.changes += quantity != self.stock.get(place, 0)
        self.stock[place] = quantity

    def add(self, place: Place, quantity: int) -> None:
        """Units came, or went where the quantity is negative."""
        self.replace(place, self.stock.get(place, 0) + quantity)

    def levels(self) -> dict[Place, int]:
        """The places that hold something."""
        return {place: quantity for place, quantity in self.stock.items() if quantity}
