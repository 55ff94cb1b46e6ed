"""The pandera model of one upload row, and the columns that an upload may have.

Every check's `error` is an error code, so that pandera's failure cases are row errors. Columns are text: nothing is
converted before it was checked. Sources: ShipHero's inventory_sync columns; the rules of quantities are our own.
"""

from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from schemas.errors import ErrorCode
from schemas.identifiers import MAX_QUANTITY, MAX_SKU_LENGTH, MAX_TEXT_LENGTH

REQUIRED_COLUMNS: Final = ("sku", "quantity")
COLUMNS: Final = ("sku", "quantity", "action", "reason", "location")
ALIASES: Final = {
    "qty": "quantity",
    "on_hand": "quantity",
    "location_name": "location",
    "bin": "location",
    "product_sku": "sku",
}
"""Other names that people give the columns, after the header was normalised to lower case with underscores."""

OVERFLOW_COLUMN: Final = "overflow"
"""What stands behind the last column of the header."""

QUANTITY_PATTERN: Final = r"^\+?[0-9]+(\.0*)?$"
NEGATIVE_PATTERN: Final = r"^-[0-9]+(\.0*)?$"
CONTROL_PATTERN: Final = r"[\x00-\x1f\x7f-\x9f]"


def whole_number(text: pl.Expr) -> pl.Expr:
    """The number that a text accepted by QUANTITY_PATTERN writes, in units; null where it passes 64 bits."""
    return text.str.replace(r"\.0*$", "").str.strip_prefix("+").cast(pl.Int64, strict=False)


def _holds(data: PolarsData, passes: pl.Expr) -> pl.LazyFrame:
    return data.lazyframe.select(passes)


class UploadRow(pa.DataFrameModel):
    """One data row: fields are stripped of surrounding blanks, absent ones are empty."""

    sku: str
    quantity: str
    action: str
    reason: str
    location: str
    overflow: str

    @pa.check("sku", error=ErrorCode.SKU_MISSING)
    def sku_present(cls, data: PolarsData) -> pl.LazyFrame:
        """The SKU is not empty."""
        return _holds(data, pl.col(data.key) != "")

    @pa.check("sku", error=ErrorCode.SKU_TOO_LONG)
    def sku_short(cls, data: PolarsData) -> pl.LazyFrame:
        """The SKU fits."""
        return _holds(data, pl.col(data.key).str.len_chars() <= MAX_SKU_LENGTH)

    @pa.check("quantity", error=ErrorCode.QUANTITY_MISSING)
    def quantity_present(cls, data: PolarsData) -> pl.LazyFrame:
        """The quantity is not empty."""
        return _holds(data, pl.col(data.key) != "")

    @pa.check("quantity", error=ErrorCode.QUANTITY_NOT_AN_INTEGER)
    def quantity_whole(cls, data: PolarsData) -> pl.LazyFrame:
        """The quantity, if there is one, is written as a whole number."""
        text = pl.col(data.key)
        return _holds(data, (text == "") | text.str.contains(QUANTITY_PATTERN) | text.str.contains(NEGATIVE_PATTERN))

    @pa.check("quantity", error=ErrorCode.QUANTITY_NEGATIVE)
    def quantity_not_negative(cls, data: PolarsData) -> pl.LazyFrame:
        """The quantity is not below zero."""
        return _holds(data, ~pl.col(data.key).str.contains(NEGATIVE_PATTERN))

    @pa.check("quantity", error=ErrorCode.QUANTITY_TOO_LARGE)
    def quantity_bounded(cls, data: PolarsData) -> pl.LazyFrame:
        """The quantity is one that a level can hold."""
        text = pl.col(data.key)
        too_large = whole_number(text).fill_null(MAX_QUANTITY + 1) > MAX_QUANTITY
        return _holds(data, ~(text.str.contains(QUANTITY_PATTERN) & too_large))

    @pa.check("action", error=ErrorCode.ACTION_NOT_SUPPORTED)
    def action_known(cls, data: PolarsData) -> pl.LazyFrame:
        """The action is replace; an empty one means replace."""
        return _holds(data, pl.col(data.key).str.to_lowercase().is_in(["", "replace"]))

    @pa.check("reason", error=ErrorCode.REASON_TOO_LONG)
    def reason_short(cls, data: PolarsData) -> pl.LazyFrame:
        """The reason fits."""
        return _holds(data, pl.col(data.key).str.len_chars() <= MAX_TEXT_LENGTH)

    @pa.check("location", error=ErrorCode.LOCATION_TOO_LONG)
    def location_short(cls, data: PolarsData) -> pl.LazyFrame:
        """The location's name fits."""
        return _holds(data, pl.col(data.key).str.len_chars() <= MAX_TEXT_LENGTH)

    @pa.check("sku", "quantity", "action", "reason", "location", error=ErrorCode.CONTROL_CHARACTER)
    def no_control_characters(cls, data: PolarsData) -> pl.LazyFrame:
        """No field has control characters."""
        return _holds(data, ~pl.col(data.key).str.contains(CONTROL_PATTERN))

    @pa.check("sku", "quantity", "action", "reason", "location", error=ErrorCode.ENCODING)
    def utf8(cls, data: PolarsData) -> pl.LazyFrame:
        """No field had bytes that are not UTF-8; the reader puts U+FFFD in their place."""
        return _holds(data, ~pl.col(data.key).str.contains("\ufffd", literal=True))

    @pa.check("overflow", error=ErrorCode.TOO_MANY_FIELDS)
    def no_overflow(cls, data: PolarsData) -> pl.LazyFrame:
        """Nothing stands behind the last column."""
        return _holds(data, pl.col(data.key) == "")
