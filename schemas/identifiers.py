"""Ids and quantities: their types, and the limits that every message and every upload row keeps."""

import unicodedata
from typing import Annotated, Final, NewType

from pydantic import AfterValidator, Field, StringConstraints

MAX_ID_LENGTH: Final = 100
MAX_SKU_LENGTH: Final = 255
MAX_TEXT_LENGTH: Final = 255
MAX_QUANTITY: Final = 1_000_000_000
"""The largest quantity that one command or row may carry, in units."""
MAX_LEVEL: Final = 10**15
"""The largest quantity that one state of a level may reach, in units."""

UNASSIGNED: Final = "unassigned"
"""The location that every warehouse has: where stock lies that no bin was named for."""

ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:=+@-]*$"
PRINTABLE_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
NAME_PATTERN: Final = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$"
"""Printable, without blanks (the no-break space too) at its edges: uploads strip those from what people type."""


def _nfc(text: str) -> str:
    """The one spelling under which Unicode text is stored and compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


AccountId = NewType("AccountId", str)
WarehouseId = NewType("WarehouseId", str)
LocationId = NewType("LocationId", str)
Sku = NewType("Sku", str)

_Id = StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN)
# Keys and event ids begin with the account id and a colon.
AccountIdField = Annotated[
    AccountId, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN.replace(":", ""))
]
WarehouseIdField = Annotated[WarehouseId, _Id]
LocationIdField = Annotated[LocationId, _Id]
SkuField = Annotated[
    Sku,
    StringConstraints(
        min_length=1,
        max_length=MAX_SKU_LENGTH,
        pattern=NAME_PATTERN,
    ),
    AfterValidator(_nfc),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=PRINTABLE_PATTERN)]
LocationName = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NAME_PATTERN), AfterValidator(_nfc)
]
Quantity = Annotated[int, Field(strict=True, ge=0, le=MAX_QUANTITY)]
PositiveQuantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
