"""A workbook as text: its cells, its sheets, and which one is read."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.syncs.content import content_digest
from pipeline.uploads.workbook import Workbook
from schemas.errors import ErrorCode
from tests.support.workbooks import MOST, NS, by_hand, lines, of_rows, written


def cell(xml: str, **parts: Any) -> str:
    """What a cell, as XML, becomes."""
    [line] = lines(by_hand(f'<row r="1">{xml}</row>', **parts))
    return line.decode()[1:-1]


def refusal(content: bytes, sheet: str | None = None) -> Invalid:
    with pytest.raises(Invalid) as refused:
        lines(content, sheet)
    return refused.value


# Cells ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ('<c r="A1"><v>123</v></c>', "123"),
        ('<c r="A1" t="n"><v>123</v></c>', "123"),
        ('<c r="A1"><v>5.0</v></c>', "5"),
        ('<c r="A1"><v>0</v></c>', "0"),
        ('<c r="A1"><v>-7</v></c>', "-7"),
        ('<c r="A1"><v>-0</v></c>', "0"),
        ('<c r="A1"><v>007</v></c>', "7"),
        ('<c r="A1"><v>1000</v></c>', "1000"),
        ('<c r="A1"><v>1.2E3</v></c>', "1200"),
        ('<c r="A1"><v>1234567890123</v></c>', "1234567890123"),
        ('<c r="A1"><v>106141411234567897</v></c>', "106141411234567897"),
        ('<c r="A1"><v>1.0614141123456801E+17</v></c>', "1.06141411234568E+17"),
        ('<c r="A1"><v>0.1</v></c>', "0.1"),
        ('<c r="A1"><v>1.1000000000000001</v></c>', "1.1"),
        ('<c r="A1"><v>2.9999999999999996</v></c>', "3"),
        ('<c r="A1"><v>1E-7</v></c>', "0.0000001"),
        ('<c r="A1"><v>1.125</v></c>', "1.125"),
        ('<c r="A1" t="b"><v>1</v></c>', "TRUE"),
        ('<c r="A1" t="b"><v>0</v></c>', "FALSE"),
        ('<c r="A1" t="e"><v>#N/A</v></c>', "#N/A"),
        ('<c r="A1" t="e"><f>1/0</f><v>#DIV/0!</v></c>', "#DIV/0!"),
        ('<c r="A1"><f>2+3</f><v>5</v></c>', "5"),
        ('<c r="A1" t="str"><f>"a"&amp;"b"</f><v>ab</v></c>', "ab"),
        ('<c r="A1" t="d"><v>2026-03-01</v></c>', "2026-03-01"),
        ('<c r="A1" t="inlineStr"><is><t>00123</t></is></c>', "00123"),
        ('<c r="A1" t="inlineStr"><is><r><t>a</t></r><r><rPr><b/></rPr><t> b</t></r></is></c>', "a b"),
        ('<c r="A1" t="inlineStr"><is><t>two\n\nlines\r\n</t></is></c>', "two  lines "),
        ('<c r="A1" t="inlineStr"><is><t>6" pipe</t></is></c>', '6"" pipe'),
        ('<c r="A1" t="inlineStr"><is><t>a_x0007_b_x005F_x0007_c_xD83D_</t></is></c>', "a\x07b_x0007_c_xD83D_"),
        ('<c r="A1" t="s"><v>0</v></c>', "00123"),
        ('<c r="A1" t="s"><v>1</v></c>', "rich text"),
        ('<c r="A1" t="s"><v>2</v></c>', "東京"),
        ('<c><v>1</v></c><c/><c><v>3</v></c>', '1","","3'),
        ('<c r="B1"><v>2</v></c><c r="D1"><v>4</v></c>', '","2","","4'),
        ('<c r="A1"><v>1</v></c><c r="B1" s="1"/>', "1"),
    ],
)  # fmt: skip
def test_a_cell_is_the_text_that_was_typed(xml: str, text: str) -> None:
    strings = (
        "<si><t>00123</t></si><si><r><t>rich </t></r><r><t>text</t></r></si>"
        "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>"
    )
    assert cell(xml, strings=strings) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("yyyy-mm-dd", "46082", "2026-03-01"),
        ("d.m.yy h:mm", "46082.520833333336", "2026-03-01T12:30:00"),
        ("[$-409]d\\-mmm;@", "46082", "2026-03-01"),
        ("[Red]yyyy", "59", "1900-02-28"),
        ("yyyy", "60", "60"),
        ("yyyy", "61", "1900-03-01"),
        ("yyyy", "1", "1900-01-01"),
        ("yyyy", "-1", "-1"),
        ("yyyy", "9999999", "9999999"),
        ("hh:mm", "0.5", "12:00:00"),
        ("[h]:mm", "1.5", "36:00:00"),
        ("0.00", "5", "5"),
        ("#,##0", "1250", "1250"),
        ("0 &quot;days&quot;", "5", "5"),
        ("0%", "0.5", "0.5"),
        ("0.00E+00", "1250", "1250"),
        ("[Red]General", "5", "5"),
        ("_(* #,##0_)", "1250", "1250"),
        ("\\S\\K\\U0", "5", "5"),
    ],
)
def test_a_number_is_a_date_only_where_its_format_shows_one(code: str, value: str, text: str) -> None:
    assert cell(f'<c r="A1" s="1"><v>{value}</v></c>', formats=[code]) == text


def test_days_can_be_counted_from_1904() -> None:
    date = '<c r="A1" s="1"><v>44620</v></c>'
    assert cell(date, formats=["yyyy-mm-dd"], book='<workbookPr date1904="1"/>') == "2026-03-01"


def test_where_a_comma_stands_before_decimals_no_number_cell_looks_grouped() -> None:
    content = by_hand("<row><c><v>1.125</v></c><c><v>1.5</v></c><c><v>1000</v></c></row>")
    assert lines(content, comma_decimals=True) == [b'"1.1250","1.5","1000"']


def test_the_line_is_the_number_of_the_row_of_the_sheet() -> None:
    empty = '<row r="4"/><row r="6"><c r="A6" t="inlineStr"><is><t/></is></c></row>'
    rows = f'<row r="3"><c r="B3"><v>1</v></c></row>{empty}'
    assert lines(by_hand(rows)) == [b"", b"", b'"","1"', b"", b"", b""]


def test_only_the_first_of_merged_cells_has_the_text() -> None:
    content = written(lambda book: book.add_worksheet().merge_range(0, 0, 1, 1, "merged"))
    assert lines(content) == [b'"merged"']


def test_elements_may_have_prefixes() -> None:
    rows = "<x:row><x:c><x:v>5</x:v></x:c></x:row>"
    sheet = f'<x:worksheet xmlns:x="{NS}"><x:sheetData>{rows}</x:sheetData></x:worksheet>'
    assert lines(by_hand("", sheet=sheet)) == [b'"5"']


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffe\uffff"), max_size=40)


@given(texts=st.lists(TEXT, min_size=1, max_size=5), inline=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_text_arrives_unchanged_but_for_line_breaks(texts: list[str], inline: bool) -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        for column, text in enumerate(texts):
            sheet.write_string(0, column, text)
        sheet.write_string(0, len(texts), "end")

    content = written(fill, constant_memory=inline)
    [line] = lines(content)
    expected = [text.replace("\r\n", " ").replace("\r", " ").replace("\n", " ") for text in texts]
    assert line.decode() == ",".join('"' + text.replace('"', '""') + '"' for text in [*expected, "end"])


# Sheets ---------------------------------------------------------------------------------------------------------------


def several() -> bytes:
    def fill(book: Any) -> None:
        for name, value in (("Notes", 1), ("Secret", 2), ("Chart", 0), ("Stock", 3), ("Deep", 4), ("Märkte 2", 5)):
            if name == "Chart":
                chart = book.add_chart({"type": "bar"})
                chart.add_series({"values": "=Stock!$A$1:$A$1"})
                book.add_chartsheet(name).set_chart(chart)
                continue
            sheet = book.add_worksheet(name)
            sheet.write_number(0, 0, value)
            if name == "Deep":
                sheet.very_hidden()
            elif name in {"Notes", "Secret"}:
                sheet.hide()
            else:
                sheet.activate()  # or XlsxWriter would show the first one all the same

    return written(fill)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [(None, b"3"), ("Stock", b"3"), ("märkte  2", b"5"), ("Secret", b"2"), ("Deep", b"4")],
)
def test_the_first_visible_sheet_is_read_or_the_one_that_was_named(wanted: str | None, value: bytes) -> None:
    assert lines(several(), wanted) == [b'"%b"' % value]


def test_a_warning_says_which_sheet_was_read_and_which_were_left_out() -> None:
    [warning] = Workbook(io.BytesIO(several()), None, MOST).warnings
    assert warning == (
        "the sheet 'Stock' of the workbook was read; left out: 'Notes', 'Secret', 'Deep', 'Märkte 2' "
        "(--sheet NAME reads another one)"
    )
    assert Workbook(io.BytesIO(of_rows(["a"])), None, MOST).warnings == ["the sheet 'Stock' of the workbook was read"]


@pytest.mark.parametrize("wanted", ["Stocks", "Chart"])
def test_a_sheet_that_is_not_there_is_an_error_that_names_those_that_are(wanted: str) -> None:
    refused = refusal(several(), wanted)
    assert refused.code is ErrorCode.UNKNOWN_SHEET
    assert refused.detail == f"found no {wanted!r}; the workbook has 'Notes', 'Secret', 'Stock', 'Deep', 'Märkte 2'"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<f>A2</f>", "=A2"),
        ("<f>A2</f><v></v>", "=A2"),
        ("<f>A2</f><v>0</v>", "0"),
        ('<f t="shared" si="0"/>', "="),
    ],
)
def test_a_number_of_a_formula_is_its_value_or_else_the_formula(xml: str, text: str) -> None:
    assert cell(f'<c r="A1">{xml}</c>') == text
    assert cell(f'<c r="A1" t="n">{xml}</c>') == text


def test_a_text_of_a_formula_may_be_empty() -> None:
    assert cell('<c r="A1" t="str"><f>""</f><v></v></c><c><v>1</v></c>') == '","1'


def test_zero_is_no_value_where_the_program_has_left_its_formulas_to_excel() -> None:
    written_by_program = written(lambda book: book.add_worksheet().write_formula(0, 0, "=2+3"))
    book = Workbook(io.BytesIO(written_by_program), None, MOST)
    assert b"".join(book.rows(content_digest())) == b'"=2+3"\n'
    assert "1 of them (A1)" in book.warnings[1]
    known = written(lambda book: book.add_worksheet().write_formula(0, 0, "=2+3", value=5))
    assert lines(known) == [b'"5"']


def test_the_same_workbook_has_the_same_digest_however_it_is_read() -> None:
    content = of_rows(["sku", "quantity"], ["S1", 1.125])
    point, comma, other = content_digest(), content_digest(), content_digest()
    plain = b"".join(Workbook(io.BytesIO(content), None, MOST).rows(point))
    assert plain != b"".join(Workbook(io.BytesIO(content), None, MOST).rows(comma, comma_decimals=True))
    assert point.digest() == comma.digest()
    list(Workbook(io.BytesIO(of_rows(["sku", "quantity"], ["S1", 2])), None, MOST).rows(other))
    assert point.digest() != other.digest()
