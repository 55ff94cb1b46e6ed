"""Batches of a piece: each is CSV that can be read without the others, packed on its own."""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

_SIZES: Final = struct.Struct("<II")
"""In front of each batch: its bytes as they are stored, and unpacked. They are the same where it is not packed."""
_LEVEL: Final = 1
_WORTH_PACKING: Final = 2 << 10
_FETCHED_BYTES: Final = 4 << 20
_GROUP_BYTES: Final = 8 << 20
"""Of CSV; as rows in memory it is some five times as much."""


def packed(batch: bytes) -> bytes:
    """A batch as it is stored."""
    stored = zlib.compress(batch, _LEVEL) if len(batch) >= _WORTH_PACKING else batch
    if len(stored) >= len(batch):
        stored = batch
    return _SIZES.pack(len(stored), len(batch)) + stored


def unpacked(content: bytes) -> bytes:
    """The CSV of batches that are stored one behind the other.

    Raises:
        ValueError: the content does not consist of whole batches.
    """
    parts = []
    place = 0
    while place < len(content):
        stored, size = _sizes(content, place)
        start, place = place + _SIZES.size, place + _SIZES.size + stored
        part = content[start:place]
        if len(part) < stored:
            raise ValueError("a batch ends too early")
        parts.append(part if stored == size else zlib.decompress(part, bufsize=size))
    return b"".join(parts)


def groups(read: Callable[[int, int], bytes], size: int) -> Iterator[bytes]:
    """The batches of `size` bytes in groups, as they are stored: as many in each as are at most 8 MB of CSV, or one.

    `read(start, size)` gives some of the bytes; a group is all that is held in memory.

    Raises:
        ValueError: the content does not consist of whole batches.
    """
    buffer = b""
    fetched = 0
    while buffer or fetched < size:
        end, whole = _group(buffer)
        if not whole and fetched < size:
            more = read(fetched, min(_FETCHED_BYTES, size - fetched))
            if not more:
                raise ValueError(f"there are {fetched} bytes of {size}")
            fetched += len(more)
            buffer += more
            continue
        if not end:
            raise ValueError("a batch ends too early")
        yield buffer[:end]
        buffer = buffer[end:]


def _group(buffer: bytes) -> tuple[int, bool]:
    """How many bytes of the buffer are the next group, and whether no more could belong to it."""
    end = total = 0
    while end + _SIZES.size <= len(buffer):
        stored, size = _sizes(buffer, end)
        if end and total + size > _GROUP_BYTES:
            return end, True
        behind = end + _SIZES.size + stored
        if behind > len(buffer):
            break
        end, total = behind, total + size
    return end, False


def _sizes(content: bytes, place: int) -> tuple[int, int]:
    if len(content) - place < _SIZES.size:
        raise ValueError("a batch ends too early")
    stored, size = _SIZES.unpack_from(content, place)
    return int(stored), int(size)
