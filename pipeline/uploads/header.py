"""The header of an upload: which column is which, and how fields are separated."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pipeline.errors import Invalid
from pipeline.uploads.column_names import Reading, columns_of
from pipeline.uploads.header_search import Found, find_header
from pipeline.uploads.meanings import plain_name
from schemas.errors import ErrorCode
from schemas.upload_rows import TEXT_COLUMNS

HEADER_BYTES: Final = 1 << 20
"""How much of a file `read_header` has to be given; all of it, where it is smaller."""

_MOST_NAMES: Final = 500
_MOST_COLUMNS: Final = 16_384
"""As many as a sheet of a spreadsheet has; all but some are empty."""
_BOM: Final = b"\xef\xbb\xbf"
_BLANK_LINES: Final = re.compile(rb"(?:(?:[ \t,;|]|\xc2\xa0)*+(?:\r\n|\r|\n))*+")
_BLANK: Final = re.compile(rb"(?:[ \t\r\n,;|\x1a]|\xc2\xa0)*+")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_SEPARATOR_LINE: Final = re.compile(rb'[ \t]*+("?)sep=([^\r\n"]?)\1[ \t,;|]*+(?:\r\n|\r|\n|$)', re.IGNORECASE)
_SHOWN: Final = 200


@dataclass(frozen=True)
class Header:
    """What the header of a file says.

    `names`: as they stand in the file. `columns`: for each of them a column of COLUMNS, or None where it is ignored.
    `size`: bytes, and `lines`: physical lines, up to the first data record; all that stands above the header counts.
    `from_rejects`: the file is one of rejects, fixed; its fields were made safe for spreadsheets.
    `quoted_names`: some name was in quotes. `quoting`: quotes can stand around fields, otherwise they are text.
    """

    names: tuple[str, ...]
    columns: tuple[str | None, ...]
    delimiter: str
    size: int
    lines: int
    warnings: tuple[str, ...]
    from_rejects: bool
    reading: Reading = field(default_factory=Reading)
    quoted_names: bool = False
    quoting: bool = True

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Header":
        """The header that was stored as the JSON of `dataclasses.asdict`."""
        sequences = {name: tuple(value[name]) for name in ("names", "columns", "warnings")}
        return cls(**{**value, **sequences, "reading": Reading.from_json(value["reading"])})


def read_header(start: bytes, own: Mapping[str, str] = {}, *, warehouse_names: Collection[str] = ()) -> Header:
    """Find the header in the first HEADER_BYTES of a file, and read it.

    It is the first of the first lines that has a SKU and a quantity, with any separator; `sep=;` says which one.

    Args:
        start: the first bytes, in UTF-8.
        own: names of the account or the request, and the columns that they mean. They win over all other names.
        warehouse_names: what the request's warehouse is called.

    Raises:
        Invalid: FILE_EMPTY; FILE_NOT_CSV, there is no text, no end of a line, too many columns, a separator that is not
            supported, each line in quotes as a whole, or names in another encoding;
            HEADER_COLUMN_MISSING and HEADER_COLUMN_TWICE, saying what was found where, and what was expected.
    """
    first = _beginning(start, _marks(start))
    separator = _SEPARATOR_LINE.match(start, first)
    begin = _beginning(start, separator.end()) if separator else first
    said = separator[2].decode("latin-1") if separator else None
    found = find_header(start, begin, said, partial(columns_of, own=own, warehouse_names=warehouse_names))
    names, columns = _without_empty_end(found)
    return Header(
        names=names,
        columns=columns,
        delimiter=found.delimiter,
        size=found.next,
        lines=len(_LINE_END.findall(start, 0, found.next)),
        warnings=tuple(_warnings(start, begin, found)),
        from_rejects=found.meaning.from_rejects,
        reading=found.meaning.reading,
        quoted_names=found.quoted,
    )


def behind_quantity(header: Header, own: Mapping[str, str]) -> int | None:
    """The column right behind the quantity if it may hold the rest of numbers as 1,250 that were split at the comma.

    A column of free text or one that is ignored may, unless a person has said by its name what it is.
    """
    number = header.columns.index("quantity") + 1
    if header.delimiter != "," or number == len(header.columns):
        return None
    is_said = plain_name(header.names[number]) in {plain_name(name) for name in own}
    return number if header.columns[number] in {None, *TEXT_COLUMNS} and not is_said else None


def _marks(start: bytes) -> int:
    """The size of the byte order marks; files that were joined have several."""
    size = 0
    while start.startswith(_BOM, size):
        size += len(_BOM)
    return size


def _beginning(start: bytes, position: int) -> int:
    """Where the first line from here on begins that is not blank."""
    if (blank := _BLANK.match(start, position)) and blank.end() == len(start):
        if len(start) < HEADER_BYTES:
            raise Invalid(ErrorCode.FILE_EMPTY, f"found {len(start)} bytes and no text in them; expected a header")
        raise Invalid(ErrorCode.FILE_NOT_CSV, "the first 1 MB is blank; expected a header")
    lines = _BLANK_LINES.match(start, position)
    return lines.end() if lines else position


def _without_empty_end(found: Found) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """The names and columns, and of very many without the empty ones at the end, which a spreadsheet adds."""
    names, columns = found.names, found.meaning.columns
    count = sum(bool(name.strip()) for name in names)
    if count > _MOST_NAMES or len(names) > _MOST_COLUMNS:
        detail = f"found {count:,} names in {len(names):,} columns of the header; expected at most {_MOST_NAMES} names"
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"{detail} in {_MOST_COLUMNS:,} columns")
    if len(names) <= _MOST_NAMES:
        return names, columns
    last = max(number for number, name in enumerate(names) if name.strip())
    return names[: last + 1], columns[: last + 1]


def _warnings(start: bytes, begin: int, found: Found) -> list[str]:
    warnings = list(found.meaning.warnings)
    if found.delimiter != ",":
        warnings.append(f"fields are separated by {found.delimiter!r}")
    if above := start[begin : found.start].split():
        text = b" ".join(above).decode("utf-8", "replace")[:_SHOWN]
        shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
        warnings.append(f"the header was found on line {found.line}; the lines above it were left out: {shown}")
    return warnings
