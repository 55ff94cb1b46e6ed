"""The header of an upload: which column is which, and how fields are separated."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from pipeline.errors import Invalid
from pipeline.uploads.careful import CarefulRecord, Machine
from pipeline.uploads.column_names import Reading, columns_of
from schemas.errors import ErrorCode

HEADER_BYTES: Final = 1 << 20
"""How much of a file `read_header` has to be given; all of it, where it is smaller."""

_DELIMITERS: Final = ",;\t|"
_MAX_HEADER_BYTES: Final = 64 << 10
_MAX_COLUMNS: Final = 500
_BOM: Final = b"\xef\xbb\xbf"
_BLANK_LINES: Final = re.compile(rb"(?:(?:[ \t,;|]|\xc2\xa0)*+(?:\r\n|\r|\n))*+")
_BLANK: Final = re.compile(rb"(?:[ \t\r\n,;|\x1a]|\xc2\xa0)*+")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_QUOTED_FIELD: Final = rb'(?<![^,;\t|\r\n])"[^"]*+(?:""[^"]*+)*+"'
_IN_QUOTES: Final = re.compile(_QUOTED_FIELD)
_RECORD: Final = re.compile(rb"(?:" + _QUOTED_FIELD + rb"|[^\r\n])*+")


@dataclass(frozen=True)
class Header:
    """What the first record of a file says.

    `names`: as they stand in the file. `columns`: for each of them a column of COLUMNS, or None where it is ignored.
    `size`: bytes, and `lines`: physical lines, up to the first data record; a byte order mark and blank lines count.
    `from_rejects`: the file is one of rejects, mended; its fields were made safe for spreadsheets.
    """

    names: tuple[str, ...]
    columns: tuple[str | None, ...]
    delimiter: str
    size: int
    lines: int
    warnings: tuple[str, ...]
    from_rejects: bool
    reading: Reading = field(default_factory=Reading)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Header":
        """The header that was stored as the JSON of `dataclasses.asdict`."""
        sequences = {name: tuple(value[name]) for name in ("names", "columns", "warnings")}
        return cls(**{**value, **sequences, "reading": Reading.from_json(value["reading"])})


def read_header(start: bytes, own: Mapping[str, str] = {}, *, warehouse_names: Collection[str] = ()) -> Header:
    """Read the header from the first HEADER_BYTES of a file.

    Args:
        start: the first bytes, in UTF-8.
        own: names of the account or the request, and the columns that they mean. They win over all other names.
        warehouse_names: what the request's warehouse is called.

    Raises:
        Invalid: FILE_EMPTY; FILE_NOT_CSV, the header is not text, does not end, or has too many columns;
            HEADER_COLUMN_MISSING and HEADER_COLUMN_TWICE, saying what was found and expected.
    """
    first = _beginning(start)
    delimiter, record = _record(start, first)
    if (count := len(record.delimiters) + 1) > _MAX_COLUMNS:
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"found {count} columns in the header; expected at most {_MAX_COLUMNS}")
    found = _fields(start[first : record.end], delimiter)
    meaning = columns_of(found, own, warehouse_names=warehouse_names)
    warnings = list(meaning.warnings)
    if delimiter != ",":
        warnings.append(f"fields are separated by {delimiter!r}")
    return Header(
        names=tuple(found),
        columns=meaning.columns,
        delimiter=delimiter,
        size=record.next,
        lines=len(_LINE_END.findall(start, 0, record.next)),
        warnings=tuple(warnings),
        from_rejects=meaning.from_rejects,
        reading=meaning.reading,
    )


def _beginning(start: bytes) -> int:
    """Where the first line begins that is not blank."""
    bom = len(_BOM) if start.startswith(_BOM) else 0
    if (blank := _BLANK.match(start, bom)) and blank.end() == len(start):
        if len(start) < HEADER_BYTES:
            raise Invalid(ErrorCode.FILE_EMPTY, f"found {len(start)} bytes and no text in them; expected a header")
        raise Invalid(ErrorCode.FILE_NOT_CSV, "the first 1 MB is blank; expected a header")
    lines = _BLANK_LINES.match(start, bom)
    return lines.end() if lines else bom


def _record(start: bytes, first: int) -> tuple[str, CarefulRecord]:
    """The delimiter and the record that the header is."""
    line = _RECORD.match(start[first : first + _MAX_HEADER_BYTES])
    text = _text(line[0] if line else b"")
    bare = _IN_QUOTES.sub(b"", text.encode()).decode()
    delimiter = max(_DELIMITERS, key=bare.count)
    record = Machine(start, delimiter).record(first)
    if record is None or record.end - first > _MAX_HEADER_BYTES:
        raise Invalid(ErrorCode.FILE_NOT_CSV, "the header does not end within 64 KB; expected a line of column names")
    _text(start[first : record.end])
    if record.problem:
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"a quote in the header is not closed or misplaced: {text[:200]}")
    return delimiter, record


def _text(header: bytes) -> str:
    if b"\x00" in header:
        raise Invalid(ErrorCode.FILE_NOT_CSV, "the header has NUL bytes: is the file UTF-16? Save it as UTF-8")
    try:
        return header.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.end == len(header) == _MAX_HEADER_BYTES:
            return header[: error.start].decode()
        found = f"byte {error.start + 1} of the header is not UTF-8; save the file as UTF-8, or name its encoding"
        raise Invalid(ErrorCode.FILE_NOT_CSV, found) from error


def _fields(header: bytes, delimiter: str) -> list[str]:
    """The names as they stand in the file; quotes within one that is not quoted are literal."""
    machine = Machine(header, delimiter)
    record = machine.record(0)
    edges = [-1, *(record.delimiters if record else []), len(header)]
    fields = [header[low + 1 : high].decode() for low, high in pairwise(edges)]
    return [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]
