"""Workbooks as uploads: the way from a drop to the levels, and those that are refused."""

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from pipeline.errors import Invalid
from pipeline.syncs.content import content_digest
from pipeline.syncs.requests import request_sync
from pipeline.uploads.drops import Announced, take_drop
from pipeline.uploads.workbook import Workbook, is_workbook
from schemas.errors import ErrorCode, RowError
from tests.support.desk import Desk
from tests.support.web import Answer, web_answers
from tests.support.workbooks import MOST, by_hand, lines, of_rows, written


def refusal(content: bytes, sheet: str | None = None) -> Invalid:
    with pytest.raises(Invalid) as refused:
        lines(content, sheet)
    return refused.value


# The whole way --------------------------------------------------------------------------------------------------------


def levels(desk: Desk) -> dict[str, int]:
    return dict(desk.ask("SELECT sku, on_hand FROM levels WHERE account_id = 'acme'"))


@pytest.mark.parametrize("name", ["stock.xlsx", "stock.csv", "export"])
def test_a_workbook_is_an_upload_whatever_its_name_is(desk: Desk, name: str) -> None:
    content = of_rows(
        ["Stock of March", None],
        [None, None],
        ["SKU", "Quantity", "Colour"],
        ["S1", 5, "red"],
        ["S2", 1250, 123],
        ["S3", 7.0],
    )
    sync_id = desk.request(desk.put(content, f"acme/w1/{name}"))
    desk.run(sync_id)
    assert desk.counts(sync_id) == ("success", 3, 3, 0, 0), desk.job(sync_id)["error"]
    assert levels(desk) == {"S1": 5, "S2": 1250, "S3": 7}
    assert desk.ask("SELECT row, line FROM sync_items WHERE sync_id = %s ORDER BY row", sync_id) == [
        (1, 4), (2, 5), (3, 6)]  # fmt: skip
    assert "the sheet 'Stock' of the workbook was read" in desk.job(sync_id)["warnings"]


def test_a_request_names_the_sheet(desk: Desk) -> None:
    def fill(book: Any) -> None:
        for name, quantity in (("March", 1), ("April", 9)):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["sku", "quantity"])
            sheet.write_row(1, 0, ["S1", quantity])

    content = written(fill)
    desk.run(desk.request(desk.put(content), sheet="April"))
    assert levels(desk) == {"S1": 9}
    job = desk.job(desk.request(desk.put(content), sheet="May"))
    assert (job["status"], job["error_code"]) == ("error", "UNKNOWN_SHEET")
    assert "found no 'May'; the workbook has 'March', 'April'" in job["error"]


@pytest.mark.parametrize("decimal", [None, ",", "."])
def test_a_number_cell_never_has_two_readings(desk: Desk, decimal: str | None) -> None:
    header = ["sku", "quantity", "note"]
    content = of_rows(header, ["S1", 1, "250"], ["S2", 1000, 125], ["S3", 1.125, "x"], ["S4", "1.000"])
    sync_id = desk.sync(content, decimal=decimal)
    fates = desk.items(sync_id)
    assert levels(desk) == {"S1": 1, "S2": 1000} | ({",": {"S4": 1000}, ".": {"S4": 1}}.get(decimal or "", {}))
    assert fates[3] == ("error", {"QUANTITY_NOT_AN_INTEGER"})
    if decimal is None:
        assert fates[4] == ("error", {"QUANTITY_AMBIGUOUS"})


def test_cells_that_are_wrong_are_errors_of_their_rows(desk: Desk) -> None:
    content = of_rows(
        ["sku", "quantity"], ["S1", "5"], ["S2", True], ["S3", date(2026, 3, 1)], ["00123", 4], [1.23456789012e17, 4]
    )
    sync_id = desk.sync(content)
    no_integer = {"QUANTITY_NOT_AN_INTEGER"}
    fates = [codes for _, codes in desk.items(sync_id).values()]
    assert fates == [set(), no_integer, no_integer, {"UNKNOWN_SKU"}, {"SKU_SCIENTIFIC"}]
    assert desk.ask("SELECT sku FROM sync_items WHERE sync_id = %s AND row = 4", sync_id) == [("00123",)]


def test_a_formula_without_a_value_is_an_error_of_its_row_and_a_warning_says_what_to_do(desk: Desk) -> None:
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("sku", "quantity"))
    good = '<row><c t="inlineStr"><is><t>S1</t></is></c><c><f>2+3</f><v>5</v></c></row>'
    bad = '<row><c t="inlineStr"><is><t>S2</t></is></c><c><f>B2*2</f></c></row>'
    sync_id = desk.sync(by_hand(f"<row>{head}</row>{good}{bad}"))
    assert desk.items(sync_id) == {1: ("success", set()), 2: ("error", {"QUANTITY_NOT_AN_INTEGER"})}
    assert desk.job(sync_id)["warnings"][1] == (
        "formulas without a value in the file were read as they stand, 1 of them (B3): open the workbook in Excel, "
        "save it, and upload it again"
    )
    [error] = desk.ask("SELECT errors -> 0 FROM sync_items WHERE sync_id = %s AND row = 2", sync_id)[0]
    assert RowError.model_validate(error).message == (
        "The quantity is not a whole number: '=B2*2'. It is a formula without a stored value: open the file in Excel, "
        "save it, and upload it again."
    )


@pytest.mark.parametrize("how", ["plain", "packed"])
def test_a_sheet_that_is_named_of_another_file_is_a_warning(desk: Desk, how: str) -> None:
    content: str | bytes = "sku,quantity\nS1,5\n"
    sync_id = desk.sync(content if how == "plain" else gzip.compress(str(content).encode()), sheet="March")
    assert levels(desk) == {"S1": 5}
    assert "the file is no workbook, so it has no sheet 'March'" in desk.job(sync_id)["warnings"]


def test_a_workbook_is_dropped_into_the_bucket(desk: Desk) -> None:
    key = "acme/w1/Stock of March.xlsx"
    desk.put(of_rows(["sku", "quantity"], ["S1", 5]), key)
    request = take_drop(Announced(desk.uploads, (key,)), desk.uploads, desk.database, desk.objects)
    assert request is not None
    request_sync(request, desk.services)
    desk.run(request.sync_id)
    assert levels(desk) == {"S1": 5}


def test_a_workbook_is_fetched_from_the_web_whatever_its_server_says_of_it(desk: Desk) -> None:
    desk.limit_web(allow_private=True)
    answer = Answer(of_rows(["sku", "quantity"], ["S1", 5]), {"Content-Type": "text/csv; charset=cp1252"})
    with web_answers({"/export": answer}) as address:
        desk.run(desk.request(f"{address}/export"))
    assert levels(desk) == {"S1": 5}


def test_a_workbook_with_one_bad_row_that_is_sent_again_with_other_options_adds_nothing_twice(desk: Desk) -> None:
    content = of_rows(["sku", "quantity", "price"], ["S1", 5, 1.125], ["S2", "x", 2])
    desk.sync(content, action="add")
    again = desk.request(desk.put(content, "acme/w1/again.xlsx"), action="add", decimal=",")
    assert desk.job(again)["status"] == "held"
    assert levels(desk) == {"S1": 5}


def of_sheets(**sheets: Sequence[Sequence[Any]]) -> bytes:
    def fill(book: Any) -> None:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)

    return written(fill)


def test_a_sheet_is_the_same_delivery_however_it_was_named_and_another_sheet_is_another_one(desk: Desk) -> None:
    content = of_sheets(Mon=[["sku", "quantity"], ["S1", 5]], Tue=[["sku", "quantity"], ["S1", 7]])
    first = desk.sync(content, action="add")
    for sheet in ("Mon", "mon", None):
        again = desk.request(desk.put(content), sheet=sheet, action="add")
        desk.run(again)
        assert (desk.job(again)["status"], desk.job(again)["duplicate_of"]) == ("duplicate", first)
    desk.run(desk.request(desk.put(content), sheet="Tue", action="add"))
    assert levels(desk) == {"S1": 12}


def test_where_a_cover_was_read_the_error_names_it_and_the_other_sheets(desk: Desk) -> None:
    count = [["sku", "quantity"], ["S1", 5]]
    for cover, code in ([["Stock of March"]], "HEADER_COLUMN_MISSING"), ([], "FILE_EMPTY"):
        content = of_sheets(Cover=cover, Count=count)
        job = desk.job(desk.request(desk.put(content)))
        assert (job["status"], job["error_code"]) == ("error", code)
        assert "the sheet 'Cover' of the workbook was read; left out: 'Count' (--sheet NAME" in job["error"]
    desk.run(desk.request(desk.put(content), sheet="Count"))
    assert levels(desk) == {"S1": 5}


def test_rows_that_a_filter_hides_are_read_and_a_warning_counts_them(desk: Desk) -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Stock")
        for number, row in enumerate([["sku", "quantity"], ["S1", 5], ["S2", 6], ["S3", 7]]):
            sheet.write_row(number, 0, row)
        for number in (1, 3, 9):  # the last one is empty
            sheet.set_row(number, None, None, {"hidden": True})

    sync_id = desk.sync(written(fill))
    assert levels(desk) == {"S1": 5, "S2": 6, "S3": 7}
    assert (
        "2 hidden rows were read, too: filters and hidden rows of the sheet do not count"
        in (desk.job(sync_id)["warnings"])
    )


# What is refused ------------------------------------------------------------------------------------------------------

SPREADSHEET = "application/vnd.oasis.opendocument.spreadsheet"
SMALL = by_hand("<row><c><v>1</v></c></row>")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(1024, b"\x00")


def packed(**parts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in parts.items():
            package.writestr(name, data)
    return file.getvalue()


def office(part: str) -> bytes:
    return packed(**{"[Content_Types].xml": b"<x/>", part: b""})


def encrypted(content: bytes) -> bytes:
    """The same package with the flag of encryption on all its parts."""
    data = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(mark, place + 4)
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (OLE, "WORKBOOK_NOT_READABLE", "it is an old one (.xls), or has a password"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "WORKBOOK_NOT_READABLE", "it has a password"),
        (encrypted(SMALL), "WORKBOOK_NOT_READABLE", "encrypted with a password"),
        (by_hand("", types="sheet.macroEnabled.main"), "WORKBOOK_NOT_READABLE", "it has macros (.xlsm)"),
        (by_hand("", parts={"xl/vbaProject.bin": b"x"}), "WORKBOOK_NOT_READABLE", "it has macros (.xlsm)"),
        (office("xl/workbook.bin"), "WORKBOOK_NOT_READABLE", "binary workbook (.xlsb)"),
        (packed(mimetype=SPREADSHEET.encode(), **{"content.xml": b""}), "FILE_NOT_CSV", "an OpenDocument file (.ods)"),
        (office("word/document.xml"), "FILE_NOT_CSV", "a Word or another Office"),
        (SMALL[: len(SMALL) // 2], "WORKBOOK_NOT_READABLE", "damaged or cut off"),
        (by_hand("", book="<broken"), "WORKBOOK_NOT_READABLE", "damaged or cut off"),
        (by_hand("<row><c t='s'><v>7</v></c></row>"), "WORKBOOK_NOT_READABLE", "damaged or cut off"),
        (by_hand("<row><c><v>seven</v></c></row>"), "WORKBOOK_NOT_READABLE", "damaged or cut off"),
        (packed(**{"stock.xlsx": SMALL}), "FILE_NOT_UNPACKED", "upload an Excel workbook as it is"),
        (by_hand(""), "FILE_EMPTY", ""),
    ],
    ids=["xls", "password", "zip password", "macros", "macros by name", "xlsb", "ods", "docx", "cut off", "broken XML",
         "no such string", "no number", "in a zip", "empty"],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_that_says_what_it_is(desk: Desk, content: bytes, code: str, told: str) -> None:
    job = desk.job(desk.request(desk.put(content, "acme/w1/stock.xlsx")))
    assert (job["status"], job["error_code"]) == ("error", code)
    assert told in job["error"]


def padded(name: str, size: int, piece: bytes) -> dict[str, bytes]:
    return {name: piece * (size // len(piece))}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (by_hand("", parts=padded("xl/sharedStrings.xml", 101 << 20, b"<si><t>abc</t></si>")), "more than 100 MB"),
        (by_hand("", parts=padded("xl/styles.xml", 17 << 20, b"<xf/>")), "more than 16 MB"),
        (by_hand("", parts=padded("xl/worksheets/sheet1.xml", 20 << 20, b"<row/>")), "more than 200 times its size"),
        (by_hand('<row r="5"/><row r="4"/>'), "row 4 stands behind row 5"),
        (by_hand('<row r="1048577"/>'), "a sheet has up to 1,048,576 rows"),
        (by_hand('<row><c r="XFE1"><v>1</v></c></row>'), "'XFE' is no column"),
        (by_hand('<row><c r="ä1"><v>1</v></c></row>'), "is no column"),
        (by_hand(f'<row><c t="inlineStr"><is><t>{"x" * (3 << 20)}</t></is></c></row>'), "a cell has more than"),
        (by_hand("", sheet='<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>'), "declares a DOCTYPE"),
        (by_hand("", sheet=f'<worksheet a="{"x" * (5 << 20)}"/>'), "a tag in it has no end"),
        (by_hand("", parts={f"x{n}": b"" for n in range(10_001)}), "more than 10,000 parts"),
    ],
    ids=["strings", "styles", "bomb", "order", "rows", "columns", "letters", "long cell", "entities", "tag", "parts"],
)  # fmt: skip
def test_a_hostile_workbook_is_refused(content: bytes, told: str) -> None:
    refused = refusal(content)
    assert refused.code is ErrorCode.WORKBOOK_NOT_READABLE
    assert told in refused.detail


def test_cells_in_the_corners_of_a_sheet_cost_no_memory_for_those_between() -> None:
    content = by_hand('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>')
    tracemalloc.start()
    found = sum(map(len, Workbook(io.BytesIO(content), None, MOST).rows(content_digest())))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == len('"1"\n') + (1 << 20) - 2 + (1 << 14) * 3 + 1
    assert peak < 32 << 20


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", packed(a=b"b"), packed(**{"xl/workbook.xml": b""})])
def test_other_zips_are_no_workbooks(content: bytes) -> None:
    assert not is_workbook(io.BytesIO(content))


def test_a_sheet_with_more_text_than_is_allowed_is_too_large(desk: Desk) -> None:
    desk.limit_web(max_bytes=100)
    job = desk.job(desk.request(desk.put(of_rows(*[["sku", "quantity"]] * 20))))
    assert job["error_code"] == "FILE_TOO_LARGE"


def test_cells_that_are_merged_over_rows_book_nothing_anywhere_else(desk: Desk) -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:D1", "Count of March")
        sheet.write_row("A2", ["SKU", "Quantity", "Bin", "Colour"])
        for row, sku in enumerate(("S1", "S2", "S3"), 2):
            sheet.write_row(row, 0, [sku, 5])
        sheet.merge_range("C3:C4", "A-01")
        sheet.merge_range("D3:D5", "red")

    sync_id = desk.sync(written(fill))
    assert desk.items(sync_id)[2] == ("error", {"UNKNOWN_LOCATION"})
    assert desk.items(sync_id)[3] == ("success", set())
    assert "S2" not in levels(desk)
    assert any("merged over several rows, from 'C3', 'D3'" in warning for warning in desk.job(sync_id)["warnings"])
