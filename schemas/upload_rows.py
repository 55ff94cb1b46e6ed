"""The rules of one upload row as a pandera model, and the columns that an upload may have.

Every rule's code is an error code, so that pandera's failure cases are row errors. Columns are text: nothing is
converted before it was checked. Sources: ShipHero's inventory_sync columns; the rules of quantities are our own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from schemas.errors import ErrorCode
from schemas.identifiers import MAX_QUANTITY, MAX_SKU_LENGTH, MAX_TEXT_LENGTH, UNASSIGNED
from schemas.uploads import UploadColumn

REQUIRED_COLUMNS: Final = ("sku", "quantity")
COLUMNS: Final = tuple(column.value for column in UploadColumn)
OVERFLOW_COLUMN: Final = "overflow"
"""What stands behind the last column of the header."""
PROBLEM_COLUMN: Final = "problem"
"""The code of what is wrong with the record itself, whatever its fields say: a quote, a length, too few fields."""
RECORD_FIELD: Final = "record"
"""What an error names as its field where the record itself is wrong."""
ERROR_COLUMNS: Final = ("error_codes", "error_messages")
"""The columns that a file of rejects has behind the original ones."""

REPLACE: Final = "replace"
ADD: Final = "add"
REMOVE: Final = "remove"
MOVE: Final = "move"
ACTIONS: Final = (REPLACE, ADD, REMOVE, MOVE)
"""What a row can do to a level. An empty action means the first."""

NUMBER_COLUMNS: Final = ("quantity", "expected_quantity", "expected_version")


class Numbers(StrEnum):
    """How the numbers of a column are written, which only the whole column tells, or a person."""

    UNSAID = "unsaid"
    """Nobody says it, and the column does not show it: 1.000 is one or a thousand."""
    SHOWN = "shown"
    """Other numbers of the column show that a point stands before decimals."""
    POINT = "."
    """A person says so; a comma may stand between thousands."""
    COMMA = ","
    """A person says so; a point may stand between thousands."""

    @property
    def unsigned(self) -> str:
        """The pattern of a whole number without its sign."""
        return _UNSIGNED[self]


_GROUPS: Final = r"([0-9]+|[1-9][0-9]{{0,2}}({}[0-9]{{3}})+)"
_SPACES: Final = "[ \u00a0\u202f]"
"""What France, Poland and Sweden write between thousands; some of it does not break a line."""
_APOSTROPHES: Final = "['\u2019]"
"""What Switzerland writes there."""
_OTHER_GROUPS: Final = "".join(rf"|[1-9][0-9]{{0,2}}({mark}[0-9]{{3}})+" for mark in (_SPACES, _APOSTROPHES))
_UNSIGNED: Final = {
    Numbers.UNSAID: r"[0-9]+(\.0*)?",
    Numbers.SHOWN: r"[0-9]+(\.0*)?",
    Numbers.POINT: f"({_GROUPS.format(',')}{_OTHER_GROUPS})" + r"(\.0*)?",
    Numbers.COMMA: rf"({_GROUPS.format('[.]')}{_OTHER_GROUPS})" + "(,0*)?",
}
POINT_NUMBER_PATTERN: Final = r"^[+-]?" + _GROUPS.format(",") + r"(\.[0-9]*)?$"
COMMA_NUMBER_PATTERN: Final = r"^[+-]?" + _GROUPS.format(r"\.") + r"(,[0-9]*)?$"
"""Numbers, whole ones or not, where a point or a comma stands before decimals."""
EITHER_PATTERN: Final = r"^[+-]?[1-9][0-9]{0,2}\.000$"
"""A whole number by both: its thousands, or with decimals that are zeros."""
CONTROL_PATTERN: Final = r"[\x00-\x1f\x7f-\x9f]"
TEXT_CONTROL_PATTERN: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
"""The control characters that free text may not have: all but tabs and line breaks."""

TEXT_COLUMNS: Final = ("reason", "note")
"""Free text, which may have line breaks and tabs."""
PLAIN_COLUMNS: Final = tuple(column for column in COLUMNS if column not in TEXT_COLUMNS)


def whole_pattern(numbers: Numbers, signs: str = "[+-]?") -> str:
    """The pattern of a whole number as a column writes it."""
    return f"^{signs}{numbers.unsigned}$"


def whole_number(text: pl.Expr, numbers: Numbers) -> pl.Expr:
    """The number that a text accepted by `whole_pattern` writes, in units; null where it passes 64 bits."""
    if numbers in {Numbers.POINT, Numbers.COMMA}:
        groups, decimals = (",", ".") if numbers is Numbers.POINT else (".", ",")
        text = text.str.replace_all(rf"[{groups} \u00a0\u202f'\u2019]", "").str.replace(decimals, ".", literal=True)
    return text.str.replace(r"\.0*$", "").str.strip_prefix("+").cast(pl.Int64, strict=False)


@dataclass(frozen=True)
class Rule:
    """What `fields` must keep. `passes` says for a field by which expression over the row's columns it is kept.

    `about_absence`: only empty fields can break it; empty fields keep all other rules.
    `about_characters`: fields of printable ASCII keep it.
    """

    code: ErrorCode
    fields: tuple[str, ...]
    passes: Callable[[pl.Expr], pl.Expr]
    about_absence: bool = False
    about_characters: bool = False

    def kept(self, field: str) -> pl.Expr:
        """Whether a row keeps the rule in a field."""
        return self.passes(pl.col(field))


def _number_rules(quantity: Numbers, expected: Numbers, version: Numbers) -> tuple[Rule, ...]:
    return (
        Rule(
            ErrorCode.QUANTITY_NOT_AN_INTEGER,
            ("quantity",),
            lambda text: (text == "") | text.str.contains(whole_pattern(quantity)),
        ),
        Rule(ErrorCode.QUANTITY_NEGATIVE, ("quantity",), _without(whole_pattern(quantity, "-"))),
        Rule(ErrorCode.QUANTITY_TOO_LARGE, ("quantity",), lambda text: _bounded(text, quantity)),
        Rule(ErrorCode.EXPECTATION_NOT_AN_INTEGER, ("expected_quantity",), lambda text: _expectation(text, expected)),
        # A version is never below zero.
        Rule(
            ErrorCode.EXPECTATION_NOT_AN_INTEGER,
            ("expected_version",),
            lambda text: _expectation(text, version) & ~text.str.starts_with("-"),
        ),
        *(
            Rule(ErrorCode.QUANTITY_AMBIGUOUS, (column,), _without(EITHER_PATTERN))
            for column, numbers in zip(NUMBER_COLUMNS, (quantity, expected, version), strict=True)
            if numbers is Numbers.UNSAID
        ),
    )


def _bounded(text: pl.Expr, numbers: Numbers) -> pl.Expr:
    too_large = whole_number(text, numbers).fill_null(MAX_QUANTITY + 1) > MAX_QUANTITY
    return ~(too_large & text.str.contains(whole_pattern(numbers, r"\+?")))


def _expectation(text: pl.Expr, numbers: Numbers) -> pl.Expr:
    """One that passes 64 bits is none that a level could meet."""
    is_whole = text.str.contains(whole_pattern(numbers)) & whole_number(text, numbers).is_not_null()
    return (text == "") | is_whole


def _short(limit: int) -> Callable[[pl.Expr], pl.Expr]:
    return lambda text: text.str.len_chars() <= limit


def _without(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda text: ~text.str.contains(pattern)


def _is_move() -> pl.Expr:
    return pl.col("action") == MOVE


def _elsewhere(text: pl.Expr) -> pl.Expr:
    """A move ends in another location than it begins; no location is the unassigned one."""
    location = pl.col("location")
    return ~_is_move() | (text == "") | (text != location) & ((text != UNASSIGNED) | (location != ""))


_OTHER_RULES: Final = (
    Rule(ErrorCode.SKU_MISSING, ("sku",), lambda text: text != "", about_absence=True),
    Rule(ErrorCode.SKU_TOO_LONG, ("sku",), _short(MAX_SKU_LENGTH)),
    Rule(ErrorCode.QUANTITY_MISSING, ("quantity",), lambda text: text != "", about_absence=True),
    Rule(ErrorCode.ACTION_NOT_SUPPORTED, ("action",), lambda text: text.is_in(ACTIONS)),
    Rule(ErrorCode.REASON_TOO_LONG, ("reason",), _short(MAX_TEXT_LENGTH)),
    Rule(ErrorCode.NOTE_TOO_LONG, ("note",), _short(MAX_TEXT_LENGTH)),
    Rule(ErrorCode.LOCATION_TOO_LONG, ("location", "to_location"), _short(MAX_TEXT_LENGTH)),
    Rule(ErrorCode.TO_LOCATION_MISSING, ("to_location",), lambda text: (text != "") | ~_is_move(), about_absence=True),
    Rule(
        ErrorCode.TO_LOCATION_NOT_ALLOWED,
        ("to_location",),
        lambda text: (text == "") | ~pl.col("action").is_in([REPLACE, ADD, REMOVE]),
    ),
    Rule(ErrorCode.SAME_LOCATION, ("to_location",), _elsewhere),
    Rule(ErrorCode.CONTROL_CHARACTER, PLAIN_COLUMNS, _without(CONTROL_PATTERN), about_characters=True),
    Rule(ErrorCode.CONTROL_CHARACTER, TEXT_COLUMNS, _without(TEXT_CONTROL_PATTERN), about_characters=True),
    # The reader puts U+FFFD in the place of bytes that are not UTF-8.
    Rule(ErrorCode.ENCODING, COLUMNS, lambda text: ~text.str.contains("\ufffd", literal=True), about_characters=True),
    Rule(ErrorCode.TOO_MANY_FIELDS, (OVERFLOW_COLUMN,), lambda text: text == ""),
)


def rules(numbers: Mapping[str, Numbers] = {}) -> tuple[Rule, ...]:
    """The rules of rows whose columns of numbers are written so; UNSAID, where that is not known of one.

    Fields are stripped of surrounding blanks, absent ones are empty, `action` is in lower case and never empty.
    """
    return _OTHER_RULES + _number_rules(*(numbers.get(column, Numbers.UNSAID) for column in NUMBER_COLUMNS))


def _column(field: str, chosen: tuple[Rule, ...]) -> pa.Column:
    return pa.Column(str, [_check(rule, field) for rule in chosen if field in rule.fields])


def _check(rule: Rule, field: str) -> pa.Check:
    def passes(data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(rule.kept(field))

    return pa.Check(passes, error=rule.code)


def row_model(numbers: Mapping[str, Numbers], *, absence: bool = True) -> pa.DataFrameSchema:
    """The model of a row; without `absence`, of one whose missing fields are told of otherwise."""
    chosen = tuple(rule for rule in rules(numbers) if absence or not rule.about_absence)
    return pa.DataFrameSchema({field: _column(field, chosen) for field in (*COLUMNS, OVERFLOW_COLUMN)})
