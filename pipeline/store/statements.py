"""Reads the SQL files of `queries/`: each holds named statements, `-- name: …` and a sentence above each."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def joined(values: Iterable[object]) -> str:
    """A list parameter for `string_to_array(…, chr(31))`; no value may hold that control character."""
    return "\x1f".join(map(str, values))


@cache
def statements(file: str) -> dict[str, LiteralString]:
    """The statements of `queries/{file}.sql` by name, without their comments' name line.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file names a statement twice.
    """
    text = (files(__package__) / "queries" / f"{file}.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}.sql names a statement twice")
    # A statement comes from a file of this package, never from input: that is what LiteralString promises.
    return {name: cast(LiteralString, body.strip()) for name, body in zip(names, bodies, strict=True)}
