"""Cuts the bytes of a file at edges of records, in bounded memory and always at the same places."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.errors import Invalid
from pipeline.uploads import careful
from pipeline.uploads.scan import Scan
from schemas.errors import ErrorCode

_BLOCK_BYTES: Final = 4 << 20
_MOST_LINES: Final = 70_000
_MOST_MARKS: Final = 1_000_000
"""Delimiters and quotes. What a block costs once it is read depends on records and fields more than on bytes."""
_LONGEST_TAIL: Final = 64 << 10
_CTRL_Z: Final = b"\x1a"
_TAIL_BYTES: Final = _CTRL_Z + b"\r\n"
_LF: Final = 0x0A
_CR: Final = 0x0D
_QUOTE: Final = 0x22


@dataclass(frozen=True)
class Position:
    """Where a record begins: its byte from 0 and its physical line from 1, in the plain bytes of the file."""

    offset: int
    line: int


@dataclass(frozen=True)
class Block:
    """Whole records, with their line ends."""

    data: bytes
    start: Position


@dataclass(frozen=True)
class Range:
    """A part of the file that holds whole records: `size` bytes."""

    start: Position
    size: int


def blocks(
    pieces: Iterable[bytes], delimiter: str, size: int, start: Position, *, bounded: bool = True
) -> Iterator[Block]:
    """Join and cut pieces into blocks of whole records, which are never empty.

    A block ends at the first edge of a record that is at least `size` bytes behind its start, or, where it is
    `bounded`, behind as many line ends, or delimiters and quotes, as may be in memory at once: where it is cut depends
    on the content and the size alone. The bytes must begin and end at an edge, or end with the file.

    Raises:
        Invalid: FILE_NOT_CSV, a line has no end within MAX_LINE_BYTES.
    """
    source = iter(pieces)
    buffer = bytearray()
    final = False
    ahead = lookahead = careful.MAX_RECORD_BYTES + 4
    while buffer or not final:
        while len(buffer) < size + ahead and not final:
            piece = next(source, None)
            final = piece is None
            buffer += piece or b""
        wanted = _bounded_size(buffer, delimiter, size) if bounded else size
        data = bytes(memoryview(buffer)[: wanted + ahead])
        end = _edge(data, delimiter, wanted, final=final and len(data) == len(buffer))
        if end is None:
            if len(data) >= wanted + careful.MAX_LINE_BYTES:
                raise Invalid(ErrorCode.FILE_NOT_CSV, _endless(start))
            ahead = min(2 * ahead + wanted, careful.MAX_LINE_BYTES)
            continue
        if end:
            yield Block(data[:end], start)
            start = Position(start.offset + end, start.line + _line_ends(data, end))
            del buffer[:end]
        ahead = lookahead


def cut_ranges(pieces: Iterable[bytes], delimiter: str, size: int, start: Position) -> Iterator[Range]:
    """Cut a file into ranges of at least `size` bytes, the last one excepted, without holding one in memory.

    What older systems put behind the end of a text, Ctrl-Z with line ends around, belongs to no range.

    Raises:
        Invalid: as `blocks`.
    """
    first, total = start, 0
    for block in blocks(_without_tail(pieces), delimiter, min(size, _BLOCK_BYTES), start, bounded=False):
        if not total:
            first = block.start
        total += len(block.data)
        if total >= size:
            yield Range(first, total)
            total = 0
    if total:
        yield Range(first, total)


def _bounded_size(buffer: bytearray, delimiter: str, size: int) -> int:
    """How many of the first `size` bytes hold no more lines, delimiters and quotes than a block may; at least one."""
    part = np.frombuffer(buffer, np.uint8, min(size, len(buffer)))
    lines = (part == _LF) | (part == _CR)
    lines[:-1] &= (part[:-1] != _CR) | (part[1:] != _LF)
    for found, most in ((lines, _MOST_LINES), ((part == ord(delimiter)) | (part == _QUOTE), _MOST_MARKS)):
        if np.count_nonzero(found) >= most:
            size = min(size, int(np.flatnonzero(found)[most - 1]) + 1)
    return size


def _edge(data: bytes, delimiter: str, size: int, *, final: bool) -> int | None:
    """The first edge that is at least `size` bytes in, or the end of the file; None where more bytes are needed."""
    scan = Scan(data, delimiter, final=final)
    for stretch in scan.stretches():
        if stretch.end >= size:
            return scan.edge(stretch, size)
    return len(data) if final else None


def _line_ends(data: bytes, end: int) -> int:
    """How many physical lines end in the first `end` bytes."""
    part = np.frombuffer(data, np.uint8, end)
    count = int(np.count_nonzero(part == _LF))
    if data.find(b"\r", 0, end) >= 0:
        returns = part == _CR
        count += int(np.count_nonzero(returns)) - int(np.count_nonzero(returns[:-1] & (part[1:] == _LF)))
    return count


def _endless(start: Position) -> str:
    megabytes = careful.MAX_LINE_BYTES >> 20
    return f"a line behind line {start.line} (byte {start.offset}) does not end within {megabytes} MB"


def _without_tail(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces without the Ctrl-Z bytes, and the line ends among them, at the very end of a file."""
    held = b""
    too_long = False  # what was held was too long for a tail, and went on since
    for piece in pieces:
        joined = held + piece
        end = len(joined.rstrip(_TAIL_BYTES))
        if end == 0 and too_long:
            yield joined
            continue
        cut = joined.find(_CTRL_Z, end)
        if cut < 0:
            cut = len(joined)
        too_long = len(joined) - cut > _LONGEST_TAIL
        if too_long:
            cut = len(joined)
        yield joined[:cut]
        held = joined[cut:]
