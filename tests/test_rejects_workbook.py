"""The workbook of rejects: the same as the CSV file, each cell a text, and it can be fixed and uploaded again."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.syncs.finish import finish_sync
from pipeline.uploads.reject import Reject
from pipeline.uploads.rejects import rejects_file
from pipeline.uploads.rejects_workbook import fits, rejects_workbook
from schemas.errors import ErrorCode, RowError
from schemas.jobs import SyncFinish
from tests.support.desk import Desk
from tests.support.workbooks import lines, of_rows

UNKNOWN = RowError(code=ErrorCode.UNKNOWN_SKU, field="sku", value="X")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n\ufffe\uffff"), max_size=20)


@dataclass(frozen=True)
class Layout:
    names: Sequence[str] = ("sku", "quantity", "note")
    delimiter: str = ","
    from_rejects: bool = False
    columns: Sequence[str | None] = ()
    quoting: bool = True


def fields(line: bytes) -> list[str]:
    [row] = csv.reader([line.decode()], strict=True)
    return row


def workbook(rows: Sequence[Reject], layout: Layout = Layout()) -> list[list[str]]:
    return [fields(line) for line in lines(b"".join(rejects_workbook(layout, rows)))]


@given(table=st.lists(st.lists(TEXT, min_size=1, max_size=5), max_size=5), from_rejects=st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_workbook_has_the_fields_of_the_csv_file(table: list[list[str]], from_rejects: bool) -> None:
    layout = Layout(("sku", "=quantity", "error_codes", "error_messages"), from_rejects=from_rejects)
    quoted = (",".join('"' + field.replace('"', '""') + '"' for field in row) for row in table)
    rows = [Reject(raw.encode(), [UNKNOWN]) for raw in quoted]
    file = b"".join(rejects_file(layout, rows)).decode("utf-8-sig")
    expected = list(csv.reader(io.StringIO(file, newline=""), strict=True))
    for row in expected:  # a cell without text at the end of a row is none
        while not row[-1]:
            row.pop()
    assert workbook(rows, layout) == expected


def test_a_text_that_is_too_long_for_a_cell_is_cut_and_its_row_says_so() -> None:
    long = "x" * 40_000
    _, row, short = workbook([Reject(f"S1,{long},a".encode(), [UNKNOWN]), Reject(b"S2,5,b", [UNKNOWN])])
    assert row[1] == "x" * 32_767
    assert row[4].endswith("A cell has no room for all of this row: take it from the CSV file of rejects.")
    assert "no room" not in short[4]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert workbook([Reject(b"S\xff,5,", [UNKNOWN])])[1][0] == "S\ufffd"


@pytest.mark.parametrize(
    ("width", "count", "room"),
    [(2, 1_000_000, True), (2, 1_048_576, False), (98, 50_000, True), (98, 50_001, False), (16_383, 1, False)],
)
def test_a_sheet_has_room_for_so_many_rejects(width: int, count: int, room: bool) -> None:
    assert fits(Layout(tuple(f"n{n}" for n in range(width))), count) is room


def test_the_workbook_of_rejects_can_be_fixed_and_uploaded_again(desk: Desk) -> None:
    content = of_rows(["SKU", "Quantity", "Colour"], ["S1", 5, "red"], ["00123", 4, "00456"], ["S2", "-6", "=blue"])
    sync_id = desk.sync(content)
    assert desk.counts(sync_id) == ("partial", 3, 1, 2, 0)
    found = [fields(line) for line in lines(desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.xlsx"))]
    assert found[0] == ["SKU", "Quantity", "Colour", "error_codes", "error_messages"]
    assert found[1][:4] == ["00123", "4", "00456", "UNKNOWN_SKU"]
    assert found[2][:4] == ["S2", "'-6", "'=blue", "QUANTITY_NEGATIVE"]
    found[1][0], found[2][1] = "S3", "6"
    again = desk.sync(of_rows(*found, name="Rejects"))
    assert desk.counts(again) == ("success", 2, 2, 0, 0)
    assert dict(desk.ask("SELECT sku, on_hand FROM levels WHERE account_id = 'acme'")) == {"S1": 5, "S2": 6, "S3": 4}


def test_the_workbook_of_rejects_is_submitted_again_as_it_is(desk: Desk) -> None:
    first = desk.sync("sku,quantity,note\n00123,-5,=1\n")
    rejects = desk.objects.download(desk.uploads, f"rejects/acme/{first}.xlsx")
    second = desk.sync(rejects)
    assert desk.counts(second) == ("error", 1, 0, 1, 0)
    assert lines(desk.objects.download(desk.uploads, f"rejects/acme/{second}.xlsx")) == lines(rejects)


def test_a_workbook_that_was_not_written_is_written_when_the_message_comes_again(
    desk: Desk,
) -> None:
    sync_id = desk.sync("sku,quantity\nS1,-5\n")
    key = f"rejects/acme/{sync_id}.xlsx"
    content = desk.objects.download(desk.uploads, key)
    desk.objects.delete(desk.uploads, key)
    finish_sync(SyncFinish(account_id="acme", sync_id=sync_id), desk.services)
    assert lines(desk.objects.download(desk.uploads, key)) == lines(content)


def test_a_sync_without_errors_has_no_workbook_of_rejects(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nS1,5\n")
    assert not desk.objects.exists(desk.uploads, f"rejects/acme/{sync_id}.xlsx")
