"""The header line of an upload: which column is which, and how fields are separated."""

import csv
from collections import Counter
from dataclasses import dataclass
from typing import Final

from pipeline.errors import Invalid
from schemas.errors import ErrorCode
from schemas.upload_rows import ALIASES, COLUMNS, REQUIRED_COLUMNS

_DELIMITERS: Final = ",;\t|"
_MAX_HEADER_BYTES: Final = 65536
_KINDS: Final = {
    b"\xff\xfe": ": this is UTF-16",
    b"\xfe\xff": ": this is UTF-16",
    b"\x1f\x8b": ": this is gzip",
    b"PK": ": this is a zip archive or a spreadsheet",
}


@dataclass(frozen=True)
class Header:
    """`columns`: a column of COLUMNS or None (ignored), in file order. `size`: bytes up to the first record."""

    columns: tuple[str | None, ...]
    delimiter: str
    size: int
    warnings: tuple[str, ...]


def read_header(start: bytes) -> Header:
    """Read the header from the first bytes of a file.

    Raises:
        Invalid: FILE_EMPTY; FILE_NOT_CSV, the first line is not text; HEADER_COLUMN_MISSING and HEADER_COLUMN_TWICE,
            saying what was found.
    """
    if not start.strip(b"\xef\xbb\xbf\r\n \t"):
        raise Invalid(ErrorCode.FILE_EMPTY)
    line, newline, _ = start.partition(b"\n")
    if len(line) > _MAX_HEADER_BYTES or b"\r" in line.rstrip(b"\r"):
        raise Invalid(ErrorCode.FILE_NOT_CSV, "the first line does not end within 64 KB, or its lines end in CR alone")
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        kind = _KINDS.get(start[:2], "")
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"byte {error.start + 1} of the first line is not UTF-8{kind}") from error
    if "\x00" in text:
        raise Invalid(ErrorCode.FILE_NOT_CSV, "the first line has NUL bytes: is the file UTF-16?")
    delimiter = max(_DELIMITERS, key=text.count)
    found = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    columns = tuple(_column(name) for name in found)
    _check(columns, found)
    return Header(columns, delimiter, len(line) + len(newline), _warnings(columns, found, delimiter))


def _column(name: str) -> str | None:
    """The column that a header field means: `#SKU`, ` Sku ` and `sku` are one."""
    normal = "_".join(name.replace("\u00a0", " ").lstrip("#").lower().split())
    normal = ALIASES.get(normal, normal)
    return normal if normal in COLUMNS else None


def _check(columns: tuple[str | None, ...], found: list[str]) -> None:
    counts = Counter(column for column in columns if column)
    shown = ", ".join(found)[:200]
    if missing := [column for column in REQUIRED_COLUMNS if not counts[column]]:
        raise Invalid(ErrorCode.HEADER_COLUMN_MISSING, f"missing {', '.join(missing)}; found {shown}")
    if twice := [column for column, count in counts.items() if count > 1]:
        raise Invalid(ErrorCode.HEADER_COLUMN_TWICE, f"twice {', '.join(twice)}; found {shown}")


def _warnings(columns: tuple[str | None, ...], found: list[str], delimiter: str) -> tuple[str, ...]:
    ignored = [
        name.encode("unicode_escape").decode() if not name.isprintable() else name or "(no name)"
        for name, column in zip(found, columns, strict=True)
        if column is None
    ]
    warnings = [f"ignored columns: {', '.join(ignored)[:200]}"] if ignored else []
    if delimiter != ",":
        warnings.append(f"fields are separated by {delimiter!r}")
    return tuple(warnings)
