"""Counts what rows have in the columns that are watched: those that are not read and may say what a row does."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from pipeline.uploads.fields import filled_fields
from pipeline.uploads.header import Header
from pipeline.uploads.lines import Flags
from pipeline.uploads.meanings import WATCHED, harmless_values, plain_name
from pipeline.uploads.structure import Structure


class Seen(NamedTuple):
    """What rows have in a watched column: `rows` with a value that may matter, one of those, and rows with another."""

    rows: int = 0
    example: str = ""
    harmless_rows: int = 0


Watched = Mapping[int, Seen]
"""By the column's place in the header."""

_EXAMPLE_CHARACTERS = 40


def look(structure: Structure, header: Header) -> Watched:
    """Look through the watched columns of a block. It costs nothing where there are none."""
    return {place: _seen(structure, header, place) for place in header.reading.watched}


def all_of(parts: Iterable[Watched]) -> Watched:
    """What was seen in several parts of a file."""
    whole: dict[int, Seen] = {}
    for part in parts:
        for place, seen in part.items():
            before = whole.get(place, Seen())
            rows, harmless = before.rows + seen.rows, before.harmless_rows + seen.harmless_rows
            whole[place] = Seen(rows, before.example or seen.example, harmless)
    return whole


def is_tracked(structure: Structure, header: Header, place: int) -> Flags:
    """In which records a column is filled in."""
    found = np.zeros(structure.starts.size, bool)
    found[filled_fields(structure, header, place)[0]] = True
    return found


def _seen(structure: Structure, header: Header, place: int) -> Seen:
    _, values = filled_fields(structure, header, place)
    if not values.len():
        return Seen()
    harmless = harmless_values(WATCHED.get(plain_name(header.names[place]), ()))
    telling = values.filter(~values.str.to_lowercase().is_in(list(harmless)))
    example = str(telling[0])[:_EXAMPLE_CHARACTERS] if telling.len() else ""
    return Seen(telling.len(), example, values.len() - telling.len())
