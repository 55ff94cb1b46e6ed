"""Writes upload files of any size, piece by piece."""

from pathlib import Path
from typing import Final

import polars as pl
from xlsxwriter import Workbook

from infra.bench.catalogue import BINS

BAD_EVERY: Final = 10
"""In a file with bad rows, one of so many is bad."""

_PIECE_ROWS: Final = 500_000
_HEADER: Final = b"sku,quantity,action,reason,location\n"


def write_upload(path: Path, rows: int, *, bad: bool = False) -> None:
    """One row for each of the products 1..rows, in the bin where `fill_levels` put it, shuffled within each piece.

    With `bad`, the rows of every tenth product are wrong, in eight ways that take turns.
    """
    with path.open("wb") as file:
        file.write(_HEADER)
        for first in range(1, rows + 1, _PIECE_ROWS):
            numbers = pl.int_range(first, min(first + _PIECE_ROWS, rows + 1), eager=True).shuffle(seed=first)
            frame = pl.DataFrame({"n": numbers}).select((_bad_record() if bad else _record()).alias("record"))
            frame.write_csv(file, include_header=False, quote_style="never")


def write_workbook(path: Path, rows: int) -> None:
    """The same rows in the order of the products as a workbook, with three more columns that are ignored."""
    numbers = pl.int_range(1, rows + 1, eager=True)
    records = pl.DataFrame({"n": numbers}).select(_record().str.split(",")).to_series()
    with Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("Stock")
        sheet.write_row(0, 0, [*_HEADER.decode().strip().split(","), "name", "price", "colour"])
        for number, (sku, quantity, *others) in enumerate(records, 1):
            more = (f"Product {number} of the bench", number % 10_000 / 100, ("red", "green", "blue")[number % 3])
            sheet.write_row(number, 0, (sku, int(quantity), *others, *more))


def bad_rows(rows: int) -> int:
    """How many rows of a file with bad rows are in error."""
    return rows // BAD_EVERY


def _bad_record() -> pl.Expr:
    """Every tenth row is wrong; the ways are those that a spreadsheet, a script or a person brings about."""
    ways = (
        _record(sku=pl.format("GONE-{}", pl.col("n"))),
        _record(sku=pl.lit("")),
        _record(quantity=pl.lit('"1,234"')),
        _record(quantity=pl.lit("-5")),
        _record(action=pl.lit("delete")),
        _record(location=pl.lit("B-nowhere")),
        _record(reason=pl.lit("bell\x07")),
        pl.format("{},surplus", _record()),
    )
    record = _record()
    for way, expression in enumerate(ways):
        chosen = (pl.col("n") % (BAD_EVERY * len(ways))) == BAD_EVERY * way
        record = pl.when(chosen).then(expression).otherwise(record)
    return record


def _record(
    *,
    sku: pl.Expr | None = None,
    quantity: pl.Expr | None = None,
    action: pl.Expr | None = None,
    reason: pl.Expr | None = None,
    location: pl.Expr | None = None,
) -> pl.Expr:
    """A row as it stands in the file, with some of its fields replaced."""
    number = pl.col("n")
    return pl.format(
        "{},{},{},{},{}",
        pl.format("SKU-{}", number.cast(pl.String).str.zfill(8)) if sku is None else sku,
        (number % 90 + 6).cast(pl.String) if quantity is None else quantity,
        pl.lit("replace") if action is None else action,
        pl.lit("weekly count") if reason is None else reason,
        pl.format("B-{}", (number % BINS).cast(pl.String).str.zfill(4)) if location is None else location,
    )
