"""What the reader makes of the files that people really send, small and behind good rows in a later block."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.uploads import parser
from pipeline.uploads.cut import Block
from pipeline.uploads.header import Header, read_header
from pipeline.uploads.records import LITERAL_QUOTES, Records, read_records
from schemas.errors import ErrorCode
from schemas.upload_rows import COLUMNS
from tests.support.csv_files import CLEAN_PREFIX, HEADER, SMALL_BLOCK, START, read

Read = Callable[..., Records]
MISPLACED, NOT_CLOSED = ErrorCode.QUOTE_MISPLACED.value, ErrorCode.QUOTE_NOT_CLOSED.value
FIELD_LONG, RECORD_LONG = ErrorCode.FIELD_TOO_LONG.value, ErrorCode.RECORD_TOO_LONG.value
TOO_FEW = ErrorCode.TOO_FEW_FIELDS.value
PREFIX_ROWS = CLEAN_PREFIX.count(b"\n")


@pytest.fixture(params=[b"", CLEAN_PREFIX], ids=["at the start", "behind good rows"])
def prefix(request: pytest.FixtureRequest) -> bytes:
    return bytes(request.param)


@pytest.fixture
def read_behind(prefix: bytes) -> Read:
    """Reads a file behind the prefix, and gives what comes behind it, with lines and offsets counted from there."""

    def read_it(content: bytes, header: Header = HEADER) -> Records:
        records = read(prefix + content, piece_size=5000, block_size=SMALL_BLOCK, header=header)
        rows = PREFIX_ROWS if prefix else 0
        assert records.frame["problem"][:rows].null_count() == rows
        assert records.frame["line"][:rows].to_list() == list(range(1, rows + 1))
        frame = records.frame[rows:].with_columns(
            line=records.frame["line"][rows:] - rows, byte_offset=records.frame["byte_offset"][rows:] - len(prefix)
        )
        return Records(frame, records.blank_count, records.warnings)

    return read_it


def rows(records: Records, *columns: str) -> list[tuple[Any, ...]]:
    return records.frame.select(columns).rows()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_every_kind_of_line_end_ends_a_record(end: bytes, read_behind: Read) -> None:
    records = read_behind(b"A,1" + end + b"B,2" + end)
    assert rows(records, "line", "byte_offset", "sku", "quantity", "raw") == [
        (1, 0, "A", "1", b"A,1"),
        (2, 3 + len(end), "B", "2", b"B,2"),
    ]


def test_line_ends_may_be_mixed_and_the_last_one_may_be_missing(read_behind: Read) -> None:
    records = read_behind(b"A,1\rB,2\r\nC,3\nD,4")
    assert rows(records, "line", "byte_offset", "sku") == [(1, 0, "A"), (2, 4, "B"), (3, 9, "C"), (4, 13, "D")]


def test_blank_records_are_left_out_and_counted_and_line_numbers_stay_right(read_behind: Read) -> None:
    records = read_behind(b'A,1\n\n,,,,\n  ,\t\r\n"",""\n\xc2\xa0\nB,2\n\x1a\n\n')
    assert rows(records, "line", "sku") == [(1, "A"), (7, "B")]
    assert records.blank_count == 7


def test_a_record_with_something_in_an_ignored_or_a_surplus_column_is_not_blank() -> None:
    records = read(b",,red\n,,,,x\n,,,,\n", header=read_header(b"sku,quantity,colour\n"))
    assert rows(records, "line", "overflow") == [(1, ""), (2, "x")]
    assert records.blank_count == 1


def test_quoted_fields_hold_delimiters_doubled_quotes_and_line_ends(read_behind: Read) -> None:
    records = read_behind(b'A,1,,"one, ""two""\r\nthree\rfour\nfive",X\nB,2\n')
    assert rows(records, "line", "byte_offset", "reason", "location") == [
        (1, 0, 'one, "two"\r\nthree\rfour\nfive', "X"),
        (5, 39, "", ""),
    ]
    assert records.warnings == {}


def test_a_quote_within_a_field_that_is_not_quoted_is_literal_and_warned_of(read_behind: Read) -> None:
    records = read_behind(b'A,1,,6" pipe\nB,2,,plain\nC,3,,6" "pipe"\n')
    assert rows(records, "sku", "reason", "problem") == [
        ("A", '6" pipe', None), ("B", "plain", None), ("C", '6" "pipe"', None)]  # fmt: skip
    assert records.warnings == {LITERAL_QUOTES: 2}


def test_literal_and_quoted_fields_may_stand_in_one_record(read_behind: Read) -> None:
    records = read_behind(b'A,1,,6" pipe,"Hall, 2"\n"B ""x""",2\n')
    assert rows(records, "sku", "reason", "location") == [("A", '6" pipe', "Hall, 2"), ('B "x"', "", "")]
    assert records.warnings == {LITERAL_QUOTES: 1}


def test_text_behind_a_closing_quote_is_an_error_of_that_line_alone(read_behind: Read) -> None:
    records = read_behind(b'A,1\nB,2,,"6" pipe",X\nC,3,,"fine"\n')
    assert rows(records, "line", "byte_offset", "sku", "problem", "raw") == [
        (1, 0, "A", None, b"A,1"),
        (2, 4, "B", MISPLACED, b'B,2,,"6" pipe",X'),
        (3, 21, "C", None, b'C,3,,"fine"'),
    ]
    assert records.frame["reason"].to_list() == ["", '"6" pipe",X', "fine"]


def test_a_quote_that_is_not_closed_costs_its_own_line_and_no_other(read_behind: Read) -> None:
    records = read_behind(b'A,1\nB,2,,"open\nC,3\nD,4,,6" x\n')
    assert rows(records, "line", "byte_offset", "sku", "problem", "raw") == [
        (1, 0, "A", None, b"A,1"),
        (2, 4, "B", NOT_CLOSED, b'B,2,,"open'),
        (3, 15, "C", None, b"C,3"),
        (4, 19, "D", None, b'D,4,,6" x'),
    ]


def test_a_quote_that_the_next_quoted_field_seems_to_close_costs_its_own_line_and_no_other(read_behind: Read) -> None:
    records = read_behind(b'A,1,,"open\nB,2,,x\nC,3,,"fine"\nD,4,,"fine, too"\n')
    assert rows(records, "line", "sku", "problem") == [
        (1, "A", NOT_CLOSED),
        (2, "B", None),
        (3, "C", None),
        (4, "D", None),
    ]


def test_many_quotes_that_are_not_closed_cost_a_row_each(read_behind: Read) -> None:
    records = read_behind(b"".join(b'A%d,1,,"open\nB%d,2\n' % (n, n) for n in range(50)) + b"C,3\n")
    assert [problem for _, problem in rows(records, "sku", "problem")] == [NOT_CLOSED, None] * 50 + [None]


def test_a_record_of_up_to_1_mb_may_run_over_many_lines_and_a_longer_one_is_not_closed(read_behind: Read) -> None:
    lines = b"x" * 999 + b"\n"
    good = read_behind(b'A,1,,"' + lines * 60 + b'"\nB,2\n')
    assert rows(good, "line", "sku", "problem") == [(1, "A", None), (62, "B", None)]
    bad = read_behind(b'A,1,,"' + lines * 1100 + b'"\nB,2\n')
    assert rows(bad, "line", "sku", "problem")[0] == (1, "A", NOT_CLOSED)
    assert rows(bad, "line", "sku", "problem")[-1] == (1102, "B", None)


def test_a_field_over_64_kb_is_an_error_and_only_its_beginning_is_kept(read_behind: Read) -> None:
    longest = b"x" * (64 << 10)
    records = read_behind(b"A,1,," + longest + b"\nB,2,," + longest + b"x\nC,3\n")
    assert rows(records, "line", "sku", "problem") == [(1, "A", None), (2, "B", FIELD_LONG), (3, "C", None)]
    assert [len(raw) for raw in records.frame["raw"]] == [64 << 10, 64 << 10, 3]
    assert records.frame["reason"].str.len_bytes().to_list() == [64 << 10, 64 << 10, 0]


@pytest.mark.parametrize("quote", [b"", b'"'], ids=["plain", "with a quote in front"])
def test_a_record_over_1_mb_is_an_error_and_the_next_one_is_read(quote: bytes, read_behind: Read) -> None:
    records = read_behind(b"A,1\n" + quote + b"y," * (600 << 10) + b"\nC,3\n")
    assert rows(records, "line", "byte_offset", "sku", "problem") == [
        (1, 0, "A", None), (2, 4, "", RECORD_LONG), (3, 5 + (1200 << 10) + len(quote), "C", None)]  # fmt: skip
    assert len(records.frame["raw"][1]) == 64 << 10


def test_a_record_that_ends_before_its_last_required_field_has_too_few(read_behind: Read) -> None:
    records = read_behind(b"A\nB,\nC,3\n")
    assert rows(records, "sku", "quantity", "problem") == [("A", "", TOO_FEW), ("B", "", None), ("C", "3", None)]


def test_where_the_last_required_column_stands_decides_how_few_fields_are_too_few() -> None:
    header = read_header(b"sku,reason,quantity,location\n")
    records = read(b"A,x\nB,x,2\nC,x,3,\n", header=header)
    assert rows(records, "sku", "problem") == [("A", TOO_FEW), ("B", None), ("C", None)]


def test_surplus_fields_count_if_any_of_them_is_filled_in(read_behind: Read) -> None:
    records = read_behind(b'A,1,,,X,,\nB,2,,,X, ,"",y,z\nC,3,,,X,"a, b"\nD,4,,,X' + b"," * 100 + b"far\n")
    assert rows(records, "sku", "overflow") == [("A", ""), ("B", "y"), ("C", "a, b"), ("D", "far")]


def test_bytes_that_are_not_utf8_become_the_replacement_character_and_stay_in_the_raw_ones(read_behind: Read) -> None:
    records = read_behind(b"A\xe9,1\n\xe2\x82,2\nC,3\n")
    assert rows(records, "sku", "raw") == [("A\ufffd", b"A\xe9,1"), ("\ufffd", b"\xe2\x82,2"), ("C", b"C,3")]


def test_control_characters_are_left_in_for_the_validation_to_find(read_behind: Read) -> None:
    records = read_behind(b"A\x00B,1\n\x1aC,2\n\x07,3\n")
    assert records.frame["sku"].to_list() == ["A\x00B", "\x1aC", "\x07"]


def test_fields_are_stripped_of_blanks_and_otherwise_kept_as_text(read_behind: Read) -> None:
    records = read_behind(b'  007 ,\t+5.0 ,"\xc2\xa0REPLACE ",a  b\r\n1.23E+12,"1,234"\n=1+1,-5\n')
    assert rows(records, "sku", "quantity", "action", "reason") == [
        ("007", "+5.0", "REPLACE", "a  b"), ("1.23E+12", "1,234", "", ""), ("=1+1", "-5", "", "")]  # fmt: skip


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_read_alike(delimiter: str) -> None:
    header = read_header(f"sku{delimiter}quantity{delimiter}reason\n".encode())
    records = read(f'A{delimiter}1{delimiter}"a{delimiter}b, c"\nB{delimiter}2,5\n'.encode(), header=header)
    assert rows(records, "sku", "quantity", "reason") == [("A", "1", f"a{delimiter}b, c"), ("B", "2,5", "")]


def test_columns_stand_in_any_order_and_those_that_are_not_there_are_empty() -> None:
    records = read(b"red;5; A ;B-1\n", header=read_header(b"colour;quantity;sku;to bin\n"))
    assert rows(records, *COLUMNS) == [("A", "5", "", "", "", "B-1", "", "", "", "", "", "")]


def test_a_mended_file_of_rejects_means_what_it_meant_before_it_was_made_safe() -> None:
    header = read_header(b"sku,quantity,note,error_codes,error_messages\n")
    records = read(b"'=A,'+5,''-x,CODE,text,'@more\n'B,6,'' =,,\n", header=header)
    assert rows(records, "sku", "quantity", "note", "overflow") == [
        ("=A", "+5", "'-x", "@more"),
        ("'B", "6", "'' =", ""),
    ]
    plain = read(b"'=A,'+5\n")
    assert rows(plain, "sku", "quantity") == [("'=A", "'+5")]


@pytest.mark.parametrize("start", ["\ufeff", "x^", "x\x01", "(", "BZh"])
def test_a_block_that_begins_like_another_kind_of_file_is_read_as_it_stands(start: str) -> None:
    records = read(start.encode() + b"A,1\n" + CLEAN_PREFIX, block_size=1 << 20)
    assert records.frame["sku"][0] == start + "A"
    assert records.frame["raw"][0] == start.encode() + b"A,1"
    assert records.frame.height == PREFIX_ROWS + 1


@pytest.mark.parametrize("start", [b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"x\x9c", b"x\xda"])
def test_a_block_that_begins_like_a_packed_file_is_not_unpacked(start: bytes) -> None:
    records = read(start + b"A,1\n" + CLEAN_PREFIX, block_size=1 << 20)
    assert records.frame["raw"][0] == start + b"A,1"
    assert records.frame["sku"][0] == (start + b"A").decode("utf-8", "replace")


def test_where_the_parser_finds_other_records_than_the_scan_the_fields_are_cut_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = read_records(Block(CLEAN_PREFIX, START), HEADER)
    parse = parser.pl.read_csv
    monkeypatch.setattr(parser.pl, "read_csv", lambda *given, **named: parse(*given, **named).head(-1))
    assert read_records(Block(CLEAN_PREFIX, START), HEADER).frame.equals(expected.frame)


@pytest.mark.parametrize("all_careful", [False, True], ids=["fast", "careful"])
def test_a_record_of_which_only_an_ignored_column_is_filled_in_is_not_blank(all_careful: bool) -> None:
    header = read_header(b"sku,colour,quantity,size\n")
    content = b"A,,1,\n" * 9000 + b",red,,\n, ,,\n,,,L\n" + b',"",,\n'
    records = read_records(Block(content, START), header, all_careful=all_careful)
    assert records.blank_count == 2
    assert records.frame["raw"][9000:].to_list() == [b",red,,", b",,,L"]


@pytest.mark.parametrize(
    "content",
    [CLEAN_PREFIX * 10, CLEAN_PREFIX * 10 + b'A,"1"\n', CLEAN_PREFIX * 10 + b'A,"1\nB,2"x\n"C,3\n'],
    ids=["plain", "quoted", "careful"],
)
def test_what_a_block_took_is_given_back_without_a_search_for_garbage(content: bytes) -> None:
    def kept() -> int:
        read(content, block_size=1 << 20)
        return tracemalloc.get_traced_memory()[0]

    gc.disable()
    tracemalloc.start()
    try:
        first, last = kept(), [kept() for _ in range(5)][-1]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert last - first < len(content)
