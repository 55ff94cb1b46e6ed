"""The cells of a sheet as text: what a person has typed, with all of its digits."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias

from pipeline.errors import Invalid
from pipeline.uploads.workbook_xml import elements, feed, new_parser
from schemas.errors import ErrorCode

MOST_ROWS: Final = 1 << 20
"""As many as a sheet has in Excel."""
MOST_COLUMNS: Final = 1 << 14
TRUE: Final = {"1", "true"}
"""As an attribute of an element, and as the value of a cell."""

_MOST_CELLS: Final = 20_000_000
_MOST_TEXT: Final = 1 << 16
"""Of a cell, in characters; Excel has room for half of it."""
_MOST_BETWEEN_TAGS: Final = 1 << 20
_SHOWN_CELLS: Final = 5
_EXACT: Final = 10**15
"""Excel keeps 15 digits. What is larger, and not written digit by digit, was rounded."""

_MERGE: Final = re.compile(rb'mergeCell\s[^<>]*?ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_LONGEST_MERGE: Final = 200
_MOST_MERGED: Final = 1_000_000
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NOT_OF_FORMAT: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_OF_DATE: Final = re.compile(r"[dmyhs]", re.IGNORECASE)
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BUILT_IN_DATES: Final = {*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)}
_BUILT_IN_ELAPSED: Final = 46
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no zone
_LEAP_THAT_WAS_NONE: Final = 61
"""Excel counts 29 February 1900, which was no day, as number 60."""
_OFFSET_1904: Final = 1462
_LAST_DAY: Final = 2_958_466


@dataclass(frozen=True)
class Styles:
    """The numbers of the styles that show dates and times, and of those that show times that have elapsed."""

    dates: frozenset[str] = frozenset()
    elapsed: frozenset[str] = frozenset()

    @classmethod
    def read(cls, pieces: Iterable[bytes]) -> "Styles":
        """Of the part `styles.xml`: a cell names the place of its style in `cellXfs`."""
        codes: dict[str, str] = {}
        dates, elapsed = set(), set()
        place: int | None = None
        for name, attributes in elements(pieces):
            if name == "numFmt":
                codes.setdefault(attributes["numFmtId"], attributes.get("formatCode", ""))
            elif name == "cellXfs":
                place = 0
            elif name in {"cellStyles", "dxfs"}:
                place = None
            elif name == "xf" and place is not None:
                number = attributes.get("numFmtId", "0")
                code = _NOT_OF_FORMAT.sub("", codes.get(number, "")).partition(";")[0]
                if _ELAPSED.search(code) or number == str(_BUILT_IN_ELAPSED):
                    elapsed.add(str(place))
                elif _OF_DATE.search(code.replace("General", "")) or int(number) in _BUILT_IN_DATES:
                    dates.add(str(place))
                place += 1
        return cls(frozenset(dates), frozenset(elapsed))


@dataclass(frozen=True)
class CellRules:
    """How cells become text: see `number_text` and `date_text`.

    `recalculates`: the program that wrote the workbook has left its formulas to the next one, and has written none or
    0 as their values.
    """

    styles: Styles = Styles()
    is_1904: bool = False
    comma_decimals: bool = False
    recalculates: bool = False

    def number(self, text: str, style: str | None) -> str:
        if style in self.styles.dates:
            return date_text(text, is_1904=self.is_1904)
        if style in self.styles.elapsed:
            return elapsed_text(text)
        return number_text(text, comma_decimals=self.comma_decimals)


@lru_cache(maxsize=10_000)
def number_text(text: str, *, comma_decimals: bool = False) -> str:
    """A number as it was typed: 5 for 5.0, 0.1 for 0.1 and for 0.1000000000000001, all digits of a long one.

    Of one that was rounded to 15 digits, those with an exponent, so that nobody takes them for all. With
    `comma_decimals`, 1.125 is 1.1250, since 1.125 may be read as 1125.
    """
    text = text.strip()
    if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
        return str(int(text))
    value = float(text)
    if not -_EXACT < value < _EXACT:
        return f"{value:.14E}"
    plain = format(Decimal(f"{value:.15g}"), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if comma_decimals and len(plain.partition(".")[2]) == 3:
        plain += "0"
    return "0" if plain == "-0" else plain


@lru_cache(maxsize=10_000)
def date_text(text: str, *, is_1904: bool) -> str:
    """A day, a time, or both, as ISO 8601 writes them: 2026-03-01, 12:30:00, 2026-03-01T12:30:00.

    A number that is no date stays a number.
    """
    value = float(text)
    days = value + (_OFFSET_1904 if is_1904 else 0)
    if not 0 <= days < _LAST_DAY or int(days) == _LEAP_THAT_WAS_NONE - 1:
        return number_text(text)
    if 0 < value < 1:
        return elapsed_text(text)
    moment = _EPOCH + timedelta(milliseconds=round(days * 86_400_000))
    moment += timedelta(days=days < _LEAP_THAT_WAS_NONE)
    spec = "milliseconds" if moment.microsecond else "seconds"
    is_day = moment.time() == moment.min.time()
    return moment.date().isoformat() if is_day else moment.isoformat(timespec=spec)


def elapsed_text(text: str) -> str:
    """Hours, minutes and seconds: 36:00:00 for a day and a half."""
    value = float(text)
    if not -_LAST_DAY < value < _LAST_DAY:
        return number_text(text)
    seconds = round(abs(value) * 86_400)
    return f"{'-' if value < 0 and seconds else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def read_shared_strings(pieces: Iterable[bytes]) -> list[str]:
    """The strings that cells name by their places, as fields of CSV without the quotes around them."""
    strings: list[str] = []
    texts: list[str] = []
    taken: list[str] = []
    skipped = 0
    item = text = phonetic = ""

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal item, text, phonetic, skipped
        if not item:
            prefix = name[: -len("sst")]
            item, text, phonetic = prefix + "si", prefix + "t", prefix + "rPh"
        elif name == text:
            taken.clear()
        elif name == item:
            texts.clear()
        elif name == phonetic:
            skipped += 1

    def end(name: str) -> None:
        nonlocal skipped
        if name == text:
            if not skipped:
                texts.extend(taken)
            taken.clear()
        elif name == item:
            _check_size(texts, _MOST_TEXT)
            strings.append(_field("".join(texts)))
        elif name == phonetic:
            skipped -= 1

    parser = new_parser()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = taken.append
    for _ in feed(parser, pieces):
        _check_size(taken, _MOST_BETWEEN_TAGS)
    return strings


Merged: TypeAlias = dict[int, dict[int, str]]
"""By row and column, both from 1: the cell with whose text a cell of a row below is merged."""


def find_merged(pieces: Iterable[bytes]) -> Merged:
    """The cells of a sheet that are merged with one in a row above. They stand behind all rows in its XML.

    Raises:
        Invalid: WORKBOOK_NOT_READABLE, more than are allowed.
    """
    found: Merged = {}
    count, kept = 0, b""
    for piece in pieces:
        text = kept + piece
        end = 0
        for match in _MERGE.finditer(text):
            end = match.end()
            left, top, right, bottom = (part.decode() for part in match.groups())
            columns = range(column_number(left), column_number(right) + 1)
            rows = range(int(top) + 1, min(int(bottom), MOST_ROWS) + 1)
            count += len(columns) * len(rows)
            if count > _MOST_MERGED:
                detail = f"more than {_MOST_MERGED:,} of its cells are merged"
                raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, detail)
            for row in rows:
                found.setdefault(row, {}).update(dict.fromkeys(columns, f"{left}{top}"))
        kept = text[max(end, len(text) - _LONGEST_MERGE) :]
    return found


class SheetReader:
    """Reads a sheet: its rows as lines of CSV. `without_value` counts the formulas that have none, and
    `examples` names the first of their cells; `hidden` counts the rows with text that are not shown.

    Of cells that are merged over several rows, those below the first row have the text `(merged with C2)`: what the
    empty ones would mean there is not certain, and as a bin, a warehouse or a quantity it is an error of its row.

    There are millions of calls to the handlers of its elements: attributes are few, and looked up rarely.
    """

    def __init__(self, shared: list[str], rules: CellRules, merged: Merged) -> None:
        self.without_value = self.hidden = 0
        self.examples: list[str] = []
        self._lines: list[str] = []
        self._taken: list[str] = []
        self._shared, self._rules, self._merged = shared, rules, merged
        self._columns: dict[str, int] = {}
        self._row: list[str] = []
        self._number = self._column = self._cells = self._skipped = 0
        self._kind: str | None = None
        self._style: str | None = None
        self._inline: list[str] = []
        self._value: str | None = None
        self._formula: str | None = None
        self._parser = new_parser()
        self._parser.StartElementHandler = self._root
        self._parser.CharacterDataHandler = self._taken.append

    def read(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The lines, from the XML of a sheet: row 7 is line 7, and one without text is a blank line.

        Raises:
            Invalid: WORKBOOK_NOT_READABLE, more rows, columns or cells than are allowed, or rows out of order.
            ExpatError, ValueError, IndexError: damaged.
        """
        for _ in feed(self._parser, pieces):
            _check_size(self._taken, _MOST_BETWEEN_TAGS)
            if self._lines:
                yield "".join(self._lines).encode("utf-8", "replace")
                self._lines.clear()

    def _root(self, name: str, _: dict[str, str]) -> None:
        """The prefix of the root is that of all elements of the sheet."""
        prefix = name[: -len("worksheet")]
        self._names = tuple(prefix + each for each in ("c", "v", "row", "t", "f", "rPh"))
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        cell, value, row, text, formula, phonetic = self._names
        if name == value:
            self._taken.clear()
        elif name == cell:
            place = attributes.get("r")
            self._column = self._column_of(place) if place else self._column + 1
            self._kind, self._style = attributes.get("t"), attributes.get("s")
            self._value = self._formula = None
            self._inline.clear()
            self._taken.clear()
        elif name == row:
            self._begin_row(attributes)
        elif name in {text, formula}:
            self._taken.clear()
        elif name == phonetic:
            self._skipped += 1

    def _end(self, name: str) -> None:
        cell, value, row, text, formula, phonetic = self._names
        if name == value:
            self._value = "".join(self._taken)
        elif name == cell:
            field = self._field()
            if field:
                missing = self._column - len(self._row)
                if missing > 0:
                    self._row.extend([""] * missing)
                self._row[self._column - 1] = field
        elif name == row:
            self._end_row()
        elif name == text:
            if not self._skipped:
                self._inline.extend(self._taken)
            self._taken.clear()
        elif name == formula:
            self._formula = "".join(self._taken)
        elif name == phonetic:
            self._skipped -= 1

    def _field(self) -> str:
        if self._formula is not None and self._lacks_value():
            self.without_value += 1
            if len(self.examples) < _SHOWN_CELLS:
                self.examples.append(f"{_letters(self._column)}{self._number}")
            return _field(f"={self._formula}")
        kind, value = self._kind, self._value or ""
        if kind == "s":
            return self._shared[int(value)] if value else ""
        if kind is None or kind == "n":
            return self._rules.number(value, self._style) if value else ""
        if kind == "inlineStr":
            return _field("".join(self._inline))
        if kind == "b":
            return "TRUE" if value.strip() in TRUE else "FALSE"
        return _field(value)  # the text of a formula, an error such as #N/A, or a date in ISO 8601

    def _lacks_value(self) -> bool:
        """Of a cell with a formula. Some programs write 0 where they have not calculated it."""
        if self._value is None:
            return True
        return self._kind in {None, "n"} and self._value in ({"", "0"} if self._rules.recalculates else {""})

    def _begin_row(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r") or self._number + 1)
        if not self._number < number <= MOST_ROWS:
            found = f"row {number:,} stands behind row {self._number:,}"
            raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, f"{found}; a sheet has up to {MOST_ROWS:,} rows, in order")
        self._lines.append("\n" * (number - self._number - 1))
        self._number, self._column = number, 0
        self._row = []
        self._is_hidden = attributes.get("hidden") in TRUE

    def _end_row(self) -> None:
        for column, first in self._merged.get(self._number, {}).items():
            missing = column - len(self._row)
            if missing > 0:
                self._row.extend([""] * missing)
            self._row[column - 1] = f"(merged with {first})"
        self._cells += len(self._row)
        self.hidden += self._is_hidden and bool(self._row)
        if self._cells > _MOST_CELLS:
            raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, f"the sheet has more than {_MOST_CELLS:,} cells")
        self._lines.append('"' + '","'.join(self._row) + '"\n' if self._row else "\n")

    def _column_of(self, place: str) -> int:
        letters = place.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            self._columns[letters] = column = column_number(letters)
        return column


def column_number(letters: str) -> int:
    """1 for A, 27 for AA.

    Raises:
        Invalid: WORKBOOK_NOT_READABLE, there is no such column.
    """
    column = 0
    for letter in letters[:4]:
        column = column * 26 + ord(letter) - 64
    if not (letters.isalpha() and letters.isupper() and len(letters) <= 3 and column <= MOST_COLUMNS):
        raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, f"it is damaged: {letters[:20]!r} is no column")
    return column


def _letters(column: int) -> str:
    """A for 1, AA for 27."""
    return (_letters((column - 1) // 26) if column > 26 else "") + chr(65 + (column - 1) % 26)


def _field(text: str) -> str:
    """Text as a field of CSV, without the quotes around it. A line break is a space: each row is one line."""
    if "_x" in text:
        text = _ESCAPE.sub(_escaped, text)
    if "\n" in text or "\r" in text:
        text = _LINE_BREAK.sub(" ", text)
    return text.replace('"', '""') if '"' in text else text


def _escaped(found: re.Match[str]) -> str:
    """Excel writes what XML cannot hold as _x0007_, and _x as _x005F_x. Half a pair of UTF-16 is no character."""
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code < 0xE000 else chr(code)


def _check_size(texts: list[str], most: int) -> None:
    if sum(map(len, texts)) > most:
        raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, f"a cell has more than {most:,} characters")
