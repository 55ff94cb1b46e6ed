"""Turns ledger lines into change events, as columns: one event for each version of a level."""

from collections.abc import Iterator
from typing import Final

import polars as pl

_LINES: Final = {
    "account_id": pl.String,
    "warehouse_id": pl.String,
    "sku": pl.String,
    "location_id": pl.String,
    "level_id": pl.Int64,
    "version": pl.Int64,
    "state": pl.String,
    "delta": pl.Int64,
    "after": pl.Int64,
    "reason": pl.String,
    "actor": pl.String,
    "command_id": pl.String,
    "sync_id": pl.String,
    "sync_row": pl.Int64,
    "recorded_at": pl.String,
}
_EVENT: Final = (
    "account_id", "warehouse_id", "sku", "location_id", "version", "changes", "reason", "actor", "command_id",
    "sync_id", "sync_row", "recorded_at",
)  # fmt: skip


def level_changed_events(lines: bytes) -> Iterator[tuple[str, str, str]]:
    """The events of ledger lines.

    Args:
        lines: CSV as `copy_changes_of_batches` gives it: the columns of _LINES, instants in UTC; the lines of one
            version of a level stand together.

    Returns:
        Key, CloudEvents id and data (a LevelChanged as JSON) of each event, in the order of the lines.
    """
    if not lines:
        return iter(())
    frame = pl.read_csv(lines, has_header=False, schema=_LINES)
    change = pl.struct("state", (pl.col("after") - pl.col("delta")).alias("before"), "after", "delta")
    frame = frame.with_columns(change.alias("change"), pl.col("recorded_at").str.replace(" ", "T", literal=True) + "Z")
    level = ["account_id", "level_id", "version"]
    if frame.select(pl.struct(level).is_duplicated().any()).item():
        others = pl.exclude(*level, "change").first()
        events = frame.group_by(level, maintain_order=True).agg(others, pl.col("change").alias("changes"))
    else:
        events = frame.with_columns(pl.concat_list("change").alias("changes"))
    return events.select(
        pl.concat_str("account_id", "warehouse_id", "sku", separator=":").alias("key"),
        pl.concat_str("account_id", "level_id", "version", separator=":").alias("id"),
        pl.struct(_EVENT).struct.json_encode().alias("data"),
    ).iter_rows()
