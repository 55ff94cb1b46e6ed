"""Says where a record ends, byte by byte and for any bytes: the definition that the fast ways have to agree with.

A quote is special only at the start of a field. The quoted field ends at a quote that is not doubled, and behind it
must come a delimiter, a line end or the end of the file. Where that does not hold, the record is its first physical
line: one bad quote never swallows good rows. LF, CRLF and CR alone are line ends.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from schemas.errors import ErrorCode

MAX_RECORD_BYTES: Final = 1 << 20
MAX_LINE_BYTES: Final = 4 << 20
"""Where no line ends within so many bytes, the file is no CSV."""

_QUOTE: Final = 0x22
_LINE_ENDS: Final = b"\r\n"
_LINE_END: Final = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class CarefulRecord:
    """A record at `start`, without its line end up to `end`, the next one at `next`; all offsets are in the buffer.

    `delimiters`: where the delimiters between its fields stand. Behind a broken quote all is one field.
    `problem`: QUOTE_MISPLACED, QUOTE_NOT_CLOSED or None.
    """

    start: int
    end: int
    next: int
    delimiters: list[int]
    problem: ErrorCode | None


class _State(Enum):
    FIELD = "at the start of a field"
    PLAIN = "within a field without quotes"
    QUOTED = "within quotes"
    ENDED = "the record has ended"
    BROKEN = "text stands behind a closing quote, or the file ends within quotes"


class _Walk:
    """A walk over a record of several lines, which can be taken up again.

    Records that start within a record that turned out broken, and whose first line ends within quotes, go the same way
    from there on. So they share the walk, and a file full of broken quotes is still read in linear time.
    It does not keep the machine, which keeps it: a buffer would stay in memory until somebody looks for such cycles.
    """

    def __init__(self, start: int, position: int) -> None:
        """`position`: a line end within quotes."""
        self._start = start
        self.position = position
        self.state = _State.QUOTED

    def passed(self, start: int, line_end: int) -> bool:
        """Whether a record at `start`, in quotes at `line_end`, goes this way."""
        return self._start <= start and line_end < self.position

    def go(self, machine: "Machine", limit: int) -> None:
        """Walk on in the machine's buffer until the record has ended, is broken, or `limit` was passed."""
        while self.position <= limit and self.position <= len(machine.data):
            if self.state is _State.QUOTED:
                self._close(machine, limit)
            elif self.state is _State.FIELD and machine.is_quote(self.position):
                self.position += 1
                self.state = _State.QUOTED
            elif self.state in (_State.FIELD, _State.PLAIN):
                self._run(machine, limit)
            else:
                return

    def _close(self, machine: "Machine", limit: int) -> None:
        quote = machine.data.find(b'"', self.position, limit + 1)
        if quote < 0:
            at_end = limit + 1 > len(machine.data)
            self.position = len(machine.data) if at_end else limit + 1
            if at_end:
                self.state = _State.BROKEN
                self.position += 1  # all of the rest is known to be within quotes
            return
        behind = machine.data[quote + 1 : quote + 2]
        self.position = quote + 1
        if behind == b'"':
            self.position += 1
        elif behind == machine.delimiter:
            self.position += 1
            self.state = _State.FIELD
        else:
            self.state = _State.ENDED if not behind or behind in _LINE_ENDS else _State.BROKEN

    def _run(self, machine: "Machine", limit: int) -> None:
        end = machine.field_end.search(machine.data, self.position, limit + 1)
        if end is None:
            at_end = limit + 1 > len(machine.data)
            self.position = len(machine.data) if at_end else limit + 1
            self.state = _State.ENDED if at_end else _State.PLAIN
            return
        self.position = end.start()
        if end[0] == machine.delimiter:
            self.position += 1
            self.state = _State.FIELD
        else:
            self.state = _State.ENDED


class Machine:
    """Reads records of one buffer, one after the other from its start to its end."""

    def __init__(self, data: bytes, delimiter: str, *, final: bool = True, quoting: bool = True) -> None:
        """`final`: nothing comes behind the buffer. Without `quoting`, quotes are text."""
        self.data = data
        self.delimiter = delimiter.encode()
        self.field_end = re.compile(b"[\r\n" + re.escape(self.delimiter) + b"]")
        self._final = final
        self._quoting = quoting
        self._walk = _Walk(0, 0)

    def is_quote(self, position: int) -> bool:
        return self._quoting and position < len(self.data) and self.data[position] == _QUOTE

    def record(self, start: int) -> CarefulRecord | None:
        """The record at `start`, or None where more bytes are needed to say where it ends."""
        line_end = self.line_end(start)
        if not self._certain(line_end + 1):
            return None
        if line_end - start > MAX_RECORD_BYTES:
            return self._line(start, line_end, [], None)
        delimiters: list[int] = []
        field = self._plain(start, line_end, delimiters)
        while self.is_quote(field):
            end = self._closing(field, line_end)
            if end is None:
                return self._lines(start, line_end, delimiters)
            if end == line_end:
                return self._line(start, line_end, delimiters, None)
            if self.data[end : end + 1] != self.delimiter:
                return self._line(start, line_end, delimiters, ErrorCode.QUOTE_MISPLACED)
            delimiters.append(end)
            field = self._plain(end + 1, line_end, delimiters)
        return self._line(start, line_end, delimiters, None)

    def line_end(self, start: int) -> int:
        """Where the physical line ends that `start` is in."""
        found = _LINE_END.search(self.data, start)
        return found.start() if found else len(self.data)

    def _plain(self, field: int, line_end: int, delimiters: list[int]) -> int:
        """Pass fields without quotes, as far as the line goes. Returns where a quoted field or the line's end is."""
        while not self.is_quote(field):
            end = self.data.find(self.delimiter, field, line_end)
            if end < 0:
                return line_end
            delimiters.append(end)
            field = end + 1
        return field

    def _closing(self, opening: int, line_end: int) -> int | None:
        """The offset behind the quote that closes the field, or None where there is none on this line."""
        position = opening + 1
        while (quote := self.data.find(b'"', position, line_end)) >= 0:
            if not self.is_quote(quote + 1):
                return quote + 1
            position = quote + 2
        return None

    def _lines(self, start: int, line_end: int, delimiters: list[int]) -> CarefulRecord | None:
        """A record whose first line ends within quotes."""
        limit = start + MAX_RECORD_BYTES
        if not self._certain(limit + 2):
            return None
        if not self._walk.passed(start, line_end):
            self._walk = _Walk(start, line_end)
        self._walk.go(self, limit)
        end = self._walk.position
        if self._walk.state is not _State.ENDED or end > limit:
            return self._line(start, line_end, delimiters, ErrorCode.QUOTE_NOT_CLOSED)
        return self._line(start, end, self._all_delimiters(start, end), None)

    def _all_delimiters(self, start: int, end: int) -> list[int]:
        """The delimiters of a good record."""
        delimiters: list[int] = []
        field = start
        while True:
            if self.is_quote(field):
                behind = self._closing(field, end)
                field = end if behind is None else behind
            else:
                found = self.data.find(self.delimiter, field, end)
                field = found if found >= 0 else end
            if field >= end:
                return delimiters
            delimiters.append(field)
            field += 1

    def _line(self, start: int, end: int, delimiters: list[int], problem: ErrorCode | None) -> CarefulRecord:
        width = 2 if self.data[end : end + 2] == b"\r\n" else 1
        return CarefulRecord(start, end, min(end + width, len(self.data)), delimiters, problem)

    def _certain(self, size: int) -> bool:
        """Whether no byte that comes later can change what is said about the first `size` bytes."""
        return self._final or size < len(self.data)
