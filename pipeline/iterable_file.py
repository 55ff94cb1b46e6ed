"""Reads an iterable of bytes as a file, for libraries that want a file."""

import io
from collections.abc import Iterable
from typing import Any


class IterableFile(io.RawIOBase):
    """An iterable of bytes as a file that can be read once, from start to end. `size`: bytes read so far."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.size += count
        return count
