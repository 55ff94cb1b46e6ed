"""Columns of numbers: how each form is read in each kind of column, and what the rows of a file show about it."""

import json
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.uploads.numbers import number_evidence, numbers_of
from pipeline.uploads.rows import validate_rows
from schemas.errors import ErrorCode
from schemas.upload_rows import NUMBER_COLUMNS, Numbers
from schemas.uploads import DecimalMark
from tests.support.chunks import read_rows

TWO, NO = ErrorCode.QUANTITY_AMBIGUOUS.value, ErrorCode.QUANTITY_NOT_AN_INTEGER.value
FORMS: dict[str, tuple[int | str, int | str, int | str, int | str]] = {
    # UNSAID, SHOWN, POINT, COMMA
    "7": (7, 7, 7, 7),
    "1234": (1234, 1234, 1234, 1234),
    "007": (7, 7, 7, 7),
    "+1.000": (TWO, 1, 1, 1000),
    "1.000": (TWO, 1, 1, 1000),
    "999.000": (TWO, 999, 999, 999000),
    "1.250": (NO, NO, NO, 1250),
    "1.25": (NO, NO, NO, NO),
    "5.0": (5, 5, 5, NO),
    "5.": (5, 5, 5, NO),
    "0.000": (0, 0, 0, NO),
    "007.000": (7, 7, 7, NO),
    "1234.000": (1234, 1234, 1234, NO),
    "1.0000": (1, 1, 1, NO),
    "1.000.000": (NO, NO, NO, 1000000),
    "1.000.00": (NO, NO, NO, NO),
    "5,0": (NO, NO, NO, 5),
    "5,": (NO, NO, NO, 5),
    "12,000": (NO, NO, 12000, 12),
    "1,250": (NO, NO, 1250, NO),
    "1,234,567": (NO, NO, 1234567, NO),
    "1.250,00": (NO, NO, NO, 1250),
    "1,250.00": (NO, NO, 1250, NO),
    "1,25.0": (NO, NO, NO, NO),
    "1.000,0.0": (NO, NO, NO, NO),
    "1 000": (NO, NO, 1000, 1000),
    "1\u00a0250,0": (NO, NO, NO, 1250),
    "12\u202f345\u202f678": (NO, NO, 12345678, 12345678),
    "1\u2019000": (NO, NO, 1000, 1000),
    "1'000.00": (NO, NO, 1000, NO),
    "1 250.000": (NO, NO, 1250, NO),
    "1 25": (NO, NO, NO, NO),
    "1 000'000": (NO, NO, NO, NO),
    "1  000": (NO, NO, NO, NO),
    "01 000": (NO, NO, NO, NO),
    "0,000": (NO, NO, NO, 0),
    ",5": (NO, NO, NO, NO),
}


@pytest.mark.parametrize("kind", Numbers)
def test_each_form_of_a_number_in_each_kind_of_column(kind: Numbers) -> None:
    place = list(Numbers).index(kind)
    rows = validate_rows(read_rows([{"quantity": text} for text in FORMS]), {"quantity": kind})
    found = [
        target if target is not None else json.loads(errors)[0]["code"]
        for target, errors in rows.select("target", "errors").iter_rows()
    ]
    assert dict(zip(FORMS, found, strict=True)) == {text: read[place] for text, read in FORMS.items()}


@pytest.mark.parametrize("column", NUMBER_COLUMNS)
def test_every_column_of_numbers_tells_both_readings(column: str) -> None:
    [errors] = validate_rows(read_rows([{column: "12.000"}]))["errors"]
    assert json.loads(errors) == [{"code": TWO, "field": column, "value": "12.000: 12 or 12000"}]
    [good] = validate_rows(read_rows([{column: "12.000"}]), {column: Numbers.COMMA})["errors"]
    assert good is None


POINT_ONLY = ("5.0", "5.", "0.000", "12.50", "1234.000", "1,234.5", "1,234,567")
COMMA_ONLY = ("5,0", "12,50", "1.000.000", "1.234,00")
NEITHER = ("7", "1.000", "1.250", "1,250", "", "many", "1 000")


@given(
    st.lists(st.sampled_from(POINT_ONLY + COMMA_ONLY + NEITHER), max_size=12),
    st.lists(st.sampled_from(NEITHER), max_size=3),
    st.integers(0, 12),
)
@settings(max_examples=80, deadline=None)
def test_a_column_shows_a_point_if_some_number_needs_it_and_none_forbids_it_however_the_file_is_cut(
    texts: list[str], others: list[str], cut: int
) -> None:
    rows = read_rows([{"quantity": text} for text in texts + others])
    parts = [number_evidence(part) for part in (rows[:cut], rows[cut:])]
    expected = any(text in POINT_ONLY for text in texts) and not any(text in COMMA_ONLY for text in texts)
    found = numbers_of(parts[0] + parts[1], None)
    assert found["quantity"] is (Numbers.SHOWN if expected else Numbers.UNSAID)
    assert found["expected_quantity"] is Numbers.UNSAID


@pytest.mark.parametrize("mark", DecimalMark)
def test_what_a_person_says_stands_above_what_the_column_shows(mark: DecimalMark) -> None:
    evidence = number_evidence(read_rows([{"quantity": text} for text in POINT_ONLY + COMMA_ONLY]))
    assert set(numbers_of(evidence, mark).values()) == {Numbers(mark.value)}


def test_records_that_could_not_be_read_show_nothing() -> None:
    rows = read_rows([{"quantity": "5.0", "problem": "QUOTE_MISPLACED"}])
    assert number_evidence(rows) == Counter()
    assert number_evidence(pl.concat([rows, read_rows([{"quantity": "5"}])])) == Counter()
