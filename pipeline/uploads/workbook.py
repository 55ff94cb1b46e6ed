"""Reads a sheet of an Excel workbook (.xlsx) as CSV, after a look at what the package holds.

Only the parts that are needed are unpacked, in pieces and within limits. See `workbook_cells.py` for the cells.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from posixpath import join, normpath
from typing import IO, Final, Protocol
from xml.parsers.expat import ExpatError

from pipeline.errors import Invalid
from pipeline.uploads.unpack import DAMAGED, ENCRYPTED, MAX_RATIO, check_directory
from pipeline.uploads.workbook_cells import TRUE, CellRules, SheetReader, Styles, find_merged, read_shared_strings
from pipeline.uploads.workbook_xml import elements
from schemas.errors import ErrorCode

_PIECE: Final = 64 << 10
"""Small: the cells of a piece may name long strings, many times."""
_MOST_MEMBERS: Final = 10_000
_MOST_SHEET_BYTES: Final = 4 << 30
_MOST_STRING_BYTES: Final = 100 << 20
"""The shared strings are held in memory, in up to four times as many bytes."""
_MOST_OTHER_BYTES: Final = 16 << 20
"""Of each other part. One of at most so many bytes may be packed as closely as it likes."""
_SHOWN_SHEETS: Final = 20

SHEET_READ: Final = "the sheet "
"""With this the warning begins that says which sheet was read; the first one of a workbook."""

_TYPES: Final = "[content_types].xml"
_BOOK: Final = "xl/workbook.xml"
_BINARY_BOOK: Final = "xl/workbook.bin"
_SAVE_AS: Final = "in Excel choose Save As, Excel Workbook (.xlsx)"


class Digest(Protocol):
    """Takes the bytes that a content is known by."""

    def update(self, data: bytes, /) -> None:
        """Take some more bytes."""


@dataclass(frozen=True)
class _Sheet:
    name: str
    part: str
    is_visible: bool


def is_workbook(file: IO[bytes]) -> bool:
    """Whether a zip is an Excel workbook, told by what is in it. Also of a damaged one, as far as it can be told."""
    file.seek(0)
    start = file.read(_PIECE)
    try:
        check_directory(file)
        with zipfile.ZipFile(file) as package:
            names = {_plain(name) for name in package.namelist()}
    except (*DAMAGED, NotImplementedError):
        return b"[Content_Types].xml" in start and b"xl/" in start
    except Invalid:
        return False
    return _TYPES in names and not names.isdisjoint({_BOOK, _BINARY_BOOK})


class Workbook:
    """An open workbook, of which one sheet is read. `warnings` say which one that is, and which others there are."""

    def __init__(self, file: IO[bytes], sheet: str | None, max_bytes: int) -> None:
        """Choose the sheet of that name, or the first one that is visible.

        Raises:
            Invalid: WORKBOOK_NOT_READABLE; UNKNOWN_SHEET, naming those that there are.
        """
        self._max_bytes = max_bytes
        with _damage():
            check_directory(file)
            self._package = zipfile.ZipFile(file)
            self._members = {_plain(member.filename): member for member in self._package.infolist()}
            self._refuse_other_kinds()
            self._relations = self._read_relations()
            self._is_1904, self._recalculates, sheets = self._read_sheets()
        self._sheet = _chosen(sheets, sheet)
        others = [found.name for found in sheets if found is not self._sheet]
        self.warnings = [f"{SHEET_READ}{self._sheet.name!r} of the workbook was read"]
        if others:
            self.warnings[0] += f"; left out: {_listed(others)} (--sheet NAME reads another one)"

    def rows(self, digest: Digest, *, comma_decimals: bool = False) -> Iterator[bytes]:
        """The sheet as CSV in UTF-8, in pieces: each of its rows is a line, all fields are in quotes.

        `digest` takes the parts that the text is read from, as they are unpacked: the same ones however they are read.
        `comma_decimals`: a comma stands before decimals in the texts of this upload. Numbers are written with a point
        all the same, and never so that a reader could take it for one between groups of digits.

        When all are read, warnings name the formulas that had no values, and count the hidden rows.

        Raises:
            Invalid: WORKBOOK_NOT_READABLE, damaged, or larger than is allowed; FILE_TOO_LARGE, as text.
        """

        def seen(part: str, most: int) -> Iterator[bytes]:
            for piece in self._pieces(part, most):
                digest.update(piece)
                yield piece

        with _damage():
            strings = self._related("sharedStrings")
            styles = self._related("styles")
            shared = read_shared_strings(seen(strings, _MOST_STRING_BYTES)) if strings else []
            formats = Styles.read(self._pieces(styles, _MOST_OTHER_BYTES)) if styles else Styles()
            rules = CellRules(formats, self._is_1904, comma_decimals, self._recalculates)
            merged = find_merged(self._pieces(self._sheet.part, _MOST_SHEET_BYTES))
            sheet = SheetReader(shared, rules, merged)
            size = 0
            for piece in sheet.read(seen(self._sheet.part, _MOST_SHEET_BYTES)):
                size += len(piece)
                if size > self._max_bytes:
                    raise Invalid(ErrorCode.FILE_TOO_LARGE, f"more than {self._max_bytes} bytes as text")
                yield piece
        if sheet.hidden:
            rows = "1 hidden row was" if sheet.hidden == 1 else f"{sheet.hidden:,} hidden rows were"
            self.warnings.append(f"{rows} read, too: filters and hidden rows of the sheet do not count")
        if merged:
            first = dict.fromkeys(cell for row in merged.values() for cell in row.values())
            self.warnings.append(
                f"cells are merged over several rows, from {_listed(list(first))}: those below are read as such, and "
                "are an error where they say something about stock; unmerge them, fill them in, and upload it again"
            )
        if sheet.without_value:
            self.warnings.append(
                f"formulas without a value in the file were read as they stand, {sheet.without_value:,} of them "
                f"({', '.join(sheet.examples)}): open the workbook in Excel, save it, and upload it again"
            )

    def _refuse_other_kinds(self) -> None:
        if len(self._members) > _MOST_MEMBERS:
            raise _unreadable(f"it has more than {_MOST_MEMBERS:,} parts")
        if _BINARY_BOOK in self._members:
            raise _unreadable(f"it is a binary workbook (.xlsb); {_SAVE_AS}")
        if any(member.flag_bits & ENCRYPTED for member in self._members.values()):
            raise _unreadable("it is encrypted with a password; save it without one")
        types = b"".join(self._pieces(_TYPES, _MOST_OTHER_BYTES))
        if b"macroEnabled" in types or any(name.endswith("vbaproject.bin") for name in self._members):
            raise _unreadable(f"it has macros (.xlsm); {_SAVE_AS}, which leaves them out")

    def _read_relations(self) -> dict[str, tuple[str, str]]:
        """Id → kind and part, of what belongs to the workbook."""
        relations = {}
        for name, attributes in elements(self._pieces("xl/_rels/workbook.xml.rels", _MOST_OTHER_BYTES)):
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes["Target"].replace("\\", "/")
                part = normpath(target.lstrip("/") if target.startswith("/") else join("xl", target))
                relations[attributes["Id"]] = attributes["Type"].rpartition("/")[2], part.lower()
        return relations

    def _read_sheets(self) -> tuple[bool, bool, list[_Sheet]]:
        """Whether days are counted from 1904, whether formulas wait to be calculated, and the sheets with cells."""
        is_1904, recalculates, sheets = False, False, []
        for name, attributes in elements(self._pieces(_BOOK, _MOST_OTHER_BYTES)):
            if name == "workbookPr":
                is_1904 = attributes.get("date1904") in TRUE
            if name == "calcPr":
                recalculates = attributes.get("fullCalcOnLoad") in TRUE
            if name == "sheet":
                relation = next(value for key, value in attributes.items() if key.rpartition(":")[2] == "id")
                kind, part = self._relations[relation]
                if kind == "worksheet":
                    sheets.append(_Sheet(attributes["name"], part, attributes.get("state", "visible") == "visible"))
        return is_1904, recalculates, sheets

    def _related(self, kind: str) -> str | None:
        parts = (part for found, part in self._relations.values() if found == kind and part in self._members)
        return next(parts, None)

    def _pieces(self, part: str, most: int) -> Iterator[bytes]:
        """A part as it is unpacked: no more than the directory says of it, which is looked at before it is opened."""
        member = self._members[part]
        if member.file_size > most:
            raise _unreadable(f"{member.filename[:100]} has more than {most >> 20} MB")
        if member.file_size > max(_MOST_OTHER_BYTES, member.compress_size * MAX_RATIO):
            raise _unreadable(f"{member.filename[:100]} unpacks to more than {MAX_RATIO} times its size")
        with self._package.open(member) as opened:
            while data := opened.read(_PIECE):
                yield data


def _chosen(sheets: list[_Sheet], wanted: str | None) -> _Sheet:
    if wanted is None:
        found = next((sheet for sheet in sheets if sheet.is_visible), None)
        if found is None:
            raise _unreadable("it has no visible sheet with cells; show the sheet in Excel, or name it with --sheet")
        return found
    for meant in (str, lambda name: " ".join(name.casefold().split())):
        found = next((sheet for sheet in sheets if meant(sheet.name) == meant(wanted)), None)
        if found is not None:
            return found
    names = _listed([sheet.name for sheet in sheets])
    raise Invalid(ErrorCode.UNKNOWN_SHEET, f"found no {wanted!r}; the workbook has {names}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_SHEETS:,} more" if len(names) > _SHOWN_SHEETS else ""
    return ", ".join(repr(name[:100]) for name in names[:_SHOWN_SHEETS]) + more


def _plain(name: str) -> str:
    """Some programs write other cases and separators than Excel."""
    return name.replace("\\", "/").lstrip("/").lower()


def _unreadable(why: str) -> Invalid:
    return Invalid(ErrorCode.WORKBOOK_NOT_READABLE, why)


@contextmanager
def _damage() -> Iterator[None]:
    """What goes wrong in the reading of a workbook is damage of it."""
    try:
        yield
    except KeyError as error:
        raise _unreadable(f"it is damaged: there is no {error}") from error
    except (*DAMAGED, ExpatError, StopIteration, IndexError, NotImplementedError) as error:
        raise _unreadable(f"it is damaged or cut off: {error}") from error
