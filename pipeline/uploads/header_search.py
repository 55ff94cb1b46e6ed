"""Searches the first lines of a file for its header, and says why none of them is one."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from pipeline.errors import Invalid
from pipeline.uploads.careful import CarefulRecord, Machine
from pipeline.uploads.column_names import Meaning
from pipeline.uploads.encodings import probable_encoding
from schemas.errors import ErrorCode
from schemas.upload_rows import REQUIRED_COLUMNS

_DELIMITERS: Final = ",;\t|"
_MOST_LINES: Final = 64
_MAX_HEADER_BYTES: Final = 64 << 10
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_IN_QUOTES: Final = re.compile(rb'(?<![^,;\t|\r\n])"[^"]*+(?:""[^"]*+)*+"')
_BLANKS: Final = re.compile(r"\s{2,}")
_ALIGNED: Final = (
    "its columns are aligned with blanks, which do not separate them: export the file again as CSV, with commas, "
    "semicolons or tabs between the columns"
)
_REPLACED: Final = "\ufffd"

MeaningOf = Callable[[Sequence[str]], Meaning]
"""What names mean, as `columns_of` says with the names of the request."""


@dataclass(frozen=True)
class Found:
    """The header: its bytes from `start` up to `next`, on the physical line `line`, and what it says."""

    start: int
    next: int
    line: int
    delimiter: str
    names: tuple[str, ...]
    quoted: bool
    meaning: Meaning


class _Try(NamedTuple):
    """A line that was read with one separator. `names` stand as in the file, `raw` are their bytes."""

    start: int
    next: int
    line: int
    delimiter: str
    names: tuple[str, ...]
    raw: tuple[bytes, ...]
    quoted: bool


def find_header(start: bytes, begin: int, separator: str | None, meaning_of: MeaningOf) -> Found:
    """The first of the lines from `begin` on that names a SKU and a quantity.

    `separator` is what the file itself says; otherwise each is tried, the one that the line has most of first.

    Raises:
        Invalid: as `read_header`.
    """
    if separator is not None and (len(separator) != 1 or separator not in _DELIMITERS):
        detail = f"the line sep={separator} names a separator that is not supported; use one of , ; | or a tab"
        raise Invalid(ErrorCode.FILE_NOT_CSV, detail)
    misses: list[tuple[_Try, Invalid]] = []
    broken: list[Invalid] = []
    for position, line in _lines(start, begin):
        for delimiter in [separator] if separator else _delimiters(start, position):
            record = Machine(start[: begin + 2 * _MAX_HEADER_BYTES], delimiter).record(position)
            tried = _tried(start, line, delimiter, record) if record else None
            if tried is None:
                broken.append(Invalid(ErrorCode.FILE_NOT_CSV, _broken(start, position, line)))
                continue
            try:
                meaning = meaning_of(tried.names)
            except Invalid as miss:
                if miss.code is ErrorCode.HEADER_COLUMN_TWICE:
                    raise Invalid(miss.code, f"{_place(tried)}: {miss.detail}") from miss
                _refuse_whole_line(tried, meaning_of)
                misses.append((tried, miss))
                continue
            return Found(tried.start, tried.next, line, delimiter, tried.names, tried.quoted, meaning)
    raise _refusal(misses, broken, meaning_of)


def _visible(name: str) -> str:
    """A name as it stands in the file, without quotes around that have a blank or what cannot be seen before them."""
    bare = "".join(c for c in name if unicodedata.category(c) != "Cf").strip()
    quoted = len(bare) > 1 and bare[0] == bare[-1] == '"'
    return bare[1:-1].replace('""', '"') if quoted else name


def _lines(start: bytes, begin: int) -> Iterator[tuple[int, int]]:
    """Where the first lines begin, and their numbers. A line within quotes of another one is none."""
    position, line = begin, 1 + len(_LINE_END.findall(start, 0, begin))
    for _ in range(_MOST_LINES):
        if position >= len(start) or position - begin > _MAX_HEADER_BYTES:
            return
        end = Machine(start, ",").line_end(position)
        if end - position > _MAX_HEADER_BYTES:
            if position == begin:
                raise Invalid(ErrorCode.FILE_NOT_CSV, "the header does not end within 64 KB; expected column names")
            return
        if b"\x00" in start[position:end] and position == begin:
            raise Invalid(ErrorCode.FILE_NOT_CSV, "the header has NUL bytes: is the file UTF-16? Save it as UTF-8")
        yield position, line
        record = Machine(start[: begin + 2 * _MAX_HEADER_BYTES], _delimiters(start, position)[0]).record(position)
        behind = record.next if record else end + 1
        line += len(_LINE_END.findall(start, position, behind))
        position = behind


def _delimiters(start: bytes, position: int) -> list[str]:
    """The separators that the line has outside of quotes, most of them first; at least one."""
    line = start[position : Machine(start, ",").line_end(position)]
    bare = _IN_QUOTES.sub(b"", line).decode("latin-1")
    ordered = sorted(_DELIMITERS, key=bare.count, reverse=True)
    return [delimiter for delimiter in ordered if delimiter in bare] or ordered[:1]


def _tried(start: bytes, line: int, delimiter: str, record: CarefulRecord) -> _Try | None:
    """The names of a record, or None where a quote in it is wrong. Programs that write tabs often do not quote."""
    delimiters = record.delimiters
    if record.problem:
        if delimiter != "\t":
            return None
        delimiters = [n for n in range(record.start, record.end) if start[n : n + 1] == b"\t"]
    edges = [record.start - 1, *delimiters, record.end]
    raw = tuple(start[low + 1 : high] for low, high in pairwise(edges))
    quoted = [field.startswith(b'"') and not record.problem for field in raw]
    names = (field.decode("utf-8", "replace") for field in raw)
    plain = tuple(
        name[1:-1].replace('""', '"') if inside else _visible(name) for name, inside in zip(names, quoted, strict=True)
    )
    return _Try(record.start, record.next, line, delimiter, plain, raw, any(quoted))


def _broken(start: bytes, position: int, line: int) -> str:
    text = start[position : min(Machine(start, ",").line_end(position), position + 200)].decode("utf-8", "replace")
    return f"a quote in the header (line {line}) is not closed or misplaced: {text}"


def _place(tried: _Try) -> str:
    return f"line {tried.line}, separated by {tried.delimiter!r}"


def _refuse_whole_line(tried: _Try, meaning_of: MeaningOf) -> None:
    """Refuse a file whose header stands in quotes as a whole."""
    if len(tried.names) > 1 or not tried.quoted:
        return
    for delimiter in _DELIMITERS:
        try:
            meaning_of(tried.names[0].split(delimiter))
        except Invalid:
            continue
        detail = (
            f"line {tried.line} stands in quotes as a whole, {tried.raw[0].decode('utf-8', 'replace')[:200]}: perhaps "
            f"a spreadsheet that expects another separator than {delimiter!r} has opened and saved the file. Take the "
            f"original file, or remove the quotes around each line and write doubled quotes once"
        )
        raise Invalid(ErrorCode.FILE_NOT_CSV, detail)


def _refusal(misses: Sequence[tuple[_Try, Invalid]], broken: Sequence[Invalid], meaning_of: MeaningOf) -> Invalid:
    """Why no line is the header: of the one that comes nearest to it, or of the first."""
    if not misses:
        return broken[0]
    missing = [_missing(tried, meaning_of) for tried, _ in misses]
    best = min(range(len(misses)), key=lambda n: len(missing[n]))
    tried, miss = misses[best]
    if any(_REPLACED in name for name in tried.names):
        return Invalid(ErrorCode.FILE_NOT_CSV, _undecodable(tried))
    if len(missing[best]) == len(REQUIRED_COLUMNS) and broken and best == 0:
        return broken[0]
    aligned = next((tried for tried, _ in misses if _is_aligned(tried, meaning_of)), None)
    if aligned is not None:
        return Invalid(miss.code, f"line {aligned.line}: found {aligned.names[0][:200]!r}; {_ALIGNED}")
    return Invalid(miss.code, f"{_place(tried)}: {miss.detail}")


def _is_aligned(tried: _Try, meaning_of: MeaningOf) -> bool:
    """Whether the line is a header whose columns have only blanks between them."""
    if len(tried.names) != 1 or len(names := _BLANKS.split(tried.names[0].strip())) == 1:
        return False
    try:
        meaning_of(names)
    except Invalid:
        return False
    return True


def _missing(tried: _Try, meaning_of: MeaningOf) -> list[str]:
    """The required columns that the line does not have."""
    return [column for column in REQUIRED_COLUMNS if not _has(tried.names, column, meaning_of)]


def _has(names: Sequence[str], column: str, meaning_of: MeaningOf) -> bool:
    try:
        meaning_of([*names, *(other for other in REQUIRED_COLUMNS if other != column)])
    except Invalid as miss:
        return miss.code is not ErrorCode.HEADER_COLUMN_MISSING
    return True


def _undecodable(tried: _Try) -> str:
    """Which byte is not UTF-8, in which name, and which encoding is perhaps meant."""
    number = next(n for n, name in enumerate(tried.names) if _REPLACED in name)
    raw = tried.raw[number]
    try:
        raw.decode()
        place = 0
    except UnicodeDecodeError as error:
        place = error.start
    offset = sum(len(field) + 1 for field in tried.raw[:number]) + place
    encoding = probable_encoding(b"\n".join(tried.raw))
    name = ascii(tried.names[number])
    return (
        f"line {tried.line}: byte {offset + 1} (0x{raw[place]:02X}) of the header, in the name {name}, is not UTF-8; "
        f"in {encoding} the name is {raw.decode(encoding, 'replace')}. If that is right, submit it with "
        f"--encoding {encoding}; for files that are dropped into the bucket, set the account's upload_encoding"
    )
