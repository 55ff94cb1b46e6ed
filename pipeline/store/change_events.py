"""Turns ledger lines into change events, as columns: one event for each version of a level."""

from typing import Final

import polars as pl

_LINES: Final = {
    "account_id": pl.String,
    "warehouse_id": pl.String,
    "sku": pl.String,
    "location_id": pl.String,
    "lot_id": pl.String,
    "level_id": pl.Int64,
    "version": pl.Int64,
    "state": pl.String,
    "delta": pl.Int64,
    "after": pl.Int64,
    "reason": pl.String,
    "note": pl.String,
    "document": pl.String,
    "actor": pl.String,
    "provider_account_id": pl.String,
    "origin": pl.String,
    "command_id": pl.String,
    "command_source": pl.String,
    "sync_id": pl.String,
    "sync_row": pl.Int64,
    "recorded_at": pl.String,
}
_EVENT: Final = (
    "account_id", "warehouse_id", "sku", "location_id", "lot_id", "version", "changes", "reason", "note", "document",
    "actor", "provider_account_id", "origin", "command_id", "command_source", "sync_id", "sync_row", "recorded_at",
)  # fmt: skip


def level_changed_events(lines: bytes) -> pl.DataFrame:
    """The events of ledger lines.

    Args:
        lines: CSV, at least a line, as `copy_changes_of_batches` gives it: the columns of _LINES, instants in UTC; the
            lines of one version of a level stand together.

    Returns:
        `id` (of the CloudEvent), `key` and `data` (a LevelChanged as JSON in bytes), in the order of the lines.
    """
    frame = pl.read_csv(lines, has_header=False, schema=_LINES)
    change = pl.struct("state", (pl.col("after") - pl.col("delta")).alias("before"), "after", "delta")
    level, version = frame["level_id"], frame["version"]
    if ((level == level.shift()) & (version == version.shift())).any():
        frame = frame.group_by("account_id", "level_id", "version", maintain_order=True).agg(
            pl.all().first(), change.alias("changes")
        )
        changes = pl.col("changes")
    else:
        changes = pl.concat_list(change)
    recorded_at = pl.col("recorded_at").str.replace(" ", "T", literal=True) + "Z"
    event = {name: pl.col(name) for name in _EVENT} | {"changes": changes, "recorded_at": recorded_at}
    return frame.select(  # one statement for all: each costs half a millisecond
        pl.concat_str("account_id", "level_id", "version", separator=":").alias("id"),
        pl.concat_str("account_id", "warehouse_id", "sku", separator=":").alias("key"),
        pl.struct([value.alias(name) for name, value in event.items()])
        .struct.json_encode()
        .cast(pl.Binary)
        .alias("data"),
    )
