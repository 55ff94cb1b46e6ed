"""The file of rejects: safe to open in a spreadsheet, and nothing of the rows is lost."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.uploads.cut import Position, blocks
from pipeline.uploads.fields import BLANKS
from pipeline.uploads.header import read_header
from pipeline.uploads.records import read_records
from pipeline.uploads.reject import Reject
from pipeline.uploads.rejects import NOT_REACHED, fields_of, rejects_file
from schemas.errors import ErrorCode, RowError

UNKNOWN = RowError(code=ErrorCode.UNKNOWN_SKU, field="sku", value="X")
NEGATIVE = RowError(code=ErrorCode.QUANTITY_NEGATIVE, field="quantity", value="-5")
BEGINS_A_FORMULA = tuple("=+-@\t\r")


@dataclass(frozen=True)
class Layout:
    names: Sequence[str] = ("sku", "quantity")
    delimiter: str = ","
    from_rejects: bool = False
    columns: Sequence[str | None] = ()
    quoting: bool = True


def written(rows: Iterable[Reject], layout: Layout = Layout()) -> bytes:
    return b"".join(rejects_file(layout, rows))


def opened(file: bytes, delimiter: str = ",") -> list[list[str]]:
    """As a spreadsheet reads it; bytes that are no UTF-8 stay what they are."""
    text = file.decode("utf-8-sig", "surrogateescape")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def taken_back(field: str) -> str:
    """What the reader makes of a field of a mended file."""
    return field[1:] if re.match(r"'+[=+\-@\t\r]", field) else field


def test_a_row_stands_as_it_did_with_its_errors_behind_it() -> None:
    file = written([Reject(b"X,-5", [UNKNOWN, NEGATIVE])])
    assert file.startswith(b"\xef\xbb\xbfsku,quantity,error_codes,error_messages\nX,'-5,UNKNOWN_SKU;QUANTITY_NEGATIVE,")
    _, [*_, messages] = opened(file)
    assert messages == f"sku: {UNKNOWN.message} quantity: {NEGATIVE.message}"


def test_a_code_that_a_row_has_in_two_columns_is_named_once_and_both_columns_are() -> None:
    errors = [RowError(code=ErrorCode.CONTROL_CHARACTER, field=field) for field in ("sku", "quantity")]
    _, [_, _, codes, messages] = opened(written([Reject(b"a,b", errors)]))
    assert codes == "CONTROL_CHARACTER"
    assert "sku: " in messages
    assert "quantity: " in messages


def test_a_row_that_the_sync_did_not_reach_says_so() -> None:
    assert opened(written([Reject(b"S-1,5", [])]))[1] == ["S-1", "5", "", NOT_REACHED]


def test_the_columns_of_errors_stand_in_one_place_whatever_the_row_lacks_or_has_too_much() -> None:
    rows = [Reject(b"S-1", [UNKNOWN]), Reject(b"S-1,5,surplus,=more", [UNKNOWN])]
    _, short, long = opened(written(rows))
    assert short[:3] == ["S-1", "", "UNKNOWN_SKU"]
    assert long[:3] == ["S-1", "5", "UNKNOWN_SKU"]
    assert long[4:] == ["surplus", "'=more"]


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b'"a,b",5', [b"a,b", b"5"]),
        (b'"6"" pipe",5', [b'6" pipe', b"5"]),
        (b'6" pipe,5', [b'6" pipe', b"5"]),
        (b'"a\r\nb",5', [b"a\r\nb", b"5"]),
        (b'"not closed,5', [b'"not closed,5']),
        (b'S-1,"closed" too early,5', [b"S-1", b'"closed" too early,5']),
        (b'S-1,"even ""', [b"S-1", b'"even ""']),
        (b'"",', [b"", b""]),
        (b"a,", [b"a", b""]),
        (b"\xff\x00,\xe2\x82", [b"\xff\x00", b"\xe2\x82"]),
    ],
)  # fmt: skip
def test_fields_are_cut_out_as_the_reader_does(raw: bytes, fields: list[bytes]) -> None:
    assert fields_of(raw, b",") == fields


@pytest.mark.parametrize(
    ("name", "shown"), [("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"), ("'@note", "''@note"), ("Preis €", "Preis €")]
)  # fmt: skip
def test_names_of_columns_are_safe_too(name: str, shown: str) -> None:
    assert opened(written([], Layout(("sku", "quantity", name))))[0][2] == shown


def test_a_mended_file_with_errors_again_has_its_columns_once_and_its_fields_escaped_once() -> None:
    layout = Layout(("sku", "quantity", "error_codes", "Error Messages", "'=note"), from_rejects=True)
    [names, row] = opened(written([Reject(b"'-1,=5,OLD,was wrong,''=n,surplus", [UNKNOWN])], layout))
    assert names == ["sku", "quantity", "'=note", "error_codes", "error_messages"]
    assert row[:4] == ["'-1", "'=5", "''=n", "UNKNOWN_SKU"]
    assert row[5:] == ["surplus"]


def test_the_file_comes_in_pieces_however_many_rows_there_are() -> None:
    rows = [Reject(b"S-%d,x" % n, [UNKNOWN]) for n in range(20_000)]
    pieces = list(rejects_file(Layout(), iter(rows)))
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 100_000
    assert len(opened(b"".join(pieces))) == 20_001


HOSTILE = st.text(
    st.sampled_from([*BEGINS_A_FORMULA, *"'\",;|\n 5aé", "\u2028", "\x00", "\x1a", "\udcff", "\udc80"]), max_size=8
)
DELIMITERS = st.sampled_from(",;\t|")


@given(st.lists(st.lists(HOSTILE, min_size=1, max_size=6), max_size=5), DELIMITERS)
def test_what_is_safe_can_be_taken_back(table: list[list[str]], delimiter: str) -> None:
    rows = [Reject(_raw(fields, delimiter), [UNKNOWN, NEGATIVE]) for fields in table]
    _, *found = opened(written(rows, Layout(("sku", "quantity", "n"), delimiter)), delimiter)
    assert all(not field.startswith(BEGINS_A_FORMULA) for row in found for field in row)
    originals = [[*map(taken_back, row[:3]), *map(taken_back, row[5:])] for row in found]
    assert originals == [fields + [""] * (3 - len(fields)) for fields in table]
    assert all(row[3] == "UNKNOWN_SKU;QUANTITY_NEGATIVE" for row in found)


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b'"', b",", b"=", b"\r", b"'", b"a", b"\xff"])).map(b"".join),
       DELIMITERS, st.booleans())  # fmt: skip
def test_no_bytes_make_it_unsafe_and_none_are_lost(raw: bytes, delimiter: str, mended: bool) -> None:
    layout = Layout(("sku", "n", *(("error_codes", "error_messages") if mended else ())), delimiter, mended)
    [_, row] = opened(written([Reject(raw, [UNKNOWN])], layout), delimiter)
    assert not any(field.startswith(BEGINS_A_FORMULA) for field in row)
    if not mended:
        fields = [field.decode("utf-8", "surrogateescape") for field in fields_of(raw, delimiter.encode())]
        assert [*map(taken_back, row[:2]), *row[2:4], *map(taken_back, row[4:])] == [
            *fields[:2], *[""] * (2 - len(fields)), *row[2:4], *fields[2:],
        ]  # fmt: skip


@given(st.lists(HOSTILE, min_size=2, max_size=4), DELIMITERS)
def test_mended_and_rejected_again_it_still_means_what_it_meant(fields: list[str], delimiter: str) -> None:
    first = written([Reject(_raw(fields, delimiter), [UNKNOWN])], Layout(("sku", "quantity"), delimiter))
    raw = first.partition(b"\n")[2].removesuffix(b"\n")
    mended = Layout(("sku", "quantity", "error_codes", "error_messages"), delimiter, from_rejects=True)
    assert written([Reject(raw, [UNKNOWN])], mended) == first


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE).map(list), min_size=1, max_size=5), DELIMITERS)
def test_the_reader_finds_in_a_file_of_rejects_what_was_in_the_upload(table: list[list[str]], delimiter: str) -> None:
    rows = [Reject(_raw(fields, delimiter), [UNKNOWN]) for fields in table]
    file = written(rows, Layout(("sku", "quantity", "=note"), delimiter))
    header = read_header(file, {"=note": "note"})
    assert header.from_rejects
    assert header.columns == ("sku", "quantity", "note", None, None)
    start = Position(header.size, header.lines + 1)
    [block] = blocks([file[header.size :]], delimiter, 1 << 20, start)
    frame = read_records(block, header).frame
    read = [list(row) for row in frame.select("sku", "quantity", "note").iter_rows()]
    assert read == [[_as_read(field) for field in fields] for fields in table]


def _as_read(field: str) -> str:
    """Without blanks around it, and with U+FFFD for bytes that are no UTF-8."""
    return field.encode("utf-8", "surrogateescape").decode(errors="replace").strip(BLANKS)


def _raw(fields: Sequence[str], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="").writerow(fields)
    return text.getvalue().encode("utf-8", "surrogateescape")
