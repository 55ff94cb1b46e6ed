"""What the planner settles about a file before it is cut; all who read its ranges go by it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pipeline.uploads.header import Header
from schemas.upload_rows import REPLACE, Numbers
from schemas.uploads import UploadColumn

MIN_RANGE_BYTES: Final = 16 << 20
MAX_RANGE_BYTES: Final = 256 << 20
_RANGES: Final = 8
"""Enough for several workers; each chunk later fetches a piece of every range."""
_MAX_CHUNKS: Final = 20_000


@dataclass(frozen=True)
class Layout:
    """`owner`: whose stock it is where a row does not say so. `chunk_count`: into how many chunks rows are split;
    `by_location`: by SKU and location rather than by SKU alone. `action`: what rows do that do not say so.

    `max_zeroed_percent` and `max_missing_percent` are the shares of the wipe guard, None where it does not look.

    `numbers`: how each column of numbers is written, and `behind`: the column behind the quantity if throughout the
    file it looks like the rest of quantities that were split. These two and the header's `quoting` are what the
    beginning of the file shows, until all of it was looked at.
    """

    header: Header
    owner: str
    chunk_count: int
    by_location: bool
    max_zeroed_percent: int | None = None
    max_missing_percent: int | None = None
    action: str = REPLACE
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    behind: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The form in which the job keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Layout":
        """The layout that a job has kept."""
        numbers = {column: Numbers(value) for column, value in kept["numbers"].items()}
        return cls(**{**kept, "header": Header.from_json(kept["header"]), "numbers": numbers})


def chunks_for(size: int, sample: bytes, chunk_rows: int) -> int:
    """How many chunks of about `chunk_rows` rows a file of `size` bytes makes whose records are as in the sample."""
    lines = max(1, sample.count(b"\n") or sample.count(b"\r"))
    bytes_per_row = max(1.0, len(sample) / lines)
    return min(_MAX_CHUNKS, max(1, math.ceil(size / bytes_per_row / chunk_rows)))


def range_bytes(size: int) -> int:
    """The aimed size of the ranges of a file. The same file always gets the same ranges."""
    return min(MAX_RANGE_BYTES, max(MIN_RANGE_BYTES, math.ceil(size / _RANGES)))


def by_location(header: Header) -> bool:
    """Rows of a SKU can go to different chunks, by their location, unless one of them can move units to another's."""
    return UploadColumn.TO_LOCATION not in header.columns
