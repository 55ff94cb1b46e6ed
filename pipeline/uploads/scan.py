"""Finds the stretches of a buffer whose records can be read fast, and has the careful machine read the others."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.uploads import careful
from pipeline.uploads.careful import Machine
from pipeline.uploads.lines import Flags, Lines, Offsets
from schemas.errors import ErrorCode

_QUOTE: Final = 0x22
_LF: Final = 0x0A
_CR: Final = 0x0D
_SMALL: Final = 512
"""Bytes. A stretch that is smaller, behind a careful one, costs less to read carefully than to read on its own."""
_MOST_CAREFUL: Final = 1024


class Kind(Enum):
    """Why the edges of the records in a stretch are certain."""

    PLAIN = "no field begins with a quote: every line end is an edge, and all quotes are literal"
    QUOTED = "every quote is well-formed: every line end outside of quotes is an edge"
    LINES = "no line ends within quotes: every line end is an edge; which quotes are literal is told by `depths`"
    CAREFUL = "the machine has read each record"


@dataclass(frozen=True)
class Stretch:
    """Whole records from `start` to `end`. What follows is there for careful ones only.

    `delimiters` stand between fields, `ends` are those of the records without their line ends, `edges` where the next
    ones begin; `problems` by the start of a record.
    """

    kind: Kind
    start: int
    end: int
    delimiters: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    edges: "array[int]" = field(default_factory=lambda: array("q"))
    problems: dict[int, ErrorCode] = field(default_factory=dict)


@dataclass(frozen=True)
class _Side:
    """One of the two ways in which quotes can pair up.

    `wrong`: quotes that cannot be what they would have to be. `edges`: line ends outside of quotes. `before_long`:
    those of them behind which something begins that may be too long for a record.
    """

    wrong: Offsets
    edges: Offsets
    before_long: Offsets


class Scan:
    """The quotes and line ends of a buffer that begins at an edge of a record."""

    def __init__(self, data: bytes, delimiter: str, *, final: bool = True, quoting: bool = True) -> None:
        """`final`: nothing comes behind the buffer. Otherwise only what later bytes cannot change is told.

        Without `quoting`, quotes are text.
        """
        self.data = data
        self._bytes = np.frombuffer(data, np.uint8)
        self._final = final
        self._machine = Machine(data, delimiter, final=final, quoting=quoting)
        self._delimiter = ord(delimiter)
        has_quotes = quoting and b'"' in data
        self.quotes: Offsets = np.flatnonzero(self._bytes == _QUOTE) if has_quotes else np.empty(0, np.int64)
        if self.quotes.size:
            self._look_at_quotes()

    def stretches(self) -> Iterator[Stretch]:
        """The buffer in stretches, one behind the other; without `final`, as far as all is certain."""
        position = 0
        amount = 0  # of records that were read carefully just before
        while position < len(self.data):
            stretch = self._fast(position)
            if stretch is None or (amount and stretch.end - position < _SMALL):
                amount = min(2 * amount, _MOST_CAREFUL) or 1
                stretch = self._careful(position, amount)
            else:
                amount = 0
            if stretch.end == position:
                return
            yield stretch
            position = stretch.end

    def all_careful(self) -> Iterator[Stretch]:
        """The same, all read by the machine: what `stretches` has to agree with."""
        stretch = self._careful(0, len(self.data))
        if stretch.end:
            yield stretch

    def edge(self, stretch: Stretch, at_least: int) -> int:
        """The first edge of a record in the stretch that is at or behind `at_least`, which the stretch reaches."""
        if stretch.kind is Kind.CAREFUL:
            return next(edge for edge in stretch.edges if edge >= at_least)
        if not self.quotes.size:
            return self._first_line_end(at_least)
        edges = self._side(stretch.start).edges if stretch.kind is Kind.QUOTED else self._edges
        return int(edges[edges.searchsorted(at_least)])

    def _look_at_quotes(self) -> None:
        """Which quotes can open and which can close a field; where lines end."""
        quotes, size = self.quotes, len(self.data)
        before = self._bytes[quotes - 1]
        behind = self._bytes[np.minimum(quotes + 1, size - 1)]
        self._at_start = self._is_edge(before) | (quotes == 0)
        self._opens = self._at_start | (before == _QUOTE)
        self._doubled = behind == _QUOTE
        self._closes = self._is_edge(behind) | self._doubled | (quotes == size - 1)
        self._openings = quotes[self._at_start]
        self._edges = self._all_edges()
        self._edge_parity = quotes.searchsorted(self._edges) & 1
        self._sides: dict[int, _Side] = {}

    def _is_edge(self, values: npt.NDArray[np.uint8]) -> Flags:
        edge: Flags = (values == self._delimiter) | (values == _LF) | (values == _CR)
        return edge

    def _side(self, position: int) -> "_Side":
        """What holds if the first quote from `position` on opens a field, and the quotes behind it pair up."""
        parity = int(self.quotes.searchsorted(position)) & 1
        if parity not in self._sides:
            right = np.empty(self.quotes.size, bool)
            right[parity::2] = self._opens[parity::2]
            right[1 - parity :: 2] = self._closes[1 - parity :: 2]
            edges = self._edges[self._edge_parity == parity]
            starts = np.concatenate((np.zeros(1, np.int64), edges))
            before_long = starts[:-1][np.diff(starts) > careful.MAX_RECORD_BYTES]
            self._sides[parity] = _Side(self.quotes[~right], edges, before_long)
        return self._sides[parity]

    def _all_edges(self) -> Offsets:
        """Where lines end: behind each LF, each CR without an LF, and the last byte if nothing follows."""
        data, size = self._bytes, len(self.data)
        ends = data == _LF
        if b"\r" in self.data:
            returns = data == _CR
            returns[:-1] &= ~ends[1:]
            returns[-1] &= self._final
            ends |= returns
        if self._final and size:
            ends[-1] = True
        return np.flatnonzero(ends) + 1

    @cached_property
    def lines(self) -> Lines:
        """What the quotes of each line are, if a record begins with it."""
        return Lines(self.quotes, self._edges, self._at_start, self._closes, self._doubled)

    def _fast(self, position: int) -> Stretch | None:
        """The longest stretch from `position` that needs no machine."""
        if not self.quotes.size:
            end = self._last_line_end()
            return Stretch(Kind.PLAIN, position, end) if end > position else None
        ends = [(self._plain_end(position), Kind.PLAIN), (self._quoted_end(position), Kind.QUOTED)]
        if not self._edges.size or max(ends[0][0], ends[1][0]) < self._edges[-1]:
            ends.append((self._lines_end(position), Kind.LINES))
        end, kind = max(ends, key=lambda found: found[0])
        return Stretch(kind, position, end) if end > position else None

    def _plain_end(self, position: int) -> int:
        return _last(self._edges, _first(self._openings, position, len(self.data)))

    def _quoted_end(self, position: int) -> int:
        side = self._side(position)
        limit = _first(side.wrong, position, len(self.data))
        limit = _first(side.before_long, position, limit)
        return _last(side.edges, limit)

    def _lines_end(self, position: int) -> int:
        return _last(self._edges, _first(self.lines.undecided, position, len(self.data)))

    def _last_line_end(self) -> int:
        """The last certain edge of a buffer without quotes."""
        data = self.data
        if self._final:
            return len(data)
        return max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1

    def _first_line_end(self, at_least: int) -> int:
        """The first edge at or behind `at_least`, in a buffer without quotes."""
        data = self.data
        found = self._machine.line_end(max(at_least - 1, 0))
        if data[found : found + 2] == b"\r\n":
            found += 1
        return min(found + 1, len(data))

    def _careful(self, start: int, amount: int) -> Stretch:
        delimiters, ends, edges = array("q"), array("q"), array("q")
        problems: dict[int, ErrorCode] = {}
        position = start
        while len(edges) < amount and position < len(self.data) and (record := self._machine.record(position)):
            delimiters.extend(record.delimiters)
            ends.append(record.end)
            edges.append(record.next)
            if record.problem:
                problems[position] = record.problem
            position = record.next
        return Stretch(Kind.CAREFUL, start, position, delimiters, ends, edges, problems)


def _first(positions: Offsets, at_least: int, limit: int) -> int:
    """The first of the positions from `at_least` on, at most `limit`."""
    index = int(positions.searchsorted(at_least))
    return min(int(positions[index]), limit) if index < positions.size else limit


def _last(edges: Offsets, limit: int) -> int:
    """The last edge up to `limit`, 0 where there is none."""
    index = int(edges.searchsorted(limit, side="right"))
    return int(edges[index - 1]) if index else 0
