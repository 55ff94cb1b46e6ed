"""Quotes that are part of a text, in files that do not quote or do so badly: where they leave the fields certain.

Programs that write titles with tabs between often do not quote at all. Read by the rules of CSV, a title that begins
with a quote may then take the next rows along. So a file with tabs is read without quoting if all of it shows that
quotes are text there; `quote_evidence` looks for that, line by line, whatever the rules of CSV say.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipeline.uploads.header import Header

OPENED: Final = "quotes opened"
BARE: Final = "quotes bare"
QUOTED: Final = "quotes around"
"""Of a file's evidence: lines in which a field begins with a quote, those where that quote is text, and those that show
that fields are quoted."""

_TAB: Final = "\t"
_OPENING: Final = re.compile(rb'(?:^|(?<=[\t\r\n]))"')
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_WELL_FORMED: Final = re.compile(rb'"((?:[^"]|"")*+)"')


def quote_evidence(data: bytes, header: Header) -> Counter[str]:
    """What the quotes of whole lines show about how their file is to be read. Only files with tabs are looked at.

    A quote is text if it begins a field of an ignored column which is not well-formed, in a line that has all of the
    header's columns. Fields are quoted if one of a known column is, if a quoted one has something that needs it, or if
    a line has not the header's columns.
    """
    found: Counter[str] = Counter()
    if header.delimiter != _TAB or header.quoted_names or b'"' not in data:
        return found
    for line, next_line in _lines_with_opening_quote(data):
        found[OPENED] += 1
        kind = _kind(line.split(b"\t"), next_line, header.columns)
        if kind:
            found[kind] += 1
        if kind == QUOTED:  # one is enough
            break
    return found


def is_quoting(evidence: Mapping[str, int]) -> bool:
    """Whether fields of the file can be quoted."""
    return bool(evidence.get(QUOTED)) or not evidence.get(BARE)


def _lines_with_opening_quote(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Each of these lines with the one behind it, None where there is none."""
    position = 0
    while opening := _OPENING.search(data, position):
        start = max(data.rfind(b"\n", 0, opening.start()), data.rfind(b"\r", 0, opening.start())) + 1
        end = _LINE_END.search(data, opening.start())
        if end is None:
            yield data[start:], None
            return
        after = _LINE_END.search(data, end.end())
        behind = data[end.end() : after.start() if after else len(data)]
        yield data[start : end.start()], behind if end.end() < len(data) else None
        position = end.end()


def _kind(fields: Sequence[bytes], next_line: bytes | None, columns: Sequence[str | None]) -> str | None:
    if len(fields) != len(columns):
        return QUOTED
    kind = None
    for number, (field, column) in enumerate(zip(fields, columns, strict=True)):
        if not field.startswith(b'"'):
            continue
        if well_formed := _WELL_FORMED.fullmatch(field):
            if column or not well_formed[1] or b'"' in well_formed[1]:
                return QUOTED
        elif column is None and number < len(columns) - 1:
            kind = BARE
        elif column is None and next_line:  # the field may go on in the next line
            if next_line.count(b"\t") + 1 != len(columns):
                return QUOTED
            kind = BARE
    return kind


def certain_from(line: bytes, delimiter: bytes, columns: Sequence[str | None]) -> tuple[int, bool] | None:
    """Where the field with the wrong quote of a broken record begins, if all fields of known columns are certain.

    They are if all of them stand before it, or if, with the line split at its delimiters as it stands, there are as
    many fields as in the header, and all quotes behind stand in pairs in this one field of an ignored column: so no
    delimiter can be within quotes.

    Returns:
        The place, and whether what stands behind has to be split; None where something is not certain.
    """
    place, number = _broken_field(line, delimiter)
    if number >= len(columns) or columns[number] is not None:
        return None
    if not any(columns[number:]):
        return place, False
    first, *rest = line[place:].split(delimiter)
    is_complete = number + 1 + len(rest) == len(columns)
    is_closed = first.count(b'"') % 2 == 0 and not any(b'"' in field for field in rest)
    return (place, True) if is_complete and is_closed else None


def _broken_field(line: bytes, delimiter: bytes) -> tuple[int, int]:
    """Where the first field begins that opens a quote and does not close it well, and its number."""
    place = number = 0
    while True:
        if line.startswith(b'"', place):
            field = _WELL_FORMED.match(line, place)
            if field is None or not line.startswith(delimiter, field.end()):
                return place, number
            place = field.end() + 1
        else:
            end = line.find(delimiter, place)
            if end < 0:
                return len(line), number + 1
            place = end + 1
        number += 1
