"""The reader on any bytes: it agrees with Python's csv module and with its own careful machine, and loses no byte."""

import csv
import io
import random
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.uploads import careful
from pipeline.uploads.cut import Block, blocks, cut_ranges
from pipeline.uploads.header import read_header
from pipeline.uploads.records import Records, read_records
from pipeline.uploads.rejects import fields_of
from pipeline.uploads.structure import structure_of
from tests.support.csv_files import (
    BLANKS,
    HEADER,
    START,
    joined,
    mutated,
    pieces,
    random_bytes,
    read,
    shrink_limits,
    without_tail,
    written,
)

NAMES = ("sku", "quantity", "action", "reason", "location")

texts = st.text(st.sampled_from('ab1é,;|\t"\n\r .-#\u00a0\u0085\u2028😀'), max_size=8)
tables = st.lists(st.lists(texts, min_size=5, max_size=5), min_size=1, max_size=25)
marks = st.sampled_from(
    [b",", b'"', b"\n", b"\r", b"a", b" ", b'""', b"\x00", b"\xff", b"\xc2\xa0", b"\x1a", b"\xe2\x82"]
)
any_content = st.lists(marks, max_size=60).map(b"".join) | st.binary(max_size=200)


@pytest.fixture(autouse=True)
def short_records(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_limits(monkeypatch, 400)  # the longest record of `tables` has 5 · (8 · 4 + 2) + 6 bytes


@given(
    rows=tables,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    style=st.tuples(st.booleans(), st.booleans()),
    sizes=st.tuples(st.integers(1, 400), st.integers(1, 400)),
)
@settings(max_examples=150, deadline=None)
def test_records_are_those_of_pythons_csv_module_wherever_the_file_is_cut(
    rows: list[list[str]], delimiter: str, line_end: str, style: tuple[bool, bool], sizes: tuple[int, int]
) -> None:
    quote_all, last_line_ends = style
    piece_size, block_size = sizes
    content = written(rows, delimiter, line_end, quote_all=quote_all)
    content = content if last_line_ends else content.removesuffix(line_end.encode())
    header = read_header(delimiter.join(NAMES).encode() + b"\n")
    parsed = [
        [field.strip(BLANKS) for field in row]
        for row in csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter)
    ]
    expected = [tuple(row) for row in parsed if any(row)]
    records = read(content, piece_size=piece_size, block_size=block_size, header=header)
    assert records.frame.select(NAMES).rows() == expected
    assert records.blank_count == len(parsed) - len(expected)
    assert records.frame["problem"].null_count() == len(expected)


def assert_same(fast: Records, slow: Records) -> None:
    assert_frame_equal(fast.frame, slow.frame)
    assert (fast.blank_count, fast.warnings) == (slow.blank_count, slow.warnings)


@given(content=any_content, record_bytes=st.sampled_from([20, 400]))
@settings(max_examples=250, deadline=None)
def test_the_fast_ways_read_any_bytes_as_the_careful_machine_does(content: bytes, record_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(careful, "MAX_RECORD_BYTES", record_bytes)
        block = Block(content, START)
        assert_same(read_records(block, HEADER), read_records(block, HEADER, all_careful=True))


SOME_IGNORED = read_header(b"title,sku,colour,quantity,size\n")


@given(content=any_content, quoting=st.booleans(), seed=st.integers(0, 10_000))
@settings(max_examples=250, deadline=None)
def test_files_with_ignored_columns_and_files_that_do_not_quote_are_read_as_the_careful_machine_does(
    content: bytes, quoting: bool, seed: int
) -> None:
    header = replace(SOME_IGNORED, quoting=quoting)
    for data in (content, mutated(random.Random(seed))):  # noqa: S311 - repeatable
        block = Block(data, START)
        assert_same(read_records(block, header), read_records(block, header, all_careful=True))


fields_with_quotes = st.text(st.sampled_from('a1", '), max_size=6)


@given(rows=st.lists(st.lists(fields_with_quotes, min_size=1, max_size=7), min_size=1, max_size=8))
@settings(max_examples=250, deadline=None)
def test_a_wrong_quote_is_forgiven_only_where_no_known_field_can_be_another_one(rows: list[list[str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows).encode()
    strict = read_records(
        Block(content, START), replace(SOME_IGNORED, columns=("note", "sku", "lot", "quantity", "reason"))
    )
    records = read_records(Block(content, START), SOME_IGNORED)
    problems = dict(strict.frame.select("line", "problem").iter_rows())
    for line, problem, raw, sku, quantity in records.frame.select(
        "line", "problem", "raw", "sku", "quantity"
    ).iter_rows():
        before = problems[line]
        if before == problem or before not in {"QUOTE_MISPLACED", "QUOTE_NOT_CLOSED"}:
            assert problem == before
            continue
        fields = raw.decode().split(",")
        at = fields_of(raw, b",")
        if len(at) <= 4:  # something behind the wrong quote is known
            assert len(fields) == 5
            assert [field for field in fields[len(at) :] if '"' in field] == []
            assert fields[len(at) - 1].count('"') % 2 == 0
            assert (fields[1].strip(), fields[3].strip()) == (sku, quantity) or '"' in "".join(fields[: len(at) - 1])


@given(content=any_content, piece_size=st.integers(1, 100), block_size=st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_cutting_any_bytes_into_blocks_changes_nothing(content: bytes, piece_size: int, block_size: int) -> None:
    cut = list(blocks(pieces(content, piece_size), ",", block_size, START))
    assert b"".join(block.data for block in cut) == content
    if content:
        assert_same(joined([read_records(block, HEADER) for block in cut]), read_records(Block(content, START), HEADER))


@pytest.mark.parametrize("make", [random_bytes, mutated])
@pytest.mark.parametrize("seed", range(3))
def test_every_byte_of_a_hostile_file_belongs_to_one_record_or_blank_line(make, seed: int) -> None:  # type: ignore[no-untyped-def]
    chance = random.Random(seed)  # noqa: S311 - repeatable
    for _ in range(60):
        content = make(chance)
        rest = without_tail(content)
        assert not content[len(rest) :].strip(b"\x1a\r\n")
        if not rest:
            continue
        structure = structure_of(rest, ",")
        gaps = [rest[end:start] for end, start in zip(structure.ends, [*structure.starts[1:], len(rest)], strict=True)]
        assert all(gap in (b"\n", b"\r", b"\r\n") for gap in gaps[:-1])
        assert structure.starts[0] == 0
        records = read(rest, piece_size=chance.randrange(1, 300), block_size=chance.randrange(1, 300))
        assert records.frame.height + records.blank_count == structure.starts.size
        assert records.frame["byte_offset"].is_sorted()
        assert records.frame["byte_offset"].is_unique().all()
        for line, offset, raw in records.frame.select("line", "byte_offset", "raw").iter_rows():
            assert rest[offset : offset + len(raw)] == raw
            before = rest[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            assert line == 1 + before.count(b"\n")


@pytest.mark.parametrize("make", [random_bytes, mutated])
def test_hostile_files_are_read_as_the_careful_machine_does_and_cut_where_it_says(make) -> None:  # type: ignore[no-untyped-def]
    chance = random.Random(99)  # noqa: S311 - repeatable
    for _ in range(120):
        block = Block(make(chance), START)
        assert_same(read_records(block, HEADER), read_records(block, HEADER, all_careful=True))
        ranges = list(cut_ranges([block.data], ",", 50, START))
        edges = {0, len(without_tail(block.data)), *structure_of(without_tail(block.data), ",").starts.tolist()}
        assert {part.start.offset for part in ranges} <= edges


LINES_THAT_OPEN_A_QUOTE = {
    "each opens one that the next closes": b'x","\n',
    "each opens one": b'a,"b\n',
    "doubled ones": b'a,"b""\n',
    "text behind a closing one": b'"a"b,1\n',
}


@pytest.mark.parametrize("line", LINES_THAT_OPEN_A_QUOTE.values(), ids=LINES_THAT_OPEN_A_QUOTE)
def test_a_file_of_nothing_but_broken_quotes_takes_time_in_proportion(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    walked = 0
    find = careful._Walk.go

    def counted(walk: careful._Walk, machine: careful.Machine, limit: int) -> None:
        nonlocal walked
        before = walk.position
        find(walk, machine, limit)
        walked += walk.position - before

    monkeypatch.setattr(careful._Walk, "go", counted)
    content = line * 20_000
    records = read(content, block_size=1 << 20)
    assert records.frame.height in (20_000, 10_000)
    assert walked <= 2 * len(content)


def test_the_frame_has_the_same_columns_and_types_whatever_was_read() -> None:
    schemas = {
        str(read_records(Block(content, START), HEADER).frame.schema)
        for content in (b"", b"\n", b"A,1\n", b'"A",1\n', b'A,"1', b"\xff", b"A,1,,,,more\n" * 10)
    }
    assert len(schemas) == 1
    assert pl.String in read_records(Block(b"", START), HEADER).frame.schema.values()
