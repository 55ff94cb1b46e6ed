"""Opens the file of a sync, wherever its URL says that it is, pinned to one version."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from pipeline.errors import Invalid
from pipeline.objects import ObjectStore
from pipeline.web import WebLimits, open_url
from schemas.errors import ErrorCode

_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Source:
    """An open file. `etag` names its version, `size` is in bytes where the server says it."""

    etag: str
    size: int | None
    pieces: Iterator[bytes]
