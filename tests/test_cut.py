"""Cutting a file at edges of records: the same cuts however the bytes come, in bounded memory."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.uploads import careful, cut
from pipeline.uploads.cut import Position, Range, blocks, cut_ranges
from schemas.errors import ErrorCode
from tests.support.csv_files import START, pieces, shrink_limits

contents = st.lists(
    st.sampled_from([b"A,1\n", b'"a\nb",2\r\n', b'x"y\r', b'"open\n', b"\x1a", b"\n"]), max_size=40
).map(b"".join)


def cuts(ranges: list[Range]) -> list[tuple[int, int, int]]:
    return [(part.start.offset, part.start.line, part.size) for part in ranges]


@given(content=contents, piece_size=st.integers(1, 100), size=st.integers(1, 100))
@settings(max_examples=200, deadline=None)
def test_cuts_depend_on_the_content_alone(content: bytes, piece_size: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shrink_limits(patch, 50)
        assert list(blocks(pieces(content, piece_size), ",", size, START)) == list(blocks([content], ",", size, START))
        ranges = list(cut_ranges(pieces(content, piece_size), ",", size, START))
    assert ranges == list(cut_ranges([content], ",", size, START))


@given(content=contents, size=st.integers(1, 100))
@settings(max_examples=200, deadline=None)
def test_ranges_lie_one_behind_the_other_and_hold_all_but_the_tail(content: bytes, size: int) -> None:
    ranges = list(cut_ranges([content], ",", size, Position(7, 3)))
    end = 0
    for part in ranges:
        assert part.start.offset == 7 + end
        before = content[:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert part.start.line == 3 + before.count(b"\n")
        end += part.size
    assert all(part.size >= size for part in ranges[:-1])
    assert not content[end:].strip(b"\x1a\r\n")
    assert content[end:].startswith(b"\x1a") or end == len(content)


def test_a_range_read_by_itself_has_the_records_that_it_has_in_the_file() -> None:
    content = b"".join(b'A%d,1,,"two\nlines"\r\n' % n + b'B%d,2,,"open\n' % n for n in range(200))
    whole = b"".join(block.data for block in blocks([content], ",", 100, START))
    parts = []
    for part in cut_ranges([content], ",", 1000, START):
        data = content[part.start.offset : part.start.offset + part.size]
        parts += [(block.start, block.data) for block in blocks([data], ",", 100, part.start)]
    assert b"".join(data for _, data in parts) == whole == content
    lines = [position.line for position, _ in parts]
    assert lines == [1 + content[: position.offset].count(b"\n") for position, _ in parts]
    assert all(data.startswith((b"A", b"B")) for _, data in parts)


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"A,1\n\x1a", b"A,1\n"),
        (b"A,1\x1a", b"A,1"),
        (b"A,1\r\n\x1a\r\n", b"A,1\r\n"),
        (b"A,1\n\n\x1a\x1a\n\x1a", b"A,1\n\n"),
        (b"A,1\n\x1a\nB,2\n", b"A,1\n\x1a\nB,2\n"),
        (b"A,1\n" + b"\x1a" * 1_100, b"A,1\n" + b"\x1a" * 1_100),
        (b"\x1a", b""),
        (b"", b""),
    ],
    ids=["one", "no line end before", "CRLF behind", "several", "in the middle", "too many", "nothing else", "empty"],
)
@pytest.mark.parametrize("piece_size", [1, 3, 1 << 20])
def test_what_follows_a_ctrl_z_at_the_end_belongs_to_no_range(
    content: bytes, kept: bytes, piece_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut, "_LONGEST_TAIL", 1000)
    ranges = list(cut_ranges(pieces(content, piece_size), ",", 1 << 20, START))
    assert cuts(ranges) == ([(0, 1, len(kept))] if kept else [])


def test_crlf_is_never_cut_apart() -> None:
    content = b"A,1\r\n" * 50
    for size in range(1, 12):
        assert all(block.data.endswith(b"\r\n") for block in blocks(pieces(content, 1), ",", size, START))


def test_a_record_longer_than_a_block_is_in_one_block() -> None:
    content = b"A,1\n" + b'"' + b"x\n" * 500 + b'",2\n' + b"B,1\n" + b"y" * 2000 + b"\nC,1\n"
    assert [len(block.data) for block in blocks(pieces(content, 9), ",", 5, START)] == [1009, 2005, 4]


@pytest.mark.parametrize("quote", [b"", b'"'], ids=["plain", "within quotes"])
def test_a_line_without_end_is_no_csv_and_is_not_held_in_memory(quote: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful, "MAX_LINE_BYTES", 4 << 20)

    def endless() -> Iterator[bytes]:
        yield b"A,1\n" + quote
        piece = b"x" * (1 << 20)
        while True:
            yield piece

    tracemalloc.start()
    with pytest.raises(Invalid) as refused:
        list(cut_ranges(endless(), ",", 1 << 20, START))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code is ErrorCode.FILE_NOT_CSV
    assert "4 MB" in refused.value.detail
    assert peak < 64 << 20


def test_a_long_file_is_cut_in_the_memory_of_a_block() -> None:
    def long() -> Iterator[bytes]:
        piece = b'A,1,"two\nlines"\nB,2\n' * 50_000
        yield from [piece] * 60

    tracemalloc.start()
    ranges = list(cut_ranges(long(), ",", 16 << 20, START))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(part.size for part in ranges) == 60 * 50_000 * 20
    assert peak < 200 << 20


def test_a_quote_that_is_never_closed_does_not_keep_a_file_from_being_cut() -> None:
    content = b'A,1,"open\n' + b"B,2\n" * 1_000_000
    ranges = list(cut_ranges(pieces(content, 1 << 20), ",", 1 << 20, START))
    assert [part.size for part in ranges[:-1]] == [(1 << 20) + 2, 1 << 20, 1 << 20]


def test_a_block_ends_early_where_it_holds_many_lines_or_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "_MOST_LINES", 10)
    monkeypatch.setattr(cut, "_MOST_MARKS", 100)
    content = b"A,1\r\n" * 25 + b"," * 250 + b"\n" + b"\n" * 12 + b'"a\n' + b"b\n" * 20 + b'",2\n'
    expected = [50, 50, 25 + 251, 10, 2 + 47]
    for piece_size in (1, 7, 1 << 20):
        assert [len(block.data) for block in blocks(pieces(content, piece_size), ",", 10_000, START)] == expected
    whole = blocks([content], ",", 10_000, START, bounded=False)
    assert [len(block.data) for block in whole] == [len(content)]
