"""The rules of one row: every error of every row at once, and the quantity of each good one."""

import json
import unicodedata
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.uploads.rows import validate_rows
from schemas.errors import ErrorCode, RowError
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN

FIELDS = (*COLUMNS, OVERFLOW_COLUMN)
QUANTITY_CODES = {c for c in ErrorCode if c.startswith("QUANTITY_")}


def frame(*rows: dict[str, str]) -> pl.DataFrame:
    """Rows as read_block gives them; what is not said is a good row of a SKU of its own."""
    filled = [
        {"row": n, "sku": f"S{n}", "quantity": "1", "action": "", "reason": "", "location": "", "overflow": "", **row}
        for n, row in enumerate(rows, 1)
    ]
    return pl.DataFrame(filled, schema={"row": pl.Int32, **dict.fromkeys(FIELDS, pl.String)})


def checked(*rows: dict[str, str]) -> list[dict[str, Any]]:
    """The validated rows, with errors as (code, field) pairs."""
    answers = validate_rows(frame(*rows)).to_dicts()
    for answer in answers:
        answer["found"] = {(e["code"], e["field"]) for e in json.loads(answer["errors"] or "[]")}
    return answers


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({"sku": ""}, ErrorCode.SKU_MISSING, "sku"),
        ({"sku": "x" * 256}, ErrorCode.SKU_TOO_LONG, "sku"),
        ({"quantity": ""}, ErrorCode.QUANTITY_MISSING, "quantity"),
        ({"quantity": "-1"}, ErrorCode.QUANTITY_NEGATIVE, "quantity"),
        ({"quantity": "-1.0"}, ErrorCode.QUANTITY_NEGATIVE, "quantity"),
        ({"quantity": "1000000001"}, ErrorCode.QUANTITY_TOO_LARGE, "quantity"),
        ({"quantity": "9" * 40}, ErrorCode.QUANTITY_TOO_LARGE, "quantity"),
        ({"action": "delete"}, ErrorCode.ACTION_NOT_SUPPORTED, "action"),
        ({"reason": "x" * 256}, ErrorCode.REASON_TOO_LONG, "reason"),
        ({"location": "x" * 256}, ErrorCode.LOCATION_TOO_LONG, "location"),
        ({"sku": "A\x00"}, ErrorCode.CONTROL_CHARACTER, "sku"),
        ({"reason": "two\nlines"}, ErrorCode.CONTROL_CHARACTER, "reason"),
        ({"location": "tab\there"}, ErrorCode.CONTROL_CHARACTER, "location"),
        ({"sku": "caf\ufffd"}, ErrorCode.ENCODING, "sku"),
        ({"reason": "\ufffd"}, ErrorCode.ENCODING, "reason"),
        ({"overflow": "more"}, ErrorCode.TOO_MANY_FIELDS, "overflow"),
        *(
            ({"quantity": text}, ErrorCode.QUANTITY_NOT_AN_INTEGER, "quantity")
            for text in ("1,234", "1.5", "1e3", "five", "0x10", "٣", "5-", "+-5", "- 5", "1 000", ".0", "=5")
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_code_and_field(
    row: dict[str, str], code: ErrorCode, field: str
) -> None:
    good, bad, after = checked({}, row, {})
    assert bad["found"] == {(code, field)}
    assert good["errors"] is None
    assert after["errors"] is None


def test_all_errors_of_a_row_are_told_at_once_and_each_is_a_row_error() -> None:
    row = {"sku": "", "quantity": "x", "action": "drop", "reason": "r" * 300, "location": "a\x01", "overflow": "y"}
    [answer] = checked(row)
    assert answer["found"] == {
        ("SKU_MISSING", "sku"),
        ("QUANTITY_NOT_AN_INTEGER", "quantity"),
        ("ACTION_NOT_SUPPORTED", "action"),
        ("REASON_TOO_LONG", "reason"),
        ("CONTROL_CHARACTER", "location"),
        ("TOO_MANY_FIELDS", "overflow"),
    }
    errors = [RowError.model_validate(e) for e in json.loads(answer["errors"])]
    assert all(e.code.hint in e.message for e in errors)


@pytest.mark.parametrize(
    ("text", "target"),
    [("0", 0), ("5", 5), ("+5", 5), ("5.0", 5), ("5.", 5), ("5.000", 5), ("007", 7), ("1000000000", 10**9), ("-0", -1)],
)
def test_the_spellings_of_a_whole_number(text: str, target: int) -> None:
    [answer] = checked({"quantity": text})
    if target < 0:
        assert answer["found"] == {("QUANTITY_NEGATIVE", "quantity")}  # a minus sign is a mistake, also before a zero
        assert answer["target"] is None
    else:
        assert (answer["target"], answer["errors"]) == (target, None)


@pytest.mark.parametrize("action", ["", "replace", "Replace", "REPLACE"])
def test_the_one_action_is_replace_and_may_be_left_out(action: str) -> None:
    assert checked({"action": action})[0]["errors"] is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"sku": "A"}, {"sku": "A"}),
        ({"sku": "A", "location": ""}, {"sku": "A", "location": "unassigned"}),
        ({"sku": "A", "location": "b"}, {"sku": "A", "location": "b", "quantity": "9"}),
        ({"sku": "Caf\u00e9"}, {"sku": "Cafe\u0301"}),
        ({"sku": "A", "location": "r\u00e9"}, {"sku": "A", "location": "re\u0301"}),
    ],
)
def test_every_copy_of_a_sku_and_location_is_a_duplicate(first: dict[str, str], second: dict[str, str]) -> None:
    one, other, third = checked(first, {"sku": "Z"}, second)
    assert one["found"] == third["found"] == {("DUPLICATE_ROW", "sku")}
    assert other["errors"] is None


@pytest.mark.parametrize("other", [{"sku": "a"}, {"sku": "A", "location": "b"}, {"sku": "A "}])
def test_what_differs_in_case_location_or_blanks_is_no_duplicate(other: dict[str, str]) -> None:
    assert [answer["errors"] for answer in checked({"sku": "A"}, other)] == [None, None]


def test_rows_without_a_sku_are_no_duplicates_of_each_other() -> None:
    assert [answer["found"] for answer in checked({"sku": ""}, {"sku": ""})] == [{("SKU_MISSING", "sku")}] * 2


def test_sku_and_location_come_out_in_nfc_and_other_text_as_it_was() -> None:
    [answer] = checked({"sku": "Cafe\u0301", "location": "re\u0301", "reason": "e\u0301"})
    assert (answer["sku"], answer["location"], answer["reason"]) == ("Caf\u00e9", "r\u00e9", "e\u0301")


def test_a_long_value_is_shown_shortened() -> None:
    [answer] = checked({"quantity": "x" * 5000})
    [error] = json.loads(answer["errors"])
    assert error["value"] == "x" * 200


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
likely = st.sampled_from(
    ["", "A", "B", "unassigned", "5", "-5", "+1.0", "1e3", "1000000001", '"', "\\", "\x00", "\ufffd", "replace"]
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, text | likely)), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_the_check(rows: list[dict[str, str]]) -> None:
    answers = checked(*rows)
    assert [answer["row"] for answer in answers] == list(range(1, len(rows) + 1))
    for row, answer in zip(rows, answers, strict=True):
        errors = [RowError.model_validate(e) for e in json.loads(answer["errors"] or "[]")]
        assert {e.field for e in errors} <= set(FIELDS)
        assert (answer["target"] is None) == bool({e.code for e in errors} & QUANTITY_CODES)
        assert not any(unicodedata.category(c) == "Cc" for field in COLUMNS for c in answer[field])
        assert answer["sku"] == "".join(
            "\ufffd" if unicodedata.category(c) == "Cc" else c for c in unicodedata.normalize("NFC", row["sku"])
        )
