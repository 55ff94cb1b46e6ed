"""Upload files for the tests of the reader: written, read block by block, and broken on purpose."""

import random
from collections.abc import Iterator
from typing import Final

import polars as pl
import pytest

from pipeline.uploads import careful, parser, scan
from pipeline.uploads.cut import Position, blocks, cut_ranges
from pipeline.uploads.header import Header, read_header
from pipeline.uploads.records import Records, read_records
from pipeline.uploads.watched import all_of

START: Final = Position(0, 1)
HEADER: Final = read_header(b"sku,quantity,action,reason,location\n")
BLANKS: Final = " \t\r\u00a0"
CLEAN_PREFIX: Final = b"".join(b"SKU-%05d,%d,replace,,A-1\n" % (n, n) for n in range(3000))
"""Three blocks of good rows when blocks have SMALL_BLOCK bytes."""
SMALL_BLOCK: Final = 32 << 10

_BYTES: Final = (
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\r\n",
    b"a",
    b"7",
    b" ",
    b'""',
    b'","',
    b"\x00",
    b"\xff",
    b"\xc2\xa0",
    b"\x1a",
)
_MUTATIONS: Final = (b'"', b"\n", b"\r", b",", b"\x00", b"\xff", b"", b'"\n', b"\x1a", b'",', b',"')


def written(rows: list[list[str]], delimiter: str, line_end: str, *, quote_all: bool = False) -> bytes:
    """Well-formed CSV: quotes where they are needed (csv.writer forgets the carriage return), or around every field."""

    def field(text: str) -> str:
        needed = quote_all or set(text) & {delimiter, '"', "\n", "\r"}
        return '"' + text.replace('"', '""') + '"' if needed else text

    return "".join(delimiter.join(map(field, row)) + line_end for row in rows).encode()


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    """The content as it may come from a network."""
    return (content[start : start + size] for start in range(0, len(content), size))


def read(content: bytes, *, piece_size: int = 1000, block_size: int = 1000, header: Header = HEADER) -> Records:
    """All of a file without its header line, cut into blocks and read."""
    parts = [
        read_records(block, header)
        for block in blocks(pieces(content, piece_size), header.delimiter, block_size, START)
    ]
    return joined(parts)


def joined(parts: list[Records]) -> Records:
    """The records of all blocks together."""
    warnings: dict[str, int] = {}
    for part in parts:
        for warning, count in part.warnings.items():
            warnings[warning] = warnings.get(warning, 0) + count
    frames = [part.frame for part in parts]
    return Records(
        pl.concat(frames) if frames else pl.DataFrame(),
        sum(part.blank_count for part in parts),
        warnings,
        all_of(part.watched for part in parts),
    )


def without_tail(content: bytes) -> bytes:
    """What the ranges of a file hold."""
    ranges = list(cut_ranges([content], ",", 1000, START))
    return content[: sum(part.size for part in ranges)]


def random_bytes(chance: random.Random) -> bytes:
    """Bytes of which most mean something in CSV."""
    return b"".join(chance.choices(_BYTES, k=chance.randrange(200)))


def mutated(chance: random.Random) -> bytes:
    """A file of good rows, some of them quoted, with a few bytes replaced."""
    rows = [
        [f"S{n}", str(n), chance.choice(["", "replace"]), chance.choice(["", "a, b", 'say "x"', "two\nlines"]), "A"]
        for n in range(chance.randrange(30))
    ]
    content = bytearray(written(rows, ",", chance.choice(["\n", "\r\n", "\r"])))
    for _ in range(chance.randrange(5)):
        place = chance.randrange(len(content) + 1)
        content[place : place + chance.randrange(3)] = chance.choice(_MUTATIONS)
    return bytes(content)


def shrink_limits(patch: pytest.MonkeyPatch, record: int = 200) -> None:
    """Short records, and the fast ways for stretches of any size: so small files show what large ones meet."""
    patch.setattr(careful, "MAX_RECORD_BYTES", record)
    patch.setattr(parser, "_FAST_BYTES", 0)
    patch.setattr(scan, "_SMALL", 0)
