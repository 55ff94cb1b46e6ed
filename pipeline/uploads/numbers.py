"""Looks at the columns of numbers of a whole file: which mark stands before decimals, and was a number split at one."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import polars as pl

from schemas.errors import ErrorCode
from schemas.upload_rows import (
    COMMA_NUMBER_PATTERN,
    EITHER_PATTERN,
    NUMBER_COLUMNS,
    POINT_NUMBER_PATTERN,
    PROBLEM_COLUMN,
    Numbers,
)
from schemas.uploads import DecimalMark

BEHIND: Final = "behind"
"""The column right behind the quantity, where it may hold the rest of numbers that were split at their commas."""
SPLIT: Final = "quantity split"
NOT_SPLIT: Final = "quantity not split"
"""Of a file's evidence: rows that look as if their quantity was split, and rows that show that none was."""

_POINT, _COMMA, _EITHER = "point", "comma", "either"


def number_evidence(rows: pl.DataFrame) -> Counter[str]:
    """What rows, as `read_records` gives them, show about the numbers of their file, to be added up over all of it."""
    found: Counter[str] = Counter()
    for column in NUMBER_COLUMNS:
        text = rows.get_column(column)
        unclear = text.cast(pl.Int64, strict=False).is_null() & (text != "") & rows.get_column(PROBLEM_COLUMN).is_null()
        if unclear.any():
            found.update(_of_column(column, text.filter(unclear)))
    if BEHIND in rows.columns:
        found[SPLIT] = int(rows.select(is_split()).to_series().sum())
        found[NOT_SPLIT] = int(rows.select(_is_not_split()).to_series().sum())
    return +found


def _of_column(column: str, texts: pl.Series) -> dict[str, int]:
    by_point, by_comma = texts.str.contains(POINT_NUMBER_PATTERN), texts.str.contains(COMMA_NUMBER_PATTERN)
    return {
        _key(column, _POINT): int((by_point & ~by_comma).sum()),
        _key(column, _COMMA): int((by_comma & ~by_point).sum()),
        _key(column, _EITHER): int(texts.str.contains(EITHER_PATTERN).sum()),
    }


def numbers_of(evidence: Mapping[str, int], said: DecimalMark | None) -> dict[str, Numbers]:
    """How each column of numbers is written, by what a person says of the file or by what all of it shows.

    A column shows a point before its decimals where some number can only be read so (5.0, 0.000, 1234.000), and none
    only the other way (5,0 or 1.000.000). A column never shows a comma: such numbers are taken only where a person says
    so.
    """
    if said is not None:
        return dict.fromkeys(NUMBER_COLUMNS, Numbers(said.value))
    return {
        column: Numbers.SHOWN
        if evidence.get(_key(column, _POINT)) and not evidence.get(_key(column, _COMMA))
        else Numbers.UNSAID
        for column in NUMBER_COLUMNS
    }


def has_either(evidence: Mapping[str, int], column: str) -> bool:
    """Whether some number of the column depends on how the column is written."""
    return bool(evidence.get(_key(column, _EITHER)))


def _key(column: str, kind: str) -> str:
    return f"{column} {kind}"


def is_split() -> pl.Expr:
    """Whether the quantity and the field behind it look like one number, as 1,250, that was split at its comma."""
    quantity, behind = pl.col("quantity"), pl.col(BEHIND)
    together = pl.col("raw").bin.contains(pl.concat_str(quantity, pl.lit(","), behind).cast(pl.Binary))
    return quantity.str.contains(r"^[1-9][0-9]{0,2}$") & behind.str.contains(r"^[0-9]{3}$") & together


def _is_not_split() -> pl.Expr:
    """Text that is no group of digits stands behind the quantity, or a number that would have been split is not."""
    has_own_text = (pl.col(BEHIND) != "") & ~is_split()
    return pl.col(PROBLEM_COLUMN).is_null() & (has_own_text | pl.col("quantity").str.contains(r"^[0-9]{4,}$"))


def ambiguous_values() -> pl.Expr:
    """For the errors of rows: the number with both of its readings, where it has two."""
    value, first = pl.col("value"), pl.col("value").str.strip_suffix(".000")
    is_either = (pl.col("code") == ErrorCode.QUANTITY_AMBIGUOUS.value) & value.str.contains(EITHER_PATTERN)
    return pl.when(is_either).then(pl.format("{}: {} or {}000", value, first, first)).otherwise(value).alias("value")


def split_failures(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose quantity looks split, as failures of them."""
    quantity, behind = pl.col("quantity"), pl.col(BEHIND)
    return rows.filter(is_split()).select(
        "index",
        pl.lit(ErrorCode.QUANTITY_AMBIGUOUS.value).alias("code"),
        pl.lit("quantity").alias("field"),
        pl.format("{},{}: {}, with {} in the next column, or {}{}", *(quantity, behind) * 3).alias("value"),
    )
