"""The ways in which rows of the demo's upload are bad, and the error codes that each must get."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from infra.demo.catalogue import SHOP_ONLY_SKU
from schemas.errors import ErrorCode


@dataclass(frozen=True)
class Row:
    """A good row. `number` is its place in the file, from 1."""

    number: int
    sku: str
    quantity: int
    location: str

    def line(self, **other: str) -> str:
        """The row as CSV, with `other` in place of what it says; `tail` stands behind the last field."""
        fields = {
            "sku": self.sku,
            "quantity": str(self.quantity),
            "action": "replace",
            "reason": "weekly count",
            "location": self.location,
            "tail": "",
        } | other
        tail = fields.pop("tail")
        return ",".join(fields.values()) + tail


@dataclass(frozen=True)
class Fault:
    """One way: what is written, and all the codes that such a row gets."""

    write: Callable[[Row], str]
    codes: frozenset[ErrorCode]


def _fault(write: Callable[[Row], str], *codes: ErrorCode) -> Fault:
    return Fault(write, frozenset(codes))


FAULTS: Final = (
    _fault(lambda row: row.line(sku=f"GONE-{row.number}"), ErrorCode.UNKNOWN_SKU),
    _fault(lambda row: row.line(sku=""), ErrorCode.SKU_MISSING),
    _fault(lambda row: row.line(sku=f"X-{row.number}" + "x" * 255), ErrorCode.SKU_TOO_LONG, ErrorCode.UNKNOWN_SKU),
    _fault(lambda row: row.line(quantity=""), ErrorCode.QUANTITY_MISSING),
    _fault(lambda row: row.line(quantity='"1,234"'), ErrorCode.QUANTITY_NOT_AN_INTEGER),
    _fault(lambda row: row.line(quantity="5.5"), ErrorCode.QUANTITY_NOT_AN_INTEGER),
    _fault(lambda row: row.line(quantity="1e3"), ErrorCode.QUANTITY_NOT_AN_INTEGER),
    _fault(lambda row: row.line(quantity="-3"), ErrorCode.QUANTITY_NEGATIVE),
    _fault(lambda row: row.line(quantity="1000000001"), ErrorCode.QUANTITY_TOO_LARGE),
    _fault(lambda row: row.line(location=f"Z-{row.number}"), ErrorCode.UNKNOWN_LOCATION),
    _fault(lambda row: row.line(action="multiply"), ErrorCode.ACTION_NOT_SUPPORTED),
    _fault(lambda row: row.line(reason="weekly\x07count"), ErrorCode.CONTROL_CHARACTER),
    _fault(lambda row: row.line(reason="r\xe9serve"), ErrorCode.ENCODING),  # the file is written in Latin-1
    _fault(lambda row: row.line(reason="x" * 256), ErrorCode.REASON_TOO_LONG),
    _fault(lambda row: row.line(tail=",7"), ErrorCode.TOO_MANY_FIELDS),
    _fault(
        lambda row: row.line(sku=f"GONE-{row.number}", quantity="many", action="guess"),
        ErrorCode.UNKNOWN_SKU,
        ErrorCode.QUANTITY_NOT_AN_INTEGER,
        ErrorCode.ACTION_NOT_SUPPORTED,
    ),
)
"""Each of these in as many rows as the others."""

WRONG_WAREHOUSE: Final = _fault(lambda row: row.line(sku=SHOP_ONLY_SKU), ErrorCode.SKU_NOT_IN_WAREHOUSE)
"""In one row: a second one could be its duplicate."""

DUPLICATE: Final = _fault(Row.line, ErrorCode.DUPLICATE_ROW)
"""In pairs of rows that name the same SKU and location."""
