"""Cutting a file at record edges and reading the pieces: the same rows as Python's csv module, wherever it is cut."""

import csv
import io
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.uploads import records
from pipeline.uploads.header import Header, read_header
from pipeline.uploads.records import blocks, read_block
from schemas.errors import ErrorCode
from schemas.upload_rows import COLUMNS, OVERFLOW_COLUMN

HEADER = read_header(b"sku,quantity,action,reason,location\n")
BLANKS = " \t\r\u00a0"

fields = st.text(st.sampled_from('ab1é,;|\t"\n\r .-#\u00a0\u0085\u2028😀'), max_size=8)
rows_of_text = st.lists(st.lists(fields, min_size=5, max_size=5), min_size=1, max_size=25)


@pytest.fixture
def short_records(monkeypatch: pytest.MonkeyPatch) -> int:
    """Records of at most 200 bytes, so that small files are cut too."""
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 200)
    return 200


def written(rows: list[list[str]], delimiter: str, line_end: str) -> bytes:
    """Well-formed CSV: quotes where they are needed (csv.writer forgets the carriage return)."""

    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & {delimiter, '"', "\n", "\r"} else text

    return "".join(delimiter.join(map(field, row)) + line_end for row in rows).encode()


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def read(content: bytes, *, piece_size: int = 64, block_size: int = 50, header: Header = HEADER) -> pl.DataFrame:
    """All data rows of a file without its header, read block by block."""
    frames = []
    count = 0
    for block in blocks(pieces(content, piece_size), block_size):
        frame, _ = read_block(block, header, count + 1)
        count += frame.height
        frames.append(frame)
    return pl.concat(frames)


@given(
    rows=rows_of_text,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    piece_size=st.integers(1, 400),
    block_size=st.integers(1, 400),
)
@settings(max_examples=100, deadline=None)
def test_rows_are_those_of_pythons_csv_module_wherever_the_file_is_cut(
    rows: list[list[str]], delimiter: str, line_end: str, piece_size: int, block_size: int
) -> None:
    content = written(rows, delimiter, line_end)
    header = read_header(delimiter.join(COLUMNS).encode() + b"\n")
    expected = [
        stripped
        for row in csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter)
        if any(stripped := [field.strip(BLANKS) for field in row])
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD_BYTES", 400)  # the longest record here has 5 · (8 · 4 + 2) + 6 bytes
        frame = read(content, piece_size=piece_size, block_size=block_size, header=header)
    assert frame.select(COLUMNS).rows() == [tuple(row) for row in expected]
    assert frame["row"].to_list() == list(range(1, len(expected) + 1))


@given(content=st.binary(max_size=600), piece_size=st.integers(1, 300), block_size=st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_blocks_hold_every_byte_once_and_end_at_a_newline(content: bytes, piece_size: int, block_size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD_BYTES", 100)
        try:
            cut = list(blocks(pieces(content, piece_size), block_size))
        except Invalid as error:
            assert error.code is ErrorCode.FILE_NOT_CSV
            return
    assert b"".join(cut) == content
    assert all(block.endswith(b"\n") and block.count(b'"') % 2 == 0 for block in cut[:-1])
    assert all(0 < len(block) <= block_size + 100 for block in cut)


@pytest.mark.parametrize(
    "rest", ["no line ends here " * 30, '"never closed\n' + "A,1\n" * 200], ids=["no newline", "open quote"]
)
def test_a_file_whose_records_do_not_end_is_no_csv(short_records: int, rest: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(b"A,1\n" * 10 + rest.encode())
    assert refused.value.code is ErrorCode.FILE_NOT_CSV


def test_a_quote_that_is_not_closed_in_the_last_block_is_no_csv_and_the_row_before_it_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        read_block(b'A,1\nB,2,"open\nC,3\n', HEADER, 7)
    assert refused.value.code is ErrorCode.FILE_NOT_CSV
    assert "behind row 6" in str(refused.value)


def test_a_record_of_the_longest_length_is_read_across_blocks(short_records: int) -> None:
    long = "x" * (short_records - 10)
    content = "".join(f'A{n},1,,"{long}\n"\n' for n in range(10)).encode()
    assert read(content)["sku"].to_list() == [f"A{n}" for n in range(10)]


def test_absent_fields_are_empty_and_one_too_many_is_kept_as_overflow() -> None:
    frame, _ = read_block(b"A\nB,2\nC,3,replace,counted,bin,too much,and more\nD,4,,,,\n", HEADER, 1)
    assert frame.select("sku", "quantity", "location", OVERFLOW_COLUMN).rows() == [
        ("A", "", "", ""), ("B", "2", "", ""), ("C", "3", "bin", "too much"), ("D", "4", "", "")]  # fmt: skip


def test_blank_records_are_counted_and_not_numbered() -> None:
    frame, blanks = read_block(b"A,1\n\n,,,,\n  ,\t\r\n\xc2\xa0\nB,2\n", HEADER, 5)
    assert (frame["row"].to_list(), frame["sku"].to_list(), blanks) == ([5, 6], ["A", "B"], 4)


def test_a_block_of_blank_records_has_no_rows() -> None:
    frame, blanks = read_block(b"\n\r\n,,\n", HEADER, 1)
    assert (frame.height, blanks) == (0, 3)


def test_row_numbers_go_on_from_block_to_block(short_records: int) -> None:
    content = b"".join(b"S%d,1\n" % n + b"\n" * (n % 3) for n in range(1, 200))
    frame = read(content, piece_size=33, block_size=100)
    assert frame.select("row", "sku").rows() == [(n, f"S{n}") for n in range(1, 200)]


def test_columns_stand_in_any_order_and_ignored_ones_are_left_out() -> None:
    header = read_header(b"colour;quantity;sku\n")
    frame, _ = read_block(b"red;5; A \n;;\n", header, 1)
    assert frame.select("sku", "quantity", "location").rows() == [("A", "5", "")]
    assert "colour" not in frame.columns


def test_bytes_that_are_not_utf8_become_the_replacement_character_and_nothing_else_suffers() -> None:
    frame, _ = read_block(b"A,1\nB\xe9,2\nC,3\n", HEADER, 1)
    assert frame["sku"].to_list() == ["A", "B\ufffd", "C"]
