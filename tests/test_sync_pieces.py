"""The rows of a range in pieces: what is written is read again, all at once or in groups of bounded size."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.syncs import batches
from pipeline.syncs.batches import groups, packed, unpacked
from pipeline.syncs.layout import Layout
from pipeline.syncs.pieces import Pieces, read_piece
from pipeline.uploads.header import read_header
from pipeline.uploads.rows import validate_rows
from tests.support.csv_files import HEADER, read

BLOCKS = [
    b'A,1,,"say ""x""\nand y",B-1\nB,2,replace,plain,\n',
    b"A,3,,\xff\xfe,B-1\nC,x,,m\xc3\xbcde,\n\xff,1\n",
    b'D,1,,"a\r\nb","\rc"\nA,4,, \x00 ,B-1\n"open,5\nE,6,,=1+1,\n',
]
"""Line breaks and quotes, bytes that are no text, and records with errors."""


def written(folder: Path, contents: list[bytes], chunk_count: int) -> tuple[list[pl.DataFrame], list[bytes]]:
    """The rows that were added, and the stored bytes of each piece, those of the wipe guard last."""
    pieces = Pieces(folder, Layout(HEADER, "acme", chunk_count, True, 50, 50))
    added = []
    for content in contents:
        added.append(validate_rows(read(content, block_size=1 << 20).frame))
        pieces.add(added[-1])
    found = pieces.stored("key", 0, {}, watched={}, evidence={})
    content = b"".join(pieces.content())
    assert len(content) == sum(found.pieces)
    assert sum(found.piece_rows[:chunk_count]) == found.row_count == sum(rows.height for rows in added)
    edges = [sum(found.pieces[:number]) for number in range(len(found.pieces) + 1)]
    return added, [content[edges[n] : edges[n + 1]] for n in range(len(found.pieces))]


@pytest.mark.parametrize("chunk_count", [1, 3, 50])
@pytest.mark.parametrize("repeats", [1, 200], ids=["too small to pack", "packed"])
def test_what_is_read_from_all_pieces_is_what_was_added(tmp_path: Path, chunk_count: int, repeats: int) -> None:
    added, stored = written(tmp_path, [block * repeats for block in BLOCKS], chunk_count)
    whole = pl.concat(added).with_row_index("row", offset=8).with_columns(pl.col("row").cast(pl.Int32))
    frames = [read_piece(content, 8) for content in stored[:chunk_count] if content]
    assert all(frame["row"].is_sorted() for frame in frames)
    assert_frame_equal(pl.concat(frames).sort("row"), whole)
    assert len(frames) == 1 if chunk_count == 1 else len(frames) > 1


def test_rows_of_one_level_are_in_one_piece_and_what_the_guard_asks_for_is_plain(tmp_path: Path) -> None:
    _, stored = written(tmp_path, [b"A,0,,,B-1\nB,2\n", b"A,5,,,B-1\nC,x\n"], 50)
    frames = [read_piece(content, 0) for content in stored[:50] if content]
    assert [frame["target"].to_list() for frame in frames if "A" in frame["sku"]] == [[0, 5]]
    assert sorted(stored[50].split()) == [b'A,""', b'A,""', b'B,""']


def test_which_chunk_a_row_is_in_follows_from_its_names_alone_so_that_workers_of_any_release_agree(
    tmp_path: Path,
) -> None:
    named = [("", "A", "B-1"), ("acme", "A", "B-1"), ("client", "A", "B-1"), ("", "B", ""), ("", "B", "unassigned")]
    header = read_header(b"sku,quantity,location,customer_account_id\n")
    pieces = Pieces(tmp_path, Layout(header, "acme", 50, True))
    content = "".join(f"{sku},1,{location},{customer}\n" for customer, sku, location in named).encode()
    pieces.add(validate_rows(read(content, block_size=1 << 20, header=header).frame))
    rows = dict(enumerate(pieces.stored("key", 0, {}, watched={}, evidence={}).piece_rows))
    keys = [("", "A", "B-1", "")] * 2 + [("client", "A", "B-1", "")] + [("", "B", "", "")] * 2
    chunks = [crc32("\x1f".join(key).encode()) % 50 for key in keys]
    assert {chunk: count for chunk, count in rows.items() if count} == Counter(chunks)


def test_no_rows_are_no_bytes(tmp_path: Path) -> None:
    _, stored = written(tmp_path, [b"\n\n"], 2)
    assert stored == [b"", b"", b""]


def test_usual_rows_are_stored_in_fewer_bytes_than_the_file_has(tmp_path: Path) -> None:
    content = b"".join(b"SKU-%08d,%d,replace,count of the week,A-%02d\n" % (n, n % 97, n % 31) for n in range(50_000))
    _, stored = written(tmp_path, [content], 20)
    assert sum(map(len, stored[:20])) < len(content)


# Groups ---------------------------------------------------------------------------------------------------------------


def reader(content: bytes, most: int = 1 << 30) -> Callable[[int, int], bytes]:
    """Reads as from an object store, and at most so many bytes at once."""
    return lambda start, size: content[start : start + min(size, most)]


@given(sizes=st.lists(st.integers(1, 5000), max_size=30), most=st.integers(1, 3000), fetched=st.integers(1, 9000))
@settings(max_examples=200, deadline=None)
def test_groups_hold_whole_batches_in_order_and_are_of_bounded_size(sizes: list[int], most: int, fetched: int) -> None:
    parts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    content = b"".join(map(packed, parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_GROUP_BYTES", 6000)
        patch.setattr(batches, "_FETCHED_BYTES", fetched)
        found = list(groups(reader(content, most), len(content)))
    assert b"".join(found) == content
    assert all(len(unpacked(group)) <= 6000 for group in found)
    assert b"".join(map(unpacked, found)) == b"".join(parts)
    joined = [len(unpacked(one)) + len(unpacked(two)) for one, two in pairwise(found)]
    assert all(size > 1000 for size in joined)  # a group is not left before the next batch is too much


def test_a_piece_that_packs_well_is_not_unpacked_at_once() -> None:
    """Many bytes of CSV can be few in the store."""
    content = packed(b"A,1\n" * 500_000) * 20
    assert len(content) < 1 << 20
    assert max(len(unpacked(group)) for group in groups(reader(content), len(content))) <= 8 << 20


def test_a_piece_that_ends_too_early_is_not_taken_for_a_shorter_one() -> None:
    content = packed(b"A" * 10_000) + packed(b"B" * 10)
    for size in (len(content) - 1, 3):
        with pytest.raises(ValueError, match="too early"):
            unpacked(content[:size])
        with pytest.raises(ValueError, match="too early"):
            list(groups(reader(content[:size]), size))
        with pytest.raises(ValueError, match="there are"):
            list(groups(reader(content[:size]), len(content)))
