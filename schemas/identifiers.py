"""Ids and quantities: their types, and the limits that every message and every upload row keeps."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Final, NewType

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

MAX_ID_LENGTH: Final = 100
MAX_SKU_LENGTH: Final = 255
MAX_TEXT_LENGTH: Final = 255
MAX_QUANTITY: Final = 1_000_000_000
"""The largest quantity that one command or row may carry, in units."""
MAX_LEVEL: Final = 10**15
"""The largest quantity that one state of a level may reach, in units."""

UNASSIGNED: Final = "unassigned"
"""The location that every warehouse has: where stock lies that no bin was named for."""

ALL_WAREHOUSES: Final = "*"
"""In the place of a warehouse: each row of the file names its own."""

ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:=+@-]*$"
PRINTABLE_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
NAME_PATTERN: Final = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$"
"""Printable, without blanks (the no-break space too) at its edges: uploads strip those from what people type."""


def _not_zero(quantity: int) -> int:
    if quantity == 0:
        raise ValueError("must not be 0")
    return quantity


def nfc(text: str) -> str:
    """The one spelling under which Unicode text is stored and compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


AccountId = NewType("AccountId", str)
WarehouseId = NewType("WarehouseId", str)
LocationId = NewType("LocationId", str)
LotId = NewType("LotId", str)
Sku = NewType("Sku", str)

_Id = StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN)
# Keys and event ids begin with the account id and a colon.
AccountIdField = Annotated[
    AccountId, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN.replace(":", ""))
]
WarehouseIdField = Annotated[WarehouseId, _Id]
WarehouseOrAllField = Annotated[
    WarehouseId, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=rf"^\*$|{ID_PATTERN}")
]
"""A warehouse, or ALL_WAREHOUSES."""
LocationIdField = Annotated[LocationId, _Id]
LotIdField = Annotated[LotId, _Id]
DocumentId = Annotated[str, _Id]
"""An id of a schedule, transfer, vendor or channel: its sender's to choose, within an account."""
SkuField = Annotated[
    Sku,
    StringConstraints(
        min_length=1,
        max_length=MAX_SKU_LENGTH,
        pattern=NAME_PATTERN,
    ),
    AfterValidator(nfc),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=PRINTABLE_PATTERN)]
LocationName = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NAME_PATTERN), AfterValidator(nfc)
]
Quantity = Annotated[int, Field(strict=True, ge=0, le=MAX_QUANTITY)]
PositiveQuantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
Delta = Annotated[int, Field(strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY), AfterValidator(_not_zero)]
"""A change in units, up or down, never 0."""
Version = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
LevelQuantity = Annotated[int, Field(strict=True, ge=-MAX_LEVEL, le=MAX_LEVEL)]

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]", re.ASCII)


def _written_out(value: object) -> object:
    """A number, also one in quotes, would be read as seconds or milliseconds since 1970, whichever is nearer."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and _INSTANT.match(value)):
        raise ValueError("must be text, as in 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    """The one spelling of an instant, in the centuries that every part of the way can hold."""
    if not 2000 <= value.year < 3000:
        raise ValueError("must be in the years 2000 to 2999")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""A time with its offset."""
