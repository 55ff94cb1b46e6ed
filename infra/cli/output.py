"""Printing: tables for people, JSON Lines for programs, CSV for spreadsheets; progress and errors on standard error."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipeline.uploads.formulas import formula_safe

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Limit = Annotated[int | None, typer.Option(min=1, help="How many at most. A table shows 100 where this is not given.")]
TABLE_ROWS: Final = 100
_WIDE: Final = 10_000

_err = Console(stderr=True)


def _out() -> Console:
    console = Console()
    # A file or a pipe has no width that a table could be fitted into.
    return console if console.is_terminal else Console(width=_WIDE)


def print_error(message: str) -> None:
    """A message in red on standard error, in one line unless it has several itself."""
    _err.print(Text(_printable(message, keep="\n"), style="red"), soft_wrap=True)


def print_note(message: str) -> None:
    """A remark on standard error."""
    _err.print(Text(_printable(message)), soft_wrap=True)


def print_json(value: Any) -> None:
    """One line of JSON; dates in ISO 8601."""
    try:
        line = to_json(value).decode()
    except ValueError:  # a lone surrogate, which a dead letter may hold: shown as its escape
        line = json.dumps(value, default=str)
    sys.stdout.write(line + "\n")


def print_line(text: str) -> None:
    """A line on standard output, never wrapped: it may be copied or read by a program."""
    _out().print(Text(_printable(text)), soft_wrap=True)


def print_one(row: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing: a JSON object, or its fields under each other without those that are empty."""
    if as_json:
        print_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        if value not in (None, "", [], {}):
            print_line(f"{name:<{width}}  {_text(value)}")


def print_rows(rows: Iterable[Mapping[str, Any]], *, as_json: bool, limit: int | None) -> None:
    """Many things: JSON Lines as they come, or a table, which ends after `limit` rows or TABLE_ROWS and says so."""
    if as_json:
        for row in islice(rows, limit):
            print_json(row)
        return
    most = limit or TABLE_ROWS
    shown = list(islice(rows, most + 1))
    _out().print(_table(shown[:most]) if shown else Text("Nothing found.", style="dim"))
    if len(shown) > most:
        print_note(f"There are more than these {most}: --limit shows more, --json all of them.")


def rows_to_ask(limit: int | None, *, as_json: bool) -> int | None:
    """How many rows `print_rows` needs to see; None for all."""
    return limit if as_json else (limit or TABLE_ROWS) + 1


def print_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """CSV with a header; None becomes an empty field. No text runs as a formula where a spreadsheet opens it."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)


def print_bytes(pieces: Iterable[bytes]) -> None:
    """A file of its own, as it is."""
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _cell(value: Any) -> str:
    text = _text(value)
    return text if isinstance(value, int | float) else formula_safe(text)


def has_bars() -> bool:
    """Whether `progress` shows anything."""
    return _err.is_terminal


def progress(unit: str) -> Progress:
    """A bar on standard error, which shows nothing where that is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        console=_err,
        disable=not _err.is_terminal,
        transient=True,
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = [name for name in rows[0] if any(row[name] not in (None, "", [], {}) for row in rows)]
    for name in columns:
        numbers = all(isinstance(row[name], int | None) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, overflow="fold", justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(Text(_text(row[name])) for name in columns))
    return table


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return _printable(value)
        case list() | dict() | tuple():
            return _printable(to_json(value).decode())
        case _ if hasattr(value, "isoformat"):
            return str(value.isoformat(timespec="seconds"))
        case _:
            return str(value)


def _printable(text: str, keep: str = "") -> str:
    """Control characters as escapes: what a tenant sent must not steer the terminal."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
