"""The file of rejects: the rows that were not applied, as they stood in the upload, each with what is wrong with it.

A person opens it in a spreadsheet, mends the rows, and uploads it again: the header reader knows it by its two last
columns and takes the apostrophes back that `formulas.py` puts in front.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final, Protocol

from pipeline.uploads.bare_quotes import certain_from
from pipeline.uploads.formulas import UNSAFE_PATTERN, formula_safe_bytes, formula_unsafe_bytes
from pipeline.uploads.reject import Reject
from schemas.errors import RowError
from schemas.upload_rows import ERROR_COLUMNS

NOT_REACHED: Final = "The sync stopped before this row was applied; nothing was found wrong with it."
"""What stands beside a row without errors of its own."""

_BOM: Final = b"\xef\xbb\xbf"
_NO_COLUMN: Final = ("", "record")
_PIECE_BYTES: Final = 64 * 1024


class Layout(Protocol):
    """What must be known of the upload's header.

    `from_rejects`: the upload was a file of rejects itself; `quoting`: fields can be in quotes.
    """

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def delimiter(self) -> str: ...
    @property
    def from_rejects(self) -> bool: ...
    @property
    def columns(self) -> Sequence[str | None]: ...
    @property
    def quoting(self) -> bool: ...


def rejects_file(layout: Layout, rows: Iterable[Reject]) -> Iterator[bytes]:
    """The file in pieces: UTF-8 with a byte order mark, the original columns, then ERROR_COLUMNS.

    Fields keep their bytes, also those that are no UTF-8. Missing fields become empty ones, and surplus fields stand
    behind the two columns, so that these are in one place.
    """
    lines = _Lines(layout)
    piece = [_BOM, lines.first()]
    size = 0
    for row in rows:
        line = lines.line(row)
        piece.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield b"".join(piece)
            piece.clear()
            size = 0
    if piece:
        yield b"".join(piece)


def fields_of(raw: bytes, delimiter: bytes, columns: Sequence[str | None] = (), *, quoting: bool = True) -> list[bytes]:
    """A record's fields without their quotes. A quote is one only at the start of a field.

    Where a quoted field is not closed, or has text behind its end, the rest of the record is one field as it stands,
    or split at each delimiter where that is certain (see `certain_from`). Without `quoting`, quotes are text.
    """
    if not quoting or b'"' not in raw:
        return raw.split(delimiter)
    quoted = _quoted(delimiter)
    fields: list[bytes] = []
    start = 0
    while True:
        if raw.startswith(b'"', start):
            field = quoted.match(raw, start)
            if field is None:
                certain = certain_from(raw, delimiter, columns)
                return [*fields, *(raw[start:].split(delimiter) if certain and certain[1] else [raw[start:]])]
            end = field.end()
            fields.append(field[1].replace(b'""', b'"'))
        else:
            end = raw.find(delimiter, start)
            end = len(raw) if end < 0 else end
            fields.append(raw[start:end])
        if end == len(raw):
            return fields
        start = end + 1


@cache
def _quoted(delimiter: bytes) -> re.Pattern[bytes]:
    return re.compile(b'"((?:[^"]++|"")*+)"(?=%b|\\Z)' % re.escape(delimiter))


class RejectFields:
    """The fields of the file's header and rows, neither in quotes nor made safe for spreadsheets."""

    def __init__(self, layout: Layout) -> None:
        self._delimiter = layout.delimiter.encode()
        self._mended = layout.from_rejects
        self._columns, self._quoting = layout.columns, layout.quoting
        # The errors of the row as it was before it was mended are left out.
        self._kept = [n for n, name in enumerate(layout.names) if not (self._mended and _is_of_errors(name))]
        self._dropped = {*range(len(layout.names))} - {*self._kept}
        names = [layout.names[n].encode(errors="replace") for n in self._kept]
        self._names = [formula_unsafe_bytes(name) for name in names] if self._mended else names

    def header(self) -> list[bytes]:
        """The names of the upload's columns, and ERROR_COLUMNS."""
        return [*self._names, *(name.encode() for name in ERROR_COLUMNS)]

    def fields(self, row: Reject) -> list[bytes]:
        """Those of a row, and what is wrong with it; surplus ones stand behind that."""
        fields = fields_of(row.raw, self._delimiter, self._columns, quoting=self._quoting)
        if self._mended:
            fields = [formula_unsafe_bytes(field) for n, field in enumerate(fields) if n not in self._dropped]
        count = len(self._names)
        missing = [b""] * (count - len(fields))
        return [*fields[:count], *missing, *_told(row), *fields[count:]]


class _Lines(RejectFields):
    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        delimiter = re.escape(self._delimiter)
        begins_like_a_formula = UNSAFE_PATTERN.removeprefix("^").encode()
        self._row_needs_care = re.compile(b'[\r\n"]|(?:^|%b)%b' % (delimiter, begins_like_a_formula))
        self._field_needs_care = re.compile(b'[\r\n"%b]|^%b' % (delimiter, begins_like_a_formula))
        self._needs_quotes = re.compile(b'[\r\n"%b]' % delimiter)

    def first(self) -> bytes:
        return self._joined(self.header())

    def line(self, row: Reject) -> bytes:
        if self._is_plain(row.raw):
            return b"%b%b%b" % (row.raw, self._delimiter, self._joined(_told(row)))
        return self._joined(self.fields(row))

    def _is_plain(self, raw: bytes) -> bool:
        """Whether the bytes can stay as they are, which is so for most rows."""
        complete = raw.count(self._delimiter) == len(self._names) - 1
        return complete and not self._mended and not self._row_needs_care.search(raw)

    def _joined(self, fields: Iterable[bytes]) -> bytes:
        return self._delimiter.join(map(self._written, fields)) + b"\n"

    def _written(self, field: bytes) -> bytes:
        if not self._field_needs_care.search(field):
            return field
        field = formula_safe_bytes(field)
        return b'"%b"' % field.replace(b'"', b'""') if self._needs_quotes.search(field) else field


def _told(row: Reject) -> list[bytes]:
    """What stands in ERROR_COLUMNS."""
    codes = ";".join(dict.fromkeys(error.code for error in row.errors)).encode()
    return [codes, (" ".join(map(_message, row.errors)) or NOT_REACHED).encode(errors="replace")]


def _message(error: RowError) -> str:
    """With the column where there is one: what is wrong may be true of several."""
    return f"{error.field}: {error.message}" if error.field not in _NO_COLUMN else error.message


def _is_of_errors(name: str) -> bool:
    return "_".join(name.replace("\u00a0", " ").strip().lstrip("#").lower().split()) in ERROR_COLUMNS
