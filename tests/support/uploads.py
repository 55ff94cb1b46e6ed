"""Writes upload files record by record, and knows of each where it stands: its row, its line and its first byte."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Self

NAMES: Final = ("sku", "quantity", "action", "reason", "location", "note", "colour")
"""The header of the files: all but the last are columns of onhand."""
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Format:
    """How a file is written.

    `ends` take turns; `text_encoding` is what its text must fit into; `pack` is done to the finished UTF-8 bytes.
    """

    names: tuple[str, ...] = NAMES
    delimiter: str = ","
    ends: tuple[str, ...] = ("\n",)
    start: str = ""
    tail: str = ""
    final_end: bool = True
    text_encoding: str = "utf-8"
    pack: Callable[[bytes], bytes] = bytes

    def takes(self, fields: tuple[str, ...]) -> bool:
        """Whether these fields can be written. Surrogates stand for bytes that are not UTF-8."""
        try:
            "".join(fields).encode(self.text_encoding, "surrogateescape" if self.text_encoding == "utf-8" else "strict")
        except UnicodeEncodeError:
            return False
        return True


class Upload:
    """A file under construction."""

    def __init__(self, format_: Format | None = None) -> None:
        self.format = format_ or Format()
        self.places: list[tuple[int, int, int]] = []
        """Row, line and byte offset of each data record; offsets are those of the plain UTF-8 text."""
        self._parts = [_bytes(self.format.start)]
        self._size, self._line = len(self._parts[0]), 1
        self._ends: Iterator[str] = cycle(self.format.ends)
        self._write(self.format.names)

    @property
    def rows(self) -> int:
        """How many data records it has."""
        return len(self.places)

    def record(self, *fields: str) -> Self:
        """A data record, its fields as they are to stand in the file."""
        self.places.append((len(self.places) + 1, self._line, self._size))
        self._write(fields)
        return self

    def blank(self, *fields: str) -> Self:
        """A record without any field filled in."""
        self._write(fields)
        return self

    def clean(self, count: int) -> Self:
        """So many good rows: `clean_sku(n)` holds one unit."""
        rest = [""] * (len(self.format.names) - 2)
        for number in range(count):
            self.record(clean_sku(number), "1", *rest)
        return self

    def content(self) -> bytes:
        """The whole file."""
        plain = b"".join(self._parts)
        if not self.format.final_end:
            plain = plain.rstrip(b"\r\n")
        return self.format.pack(plain + _bytes(self.format.tail))

    def _write(self, fields: tuple[str, ...]) -> None:
        text = self.format.delimiter.join(fields)
        written = _bytes(text + next(self._ends))
        self._parts.append(written)
        self._size += len(written)
        self._line += 1 + (len(_LINE_END.findall(text)) if "\n" in text or "\r" in text else 0)


def clean_sku(number: int) -> str:
    """The product of a clean row."""
    return f"P{number:06d}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
