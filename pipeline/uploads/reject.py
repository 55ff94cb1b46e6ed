"""A row of an upload that was not applied."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import RowError


@dataclass(frozen=True)
class Reject:
    """The record's bytes as they stood in the file, without the line end, and what is wrong with the row."""

    raw: bytes
    errors: Sequence[RowError]
