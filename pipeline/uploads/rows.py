"""Validates the rows of an upload: every error of every row at once, as columns."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
import pandera.errors
import pandera.polars as pa
import polars as pl

from pipeline.uploads.encodings import is_utf8, probable_encoding
from pipeline.uploads.numbers import BEHIND, ambiguous_values, is_split, split_failures
from schemas.errors import ErrorCode
from schemas.identifiers import MAX_QUANTITY
from schemas.upload_rows import (
    ACTIONS,
    COLUMNS,
    CONTROL_PATTERN,
    EITHER_PATTERN,
    NUMBER_COLUMNS,
    OVERFLOW_COLUMN,
    PROBLEM_COLUMN,
    RECORD_FIELD,
    REPLACE,
    TEXT_COLUMNS,
    TEXT_CONTROL_PATTERN,
    Numbers,
    row_model,
    rules,
    whole_number,
    whole_pattern,
)

_SHOWN_CHARACTERS: Final = 200
_CHECKED_AT_ONCE: Final = 5_000
"""Rows. The model holds a copy of the columns, and a case for each rule and row, of all that it is given."""
_LARGEST: Final = 2**63 - 1
_NAMES: Final = ("sku", "location", "to_location", "lot")
"""What is compared with the catalogue, in NFC."""
_FIELDS_ARE_READ: Final = (ErrorCode.TOO_FEW_FIELDS.value, ErrorCode.FIELD_TOO_LONG.value)
"""Problems of a record that leave certain what its filled fields are."""
_FAILURES: Final = {"index": pl.UInt32, "code": pl.String, "field": pl.String, "value": pl.String}
_ERRORS: Final = {"index": pl.UInt32, "errors": pl.String}


def validate_rows(
    rows: pl.DataFrame, numbers: Mapping[str, Numbers] = {}, *, action: str = REPLACE, left: Sequence[str] = ()
) -> pl.DataFrame:
    """Check rows as `read_records` gives them, each for itself: copies of a row may be elsewhere in the file.

    Args:
        rows: what was read. Where it has the column behind the quantity, the quantities of the file look split.
        numbers: how the columns of numbers are written; UNSAID, where nothing is said of one.
        action: what rows do that do not say so.
        left: quantities, in lower case, by which a row leaves the stock as it is. Its one error is LEFT_AS_IT_IS.

    Returns:
        The rows without `overflow` and `problem`: names in NFC, control characters replaced, `action` in lower case
        and never empty; with `target` (Int64, units, null where the quantity is wrong), `wants_quantity` and
        `wants_version` (Int64, null where nothing is expected or the expectation is wrong) and `errors` (a JSON array
        of RowError; null where there is none).
    """
    plain = {column for column in (*COLUMNS, OVERFLOW_COLUMN) if _is_printable_ascii(rows.get_column(column))}
    rows = rows.with_columns(_normalised(rows, plain, action)).with_row_index("index")
    # The model tells which rules a row breaks, at many times the cost of seeing that it breaks none.
    good = pl.all_horizontal(_signs_of_a_good_row(rows, plain, numbers))
    suspects = rows.filter(pl.col(PROBLEM_COLUMN).is_not_null() | ~good)
    errors = []
    if left:
        leaves = _leaves(left)
        errors.append(_errors_by_row(_failed(rows.filter(leaves), ErrorCode.LEFT_AS_IT_IS, pl.col("quantity"))))
        suspects = suspects.filter(~leaves)
    errors += [
        _errors_by_row(pl.concat([_problems(some), *_broken_rules(some, numbers)]))
        for some in suspects.iter_slices(_CHECKED_AT_ONCE)
    ]
    quantity, expected, version = (numbers.get(column, Numbers.UNSAID) for column in NUMBER_COLUMNS)
    return (
        rows.drop(OVERFLOW_COLUMN, PROBLEM_COLUMN, BEHIND, strict=False)
        .with_columns(
            _number(rows.get_column("quantity"), quantity, MAX_QUANTITY, r"\+?").alias("target"),
            _number(rows.get_column("expected_quantity"), expected, _LARGEST).alias("wants_quantity"),
            _number(rows.get_column("expected_version"), version, _LARGEST, r"\+?").alias("wants_version"),
            *(_cleaned(column) for column in COLUMNS if column not in plain),
        )
        .join(pl.concat(errors or [pl.DataFrame(schema=_ERRORS)]), on="index", how="left", maintain_order="left")
        .drop("index")
    )


def _is_printable_ascii(column: pl.Series) -> bool:
    """Whether all fields are: one look at all their bytes, instead of a pattern for each of them."""
    text = column.str.join("").cast(pl.Binary).item() if column.len() else b""
    data = np.frombuffer(text, np.uint8)
    return data.size == 0 or bool(data.min() >= 0x20 and data.max() < 0x7F)


def _normalised(rows: pl.DataFrame, plain: set[str], default: str) -> list[pl.Expr]:
    names = [pl.col(name).str.normalize("NFC") for name in _NAMES if name not in plain]
    if rows.get_column("action").is_in(ACTIONS).all():
        return names
    action = pl.col("action").str.to_lowercase()
    return [*names, pl.when(action == "").then(pl.lit(default)).otherwise(action).alias("action")]


def _signs_of_a_good_row(rows: pl.DataFrame, plain: set[str], numbers: Mapping[str, Numbers]) -> Iterator[pl.Expr]:
    """What no bad row keeps all of, and few good ones do not: each rule, or for quantities less than it demands."""
    if BEHIND in rows.columns:
        yield ~is_split()
    yield pl.col("quantity").cast(pl.Int64, strict=False).is_between(0, MAX_QUANTITY).fill_null(value=False)
    yield ~pl.col("quantity").str.starts_with("-")
    empty = {column for column in (*COLUMNS, OVERFLOW_COLUMN) if (rows.get_column(column) == "").all()}
    for rule in rules(numbers):
        for field in rule.fields:
            needless = field in (plain if rule.about_characters else empty) and not rule.about_absence
            if field != "quantity" and not needless:
                yield rule.kept(field)


def _problems(suspects: pl.DataFrame) -> pl.DataFrame:
    """What is wrong with records themselves; the value is how the record begins."""
    wrong = suspects.filter(pl.col(PROBLEM_COLUMN).is_not_null())
    return _failed(wrong, pl.col(PROBLEM_COLUMN), pl.col("raw").map_elements(_beginning, pl.String))


def _leaves(left: Sequence[str]) -> pl.Expr:
    """Whether a row leaves the stock as it is: nothing else in it matters then, as long as its fields are certain."""
    is_certain = pl.col(PROBLEM_COLUMN).is_null() & (pl.col(OVERFLOW_COLUMN) == "")
    return is_certain & pl.col("quantity").str.to_lowercase().is_in(list(left))


def _failed(rows: pl.DataFrame, code: pl.Expr | str, value: pl.Expr) -> pl.DataFrame:
    """Rows that fail as records, whatever their fields say."""
    code = pl.lit(str(code)) if isinstance(code, str) else code
    return rows.select("index", code.alias("code"), pl.lit(RECORD_FIELD).alias("field"), value.alias("value"))


def _beginning(raw: bytes) -> str:
    return raw[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "replace")


def _broken_rules(suspects: pl.DataFrame, numbers: Mapping[str, Numbers]) -> Iterator[pl.DataFrame]:
    problem = pl.col(PROBLEM_COLUMN)
    known = tuple(sorted(numbers.items()))
    for rows, absence in (
        (suspects.filter(problem.is_null()), True),
        (suspects.filter(problem.is_in(_FIELDS_ARE_READ)), False),
    ):
        if not rows.is_empty():
            yield _failures(rows, _model(known, absence=absence))
            if BEHIND in rows.columns:
                yield split_failures(rows)


@cache
def _model(numbers: tuple[tuple[str, Numbers], ...], *, absence: bool) -> pa.DataFrameSchema:
    return row_model(dict(numbers), absence=absence)


def _failures(rows: pl.DataFrame, model: pa.DataFrameSchema) -> pl.DataFrame:
    try:
        model.validate(rows.drop("index", BEHIND, strict=False), lazy=True)
    except pandera.errors.SchemaErrors as found:
        cases: pl.DataFrame = found.failure_cases
        raw = rows.get_column("raw").gather(cases.get_column("index"))
        return cases.select(
            rows.get_column("index").gather(cases.get_column("index")),
            pl.col("check").cast(pl.String).alias("code"),
            pl.col("column").cast(pl.String).alias("field"),
            pl.when(pl.col("check") == ErrorCode.ENCODING.value)
            .then(_with_encoding(cases, raw))
            .otherwise(pl.col("failure_case").cast(pl.String))
            .alias("value"),
        )
    return pl.DataFrame(schema=_FAILURES)


def _with_encoding(cases: pl.DataFrame, raw: pl.Series) -> pl.Series:
    """What was found, with the encoding that its row is probably in, where some of its bytes are not UTF-8."""
    return pl.Series(
        [
            f"{value}, perhaps in {probable_encoding(record)}"
            if code == ErrorCode.ENCODING.value and not is_utf8([record])
            else value
            for code, value, record in zip(cases["check"], cases["failure_case"].cast(pl.String), raw, strict=True)
        ],
        dtype=pl.String,
    )


def _errors_by_row(failures: pl.DataFrame) -> pl.DataFrame:
    """One JSON array for each row that has an error."""
    value = pl.col("value").str.slice(0, _SHOWN_CHARACTERS).str.replace_all(CONTROL_PATTERN, "\ufffd")
    return (
        failures.with_columns(ambiguous_values())
        .select("index", pl.struct("code", "field", value).struct.json_encode().alias("error"))
        .group_by("index", maintain_order=True)
        .agg(pl.col("error").str.join(","))
        .select("index", pl.format("[{}]", pl.col("error")).alias("errors"))
    )


def _number(text: pl.Series, numbers: Numbers, highest: int, signs: str = "[+-]?") -> pl.Series:
    """The numbers of a column as Int64, null where a field is no whole number, has two readings, or is too large."""
    number = text.cast(pl.Int64, strict=False)
    if number.null_count() or text.str.starts_with("-").any():
        field = pl.col(text.name)
        is_certain = field.str.contains(whole_pattern(numbers, signs))
        if numbers is Numbers.UNSAID:
            is_certain &= ~field.str.contains(EITHER_PATTERN)
        number = text.to_frame().select(pl.when(is_certain).then(whole_number(field, numbers))).to_series()
    return number.set(number > highest, None)


def _cleaned(column: str) -> pl.Expr:
    pattern = TEXT_CONTROL_PATTERN if column in TEXT_COLUMNS else CONTROL_PATTERN
    return pl.col(column).str.replace_all(pattern, "\ufffd")
