"""Validates the rows of a chunk: every error of every row at once, as columns."""

from typing import Final

import pandera.errors
import polars as pl

from schemas.errors import ErrorCode
from schemas.identifiers import MAX_QUANTITY, UNASSIGNED
from schemas.upload_rows import CONTROL_PATTERN, OVERFLOW_COLUMN, QUANTITY_PATTERN, UploadRow, whole_number

_SHOWN_CHARACTERS: Final = 200
_FAILURES: Final = {"index": pl.Int64, "code": pl.String, "field": pl.String, "value": pl.String}


def validate_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Check rows as `read_block` gives them; all copies of a (SKU, location) must be among them.

    Returns:
        The rows with `sku` and `location` in NFC and control characters replaced, `target` (Int64, units, null where
        the quantity is wrong) and `errors` (a JSON array of objects code, field, value; null where there is none).
    """
    rows = rows.with_columns(pl.col("sku", "location").str.normalize("NFC"))
    errors = _errors_by_row(pl.concat([_failures(rows), _duplicates(rows)]))
    quantity = pl.col("quantity")
    target = pl.when(quantity.str.contains(QUANTITY_PATTERN)).then(whole_number(quantity))
    return (
        rows.drop(OVERFLOW_COLUMN)
        .with_row_index("index")
        .with_columns(
            pl.when(target <= MAX_QUANTITY).then(target).alias("target"),
            pl.col("sku", "quantity", "action", "reason", "location").str.replace_all(CONTROL_PATTERN, "\ufffd"),
        )
        .join(errors, on="index", how="left", maintain_order="left")
        .drop("index")
    )


def _failures(rows: pl.DataFrame) -> pl.DataFrame:
    try:
        UploadRow.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as found:
        cases: pl.DataFrame = found.failure_cases
        return cases.select(
            pl.col("index").cast(pl.Int64),
            pl.col("check").cast(pl.String).alias("code"),
            pl.col("column").cast(pl.String).alias("field"),
            pl.col("failure_case").cast(pl.String).alias("value"),
        )
    return pl.DataFrame(schema=_FAILURES)


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """Every copy of a SKU and location. No location is the unassigned one."""
    location = pl.when(pl.col("location") == "").then(pl.lit(UNASSIGNED)).otherwise(pl.col("location"))
    return (
        rows.select("sku", location.alias("location"))
        .with_row_index("index")
        .filter(pl.struct("sku", "location").is_duplicated() & (pl.col("sku") != ""))
        .select(
            pl.col("index").cast(pl.Int64),
            pl.lit(ErrorCode.DUPLICATE_ROW.value).alias("code"),
            pl.lit("sku").alias("field"),
            pl.concat_str("sku", pl.lit(" in "), "location").alias("value"),
        )
    )


def _errors_by_row(failures: pl.DataFrame) -> pl.DataFrame:
    """One JSON array for each row that has an error."""
    value = pl.col("value").str.slice(0, _SHOWN_CHARACTERS).str.replace_all(CONTROL_PATTERN, "\ufffd")
    return (
        failures.select("index", pl.struct("code", "field", value).struct.json_encode().alias("error"))
        .group_by("index", maintain_order=True)
        .agg(pl.col("error").str.join(","))
        .select(pl.col("index").cast(pl.UInt32), pl.format("[{}]", pl.col("error")).alias("errors"))
    )
