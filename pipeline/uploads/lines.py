"""Tells of each line of a buffer, as columns, what its quotes are if a record begins with it."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.uploads import careful

Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_MOST_QUOTES: Final = 64
"""A line with more is left to the machine."""
_OUTSIDE, _INSIDE, _DOUBLED, _BROKEN = range(4)


class Lines:
    """The machine's way through all lines at once: one step is the next quote of each line.

    `undecided`: the starts of lines that end within quotes, or that only the machine should read. `broken`: the starts
    of lines with text behind a closing quote. `odd`: these, and those with a literal quote. All are sorted.
    """

    def __init__(self, quotes: Offsets, edges: Offsets, at_start: Flags, closes: Flags, doubled: Flags) -> None:
        """`edges`: where lines end. Of each quote: is it at the start of a field, can it close one, does one follow."""
        self._quotes = quotes
        starts = np.concatenate((np.zeros(1, np.int64), edges))
        line = edges.searchsorted(quotes, side="right")
        with_quotes, first, count = np.unique(line, return_index=True, return_counts=True)
        state = np.zeros(with_quotes.size, np.int8)
        turns = np.zeros(quotes.size, np.int8)  # 1 opens, -1 closes
        literal = np.zeros(with_quotes.size, bool)
        active = np.arange(with_quotes.size)
        for step in range(_MOST_QUOTES):
            active = active[count[active] > step]
            if not active.size:
                break
            quote = first[active] + step
            before = state[active]
            opening = (before == _OUTSIDE) & at_start[quote]
            literal[active] |= (before == _OUTSIDE) & ~opening
            inside = before == _INSIDE
            double = inside & doubled[quote]
            closing = inside & closes[quote] & ~double
            turns[quote] = opening.astype(np.int8) - closing
            after = np.where(opening | (before == _DOUBLED), _INSIDE, before)
            after[double] = _DOUBLED
            after[closing] = _OUTSIDE
            after[inside & ~double & ~closing] = _BROKEN
            state[active] = after
        self._depth = np.concatenate((np.zeros(1, np.int64), np.cumsum(turns, dtype=np.int64)))
        self._starts = starts
        self.broken: Offsets = starts[with_quotes[state == _BROKEN]]
        self.odd: Offsets = starts[with_quotes[literal | (state == _BROKEN)]]
        stops = starts[with_quotes[((state != _OUTSIDE) & (state != _BROKEN)) | (count > _MOST_QUOTES)]]
        long = starts[:-1][np.diff(starts) > careful.MAX_RECORD_BYTES]
        self.undecided: Offsets = np.union1d(stops, long)

    def outside(self, at: Offsets) -> Flags:
        """Which of these places are outside of quotes, each seen from the start of its line."""
        line_start = self._starts[self._starts.searchsorted(at, side="right") - 1]
        quotes = self._quotes
        outside: Flags = self._depth[quotes.searchsorted(at)] == self._depth[quotes.searchsorted(line_start)]
        return outside
