"""Turns ledger lines into messages that tell linked channel locations what there is to sell now."""

from typing import Final

import polars as pl

_LINES: Final = {
    "account_id": pl.String,
    "channel": pl.String,
    "external_location_id": pl.String,
    "warehouse_id": pl.String,
    "sku": pl.String,
    "available": pl.Int64,
    "level_id": pl.Int64,
    "version": pl.Int64,
}
_UPDATE: Final = ("account_id", "channel", "external_location_id", "warehouse_id", "sku", "available", "change_id")


def channel_updates(lines: bytes) -> pl.DataFrame:
    """The messages for channel locations, of lines that were read after their batches had been claimed.

    A message carries what the warehouse has when the lines are read, which can include later changes than its own. So
    the last message of a key is always the newest truth: one relay publishes at a time, and the next one claims, and
    therefore reads, only when this one is done; and a change that this reading missed was committed with a batch of its
    own, which is claimed later, and then the stock is read again.

    Args:
        lines: CSV, at least a line, as `copy_channel_updates_of_batches` gives it: the columns of _LINES.

    Returns:
        `id` (of the CloudEvent), `key` and `data` (a ChannelUpdate as JSON in bytes), in the order of the lines.
    """
    change_id = pl.concat_str("account_id", "level_id", "version", separator=":").alias("change_id")
    frame = pl.read_csv(lines, has_header=False, schema=_LINES).with_columns(change_id)
    return frame.select(
        pl.format("{}:{}/{}", "change_id", "channel", "external_location_id").alias("id"),
        pl.concat_str("account_id", "channel", "external_location_id", "sku", separator=":").alias("key"),
        pl.struct(_UPDATE).struct.json_encode().cast(pl.Binary).alias("data"),
    )
