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
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN, RECORD_FIELD, TEXT_COLUMNS, rules
from tests.support.chunks import Row, read_rows

FIELDS = (*COLUMNS, OVERFLOW_COLUMN)
QUANTITY_CODES = {c for c in ErrorCode if c.startswith("QUANTITY_")}


def checked(*rows: Row) -> list[dict[str, Any]]:
    """The validated rows, with errors as (code, field) pairs in `found`. What is not said of a row is good."""
    answers = validate_rows(read_rows(rows)).to_dicts()
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
        ({"note": "x" * 256}, ErrorCode.NOTE_TOO_LONG, "note"),
        ({"action": "move", "to_location": "x" * 256}, ErrorCode.LOCATION_TOO_LONG, "to_location"),
        ({"reason": "bell\x07"}, ErrorCode.CONTROL_CHARACTER, "reason"),
        ({"note": "\x85"}, ErrorCode.CONTROL_CHARACTER, "note"),
        ({"location": "tab\there"}, ErrorCode.CONTROL_CHARACTER, "location"),
        ({"lot": "two\nlines"}, ErrorCode.CONTROL_CHARACTER, "lot"),
        ({"customer_account_id": "\x7f"}, ErrorCode.CONTROL_CHARACTER, "customer_account_id"),
        ({"action": "move"}, ErrorCode.TO_LOCATION_MISSING, "to_location"),
        ({"to_location": "b"}, ErrorCode.TO_LOCATION_NOT_ALLOWED, "to_location"),
        ({"action": "add", "to_location": "b"}, ErrorCode.TO_LOCATION_NOT_ALLOWED, "to_location"),
        ({"action": "move", "location": "b", "to_location": "b"}, ErrorCode.SAME_LOCATION, "to_location"),
        ({"action": "move", "to_location": "unassigned"}, ErrorCode.SAME_LOCATION, "to_location"),
        ({"action": "move", "location": "r\u00e9", "to_location": "re\u0301"}, ErrorCode.SAME_LOCATION, "to_location"),
        ({"expected_quantity": "1.5"}, ErrorCode.EXPECTATION_NOT_AN_INTEGER, "expected_quantity"),
        ({"expected_quantity": "9" * 40}, ErrorCode.EXPECTATION_NOT_AN_INTEGER, "expected_quantity"),
        ({"expected_version": "-1"}, ErrorCode.EXPECTATION_NOT_AN_INTEGER, "expected_version"),
        ({"expected_version": "v1"}, ErrorCode.EXPECTATION_NOT_AN_INTEGER, "expected_version"),
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
    [("0", 0), ("5", 5), ("+5", 5), ("5.0", 5), ("5.", 5), ("0.000", 0), ("007", 7), ("1000000000", 10**9), ("-0", -1)],
)
def test_the_spellings_of_a_whole_number(text: str, target: int) -> None:
    [answer] = checked({"quantity": text})
    if target < 0:
        assert answer["found"] == {("QUANTITY_NEGATIVE", "quantity")}  # a minus sign is a mistake, also before a zero
        assert answer["target"] is None
    else:
        assert (answer["target"], answer["errors"]) == (target, None)


@pytest.mark.parametrize(
    ("action", "meant"),
    [("", "replace"), ("Replace", "replace"), ("ADD", "add"), ("remove", "remove"), ("Move", "move")],
)
def test_an_action_may_be_written_in_any_case_and_none_means_replace(action: str, meant: str) -> None:
    [answer] = checked({"action": action, "to_location": "b" if meant == "move" else ""})
    assert (answer["action"], answer["errors"]) == (meant, None)


def test_a_row_without_a_known_action_is_not_asked_for_what_only_some_actions_need() -> None:
    [answer] = checked({"action": "ship", "to_location": "b"})
    assert answer["found"] == {("ACTION_NOT_SUPPORTED", "action")}


@pytest.mark.parametrize(
    ("quantity", "version", "wanted"),
    [
        ("", "", (None, None)),
        ("5", "+7.0", (5, 7)),
        ("-3", "0", (-3, 0)),
        ("007", "", (7, None)),
        ("x", "1", (None, 1)),
    ],
)
def test_what_a_row_expects_is_a_whole_number_or_nothing(
    quantity: str, version: str, wanted: tuple[int | None, int | None]
) -> None:
    answer, _ = checked({"expected_quantity": quantity, "expected_version": version}, {"expected_quantity": "5.0"})
    assert (answer["wants_quantity"], answer["wants_version"]) == wanted


@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_line_breaks_and_tabs_stay_in_free_text(column: str) -> None:
    good, bad = checked({column: "one\r\ntwo\tthree"}, {column: "one\ntwo\x00"})
    assert (good[column], good["errors"]) == ("one\r\ntwo\tthree", None)
    assert (bad[column], bad["found"]) == ("one\ntwo\ufffd", {("CONTROL_CHARACTER", column)})


@pytest.mark.parametrize("problem", ["QUOTE_NOT_CLOSED", "QUOTE_MISPLACED", "RECORD_TOO_LONG"])
def test_of_a_record_that_could_not_be_read_only_that_is_told(problem: str) -> None:
    [answer] = checked({"problem": problem, "sku": "", "quantity": "x\x00", "overflow": "y"})
    [error] = json.loads(answer["errors"])
    assert error == {"code": problem, "field": RECORD_FIELD, "value": "raw 1"}


def test_of_a_record_that_ends_early_no_field_is_missed_and_the_others_are_checked() -> None:
    [answer] = checked({"problem": "TOO_FEW_FIELDS", "sku": "x" * 256, "quantity": "", "action": "move"})
    assert answer["found"] == {("TOO_FEW_FIELDS", RECORD_FIELD), ("SKU_TOO_LONG", "sku")}


def test_copies_of_a_row_are_not_told_here_since_others_may_be_elsewhere_in_the_file() -> None:
    assert [answer["errors"] for answer in checked({}, {}, {"quantity": "9"})] == [None] * 3


def test_what_the_reader_found_stays_with_the_rows() -> None:
    bad, good = checked({"sku": "", "raw": b"\xff"}, {})
    assert (bad["line"], bad["byte_offset"], bad["raw"]) == (2, 10, b"\xff")
    assert (good["line"], good["byte_offset"], good["raw"]) == (3, 20, b"raw 2")


def test_no_rows_are_no_rows() -> None:
    assert validate_rows(read_rows([])).height == 0


def test_names_come_out_in_nfc_and_other_text_as_it_was() -> None:
    [answer] = checked({"sku": "Cafe\u0301", "location": "re\u0301", "lot": "e\u0301", "reason": "e\u0301"})
    assert (answer["sku"], answer["location"], answer["lot"]) == ("Caf\u00e9", "r\u00e9", "\u00e9")
    assert answer["reason"] == "e\u0301"


def test_a_long_value_is_shown_shortened() -> None:
    [answer] = checked({"quantity": "x" * 5000})
    [error] = json.loads(answer["errors"])
    assert error["value"] == "x" * 200


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
likely = st.sampled_from(
    [
        "",
        "",
        "A",
        "unassigned",
        "5",
        "-5",
        "-0",
        "+1.0",
        "1e3",
        "1000000001",
        '"',
        "\\",
        "\x00",
        "\n",
        "\ufffd",
        "move",
        "Add",
    ]
)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, text | likely)), min_size=1, max_size=10)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_the_check(rows: list[dict[str, str]]) -> None:
    answers = checked(*rows)
    assert len(answers) == len(rows)
    for row, answer in zip(rows, answers, strict=True):
        errors = [RowError.model_validate(e) for e in json.loads(answer["errors"] or "[]")]
        assert {e.field for e in errors} <= set(FIELDS)
        assert (answer["target"] is None) == bool({e.code for e in errors} & QUANTITY_CODES)
        kept = {field: "\t\n\r" if field in TEXT_COLUMNS else "" for field in COLUMNS}
        assert not any(unicodedata.category(c) == "Cc" for f in COLUMNS for c in answer[f] if c not in kept[f])
        assert answer["sku"] == "".join(
            "\ufffd" if unicodedata.category(c) == "Cc" else c for c in unicodedata.normalize("NFC", row["sku"])
        )


@given(rows)
@settings(max_examples=20, deadline=None)
def test_a_row_is_in_error_exactly_where_it_breaks_a_rule(rows: list[dict[str, str]]) -> None:
    """Whatever stands beside it: the short way past good rows does not let a bad one through."""
    together = [answer["found"] for answer in checked(*rows)]
    assert together == [checked(row)[0]["found"] for row in rows]
    for row, found in zip(rows, together, strict=True):
        action = pl.col("action").str.to_lowercase().replace("", "replace")
        names = pl.col("sku", "location", "to_location", "lot").str.normalize("NFC")
        frame = read_rows([row]).with_columns(action, names)
        broken = {
            (rule.code.value, f) for rule in rules() for f in rule.fields if not frame.select(rule.kept(f)).item()
        }
        assert found == broken
