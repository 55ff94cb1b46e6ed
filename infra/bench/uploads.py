"""Writes upload files of any size, piece by piece."""

from pathlib import Path

import polars as pl

from infra.bench.catalogue import BINS

_PIECE_ROWS = 500_000


def write_upload(path: Path, rows: int, *, quantity_of: str = "n % 90 + 6") -> None:
    """One row for each of the products 1..rows, in the bin where `fill_levels` put it, shuffled within each piece."""
    with path.open("wb") as file:
        file.write(b"sku,quantity,action,reason,location\n")
        for first in range(1, rows + 1, _PIECE_ROWS):
            numbers = pl.int_range(first, min(first + _PIECE_ROWS, rows + 1), eager=True).shuffle(seed=first)
            frame = pl.DataFrame({"n": numbers}).select(
                pl.format("SKU-{}", pl.col("n").cast(pl.String).str.zfill(8)).alias("sku"),
                pl.sql_expr(quantity_of).alias("quantity"),
                pl.lit("replace").alias("action"),
                pl.lit("weekly count").alias("reason"),
                pl.format("B-{}", (pl.col("n") % BINS).cast(pl.String).str.zfill(4)).alias("location"),
            )
            frame.write_csv(file, include_header=False)
