"""What the good rows of a file come to, by action: enough to see that most files cannot empty a warehouse."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import polars as pl

from schemas.upload_rows import REMOVE, REPLACE


@dataclass(frozen=True)
class Sums:
    """Rows, and units.

    `moving_rows`: that add, remove or move, whosever stock they are about. All other figures are of rows about the
    job's own stock: those that count, the largest count, those that count nothing, and those that remove.
    """

    moving_rows: int = 0
    counted_rows: int = 0
    counted_units: int = 0
    largest_count: int = 0
    zero_rows: int = 0
    removing_rows: int = 0
    removed_units: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        """Those of both."""
        added = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Sums(**(added | {"largest_count": max(self.largest_count, other.largest_count)}))

    def to_json(self) -> dict[str, Any]:
        """The form in which a range keeps them."""
        return asdict(self)


def sums_of(rows: pl.DataFrame, owner: str) -> Sums:
    """Those of validated rows (see `validate_rows`)."""
    good = pl.col("errors").is_null()
    own = good & pl.col("customer_account_id").is_in(["", owner])
    counts, removes = own & (pl.col("action") == REPLACE), own & (pl.col("action") == REMOVE)
    counted = pl.col("target").filter(counts)
    found = rows.select(
        moving_rows=(good & (pl.col("action") != REPLACE)).sum(),
        counted_rows=counts.sum(),
        counted_units=counted.sum(),
        largest_count=counted.max().fill_null(0),
        zero_rows=(counted == 0).sum(),
        removing_rows=removes.sum(),
        removed_units=pl.col("target").filter(removes).sum(),
    )
    return Sums(**found.row(0, named=True))
