"""Where the records and fields of a block are, as arrays of offsets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.uploads import careful
from pipeline.uploads.bare_quotes import certain_from
from pipeline.uploads.lines import Flags, Offsets
from pipeline.uploads.scan import Kind, Scan, Stretch
from schemas.errors import ErrorCode

_QUOTE: Final = 0x22
_LF: Final = 0x0A
_CR: Final = 0x0D
_LINE_END: Final = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Structure:
    """The records of a block, and one behind the other all of their fields. Offsets are bytes of the block.

    Records: `starts`, `ends` (without the line end), `lines` (physical line ends before it), `first_field` (an index
    into the fields), `field_count`. `broken` are those with a wrong quote that leaves something uncertain, whose last
    field stands as it is, and `problems` says what is wrong with each. Fields: `field_starts`, `field_ends`, with their
    quotes; `bare_fields` begin with a quote which is text.
    """

    data: bytes
    scan: Scan
    stretches: list[Stretch]
    starts: Offsets
    ends: Offsets
    lines: Offsets
    first_field: Offsets
    field_count: Offsets
    field_starts: Offsets
    field_ends: Offsets
    broken: Offsets
    problems: "np.ndarray[tuple[int], np.dtype[np.object_]]"
    bare_fields: Offsets
    quoting: bool

    @cached_property
    def buffer(self) -> pl.Series:
        """The data as the one value of a series."""
        return pl.Series([self.data], dtype=pl.Binary)

    @cached_property
    def broken_fields(self) -> Offsets:
        """The rest of each broken record."""
        return self.first_field[self.broken] + self.field_count[self.broken] - 1

    def quoted(self, fields: Offsets) -> Flags:
        """Which of these fields are in quotes."""
        if not self.quoting:
            return np.zeros(fields.size, bool)
        first = np.minimum(self.field_starts[fields], len(self.data) - 1)
        begins: Flags = np.frombuffer(self.data, np.uint8)[first] == _QUOTE
        begins &= self.field_ends[fields] > self.field_starts[fields]
        for bare in (self.broken_fields, self.bare_fields):
            if bare.size:
                begins &= ~np.isin(fields, bare)
        return begins

    def records_of(self, stretch: Stretch) -> tuple[int, int]:
        """The first record of a stretch, and the first one behind it."""
        first, behind = np.searchsorted(self.starts, (stretch.start, stretch.end))
        return int(first), int(behind)

    def literal_quotes(self) -> int:
        """How many records have a quote within a field that is not quoted."""
        if not self.scan.quotes.size or all(stretch.kind is Kind.QUOTED for stretch in self.stretches):
            return 0
        before = np.searchsorted(self.scan.quotes, self.field_ends)
        fields = np.flatnonzero(np.diff(before, prepend=0))
        fields = fields[~self.quoted(fields)]
        if self.broken.size:
            fields = fields[~np.isin(fields, self.broken_fields)]
        return int(np.unique(np.searchsorted(self.first_field, fields, side="right")).size)


def structure_of(
    data: bytes, delimiter: str, columns: Sequence[str | None] = (), *, quoting: bool = True, all_careful: bool = False
) -> Structure:
    """Find the records and fields of whole records.

    Args:
        data: the records.
        delimiter: what stands between fields.
        columns: those of the header, None for one that is ignored: a wrong quote in such a one costs nothing where the
            fields of all others are certain.
        quoting: fields can be in quotes; otherwise quotes are text.
        all_careful: find all by the machine, to compare with.
    """
    scan = Scan(data, delimiter, quoting=quoting)
    stretches = list(scan.all_careful() if all_careful else scan.stretches())
    broken, problems = _problems(scan, stretches)
    certain = {start: found for start in broken.tolist() if (found := _certain(data, start, delimiter, columns))}
    at, is_end, line_ends = _marks(
        scan, stretches, ord(delimiter), [found for found in certain.values() if found.split]
    )
    is_certain = np.isin(broken, list(certain))
    broken, problems = broken[~is_certain], problems[~is_certain]
    content = np.frombuffer(data, np.uint8)
    last_fields = np.flatnonzero(is_end)
    ends = at[last_fields]
    nexts = ends + 1 + _crlf(content, ends)
    starts = np.concatenate((np.zeros(1, np.int64), nexts[:-1]))[: ends.size]
    first_field = np.concatenate((np.zeros(1, np.int64), last_fields[:-1] + 1))[: ends.size]
    field_starts = np.concatenate((np.zeros(1, np.int64), at[:-1] + 1))[: at.size]
    field_starts[first_field] = starts
    many_lines = line_ends.size > np.count_nonzero(ends < len(data))  # some record has several
    return Structure(
        data=data,
        scan=scan,
        stretches=stretches,
        starts=starts,
        ends=ends,
        lines=line_ends.searchsorted(starts) if many_lines else np.arange(ends.size),
        first_field=first_field,
        field_count=last_fields - first_field + 1,
        field_starts=field_starts,
        field_ends=at,
        broken=starts.searchsorted(broken),
        problems=problems,
        bare_fields=field_starts.searchsorted(np.array([found.start for found in certain.values()], np.int64)),
        quoting=quoting,
    )


class _Rest(NamedTuple):
    """What stands in a broken record from the field with the wrong quote on, and whether it has to be split."""

    start: int
    end: int
    split: bool


def _certain(data: bytes, start: int, delimiter: str, columns: Sequence[str | None]) -> _Rest | None:
    """The rest of a broken record whose known fields are certain."""
    line_end = _LINE_END.search(data, start, start + careful.MAX_RECORD_BYTES + 1)
    end = line_end.start() if line_end else len(data)
    if end - start > careful.MAX_RECORD_BYTES:
        return None
    found = certain_from(data[start:end], delimiter.encode(), columns)
    return _Rest(start + found[0], end, found[1]) if found else None


def _marks(
    scan: Scan, stretches: list[Stretch], separator: int, literal: Sequence["_Rest"]
) -> tuple[Offsets, Flags, Offsets]:
    """Where fields end, whether the record ends there, too, and where physical lines end, those in quotes as well.

    Of CRLF it is the CR; the last record may end with the data. `literal`: where each delimiter counts.
    """
    data = scan.data
    content = np.frombuffer(data, np.uint8)
    marks = (content == separator) | (content == _LF)
    if b"\r" in data:
        marks |= content == _CR
        marks[1:] &= (content[1:] != _LF) | (content[:-1] != _CR)
    at = np.flatnonzero(marks)
    is_end = content[at] != separator
    line_ends = at[is_end]
    if len(stretches) != 1 or stretches[0].kind is not Kind.PLAIN:
        keep = _structural(at, is_end, scan, stretches)
        for rest in literal:
            low, high = np.searchsorted(at, (rest.start, rest.end))
            keep[low:high] = True
        at, is_end = at[keep], is_end[keep]
    if data and (not at.size or not _ends_with_line(data, int(at[-1]))):
        at, is_end = np.append(at, len(data)), np.append(is_end, True)
    return at, is_end, line_ends


def _structural(at: Offsets, is_end: Flags, scan: Scan, stretches: list[Stretch]) -> Flags:
    """Which of the delimiters and line ends are outside of quotes."""
    keep = np.zeros(at.size, bool)
    for stretch in stretches:
        low, high = np.searchsorted(at, (stretch.start, stretch.end))
        if stretch.kind is Kind.PLAIN:
            keep[low:high] = True
        elif stretch.kind is Kind.QUOTED:
            before = np.searchsorted(scan.quotes, at[low:high])
            keep[low:high] = (before - np.searchsorted(scan.quotes, stretch.start)) & 1 == 0
        elif stretch.kind is Kind.LINES:
            keep[low:high] = scan.lines.outside(at[low:high]) | is_end[low:high]
        else:
            found = np.concatenate((np.array(stretch.delimiters, np.int64), np.array(stretch.ends, np.int64)))
            keep[np.searchsorted(at, found[found < len(scan.data)])] = True
    return keep


def _problems(scan: Scan, stretches: list[Stretch]) -> "tuple[Offsets, np.ndarray[tuple[int], np.dtype[np.object_]]]":
    """The starts of records with a broken quote, and what is wrong with each."""
    starts: list[Offsets] = [np.empty(0, np.int64)]
    codes: list[ErrorCode] = []
    for stretch in stretches:
        if stretch.kind is Kind.LINES:
            low, high = scan.lines.broken.searchsorted((stretch.start, stretch.end))
            starts.append(scan.lines.broken[low:high])
            codes += [ErrorCode.QUOTE_MISPLACED] * int(high - low)
        elif stretch.problems:
            starts.append(np.array(list(stretch.problems), np.int64))
            codes += stretch.problems.values()
    return np.concatenate(starts), np.array(codes, object)


def _crlf(content: npt.NDArray[np.uint8], ends: Offsets) -> Flags:
    """Which line ends have two bytes."""
    last = content.size - 1
    returns: Flags = (content[np.minimum(ends, last)] == _CR) & (ends < last)
    returns &= content[np.minimum(ends + 1, last)] == _LF
    return returns


def _ends_with_line(data: bytes, last: int) -> bool:
    """Whether the last structural mark is the line end that the data ends with."""
    return data[last] in b"\r\n" and last + (2 if data[last : last + 2] == b"\r\n" else 1) == len(data)
