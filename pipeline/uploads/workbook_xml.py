"""Feeds the XML of a workbook's parts to expat, within limits and without declarations of entities."""

from collections.abc import Iterable, Iterator
from typing import Final
from xml.parsers import expat

from pipeline.errors import Invalid
from schemas.errors import ErrorCode

_LONGEST_TOKEN: Final = 4 << 20


def new_parser() -> expat.XMLParserType:
    """A parser that refuses a DOCTYPE: no workbook has one, and an entity can be declared nowhere else."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    return parser


def feed(parser: expat.XMLParserType, pieces: Iterable[bytes]) -> Iterator[None]:
    """Parse all pieces; give control back after each of them, and after the end.

    Raises:
        Invalid: WORKBOOK_NOT_READABLE, a DOCTYPE, or a tag without an end.
        ExpatError: no XML.
    """
    size = 0
    for piece in pieces:
        parser.Parse(piece, False)
        size += len(piece)
        if size - max(parser.CurrentByteIndex, 0) > _LONGEST_TOKEN:
            raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, "it is damaged: a tag in it has no end")
        yield
    parser.Parse(b"", True)
    yield


def elements(pieces: Iterable[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """The start of each element of a small part: its name without a prefix, and its attributes."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = new_parser()
    parser.StartElementHandler = lambda name, attributes: found.append((name.rpartition(":")[2], attributes))
    for _ in feed(parser, pieces):
        yield from found
        found.clear()


def _refuse(*_: object) -> None:
    raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, "its XML declares a DOCTYPE, which no workbook needs")
