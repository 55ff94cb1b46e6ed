"""Slices of a block's bytes as columns."""

from typing import Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from pipeline.uploads.lines import Offsets

_NOT_ASCII: Final = 0x80


def slices(data: pl.Series, starts: Offsets, ends: Offsets) -> pl.Series:
    """The bytes from each start to its end. `data`: one value; a literal of bytes would be read for each expression."""
    places = pl.DataFrame({"start": starts, "size": ends - starts})
    return places.select(pl.lit(data).bin.slice("start", "size")).to_series()


def texts(data: pl.Series, starts: Offsets, ends: Offsets) -> pl.Series:
    """The same as text; what is not UTF-8 becomes U+FFFD."""
    parts = slices(data, starts, ends)
    try:
        return parts.cast(pl.String)
    except PolarsError:
        high = np.flatnonzero(np.frombuffer(data[0], np.uint8) >= _NOT_ASCII)
        suspects = pl.Series(np.flatnonzero(high.searchsorted(starts) < high.searchsorted(ends)))
        mended = [part.decode("utf-8", "replace") for part in parts.gather(suspects)]
        return parts.scatter(suspects, [b""] * len(mended)).cast(pl.String).scatter(suspects, mended)
