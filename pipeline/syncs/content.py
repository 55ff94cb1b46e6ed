"""The digest that a file is known by: of all its bytes, unpacked, and in the encoding in which they came.

So it is the same for a file that is packed and one that is not, and however the file is read.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Protocol


class Digest(Protocol):
    """Takes bytes, and gives their digest."""

    def update(self, data: bytes, /) -> None:
        """Take some more bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


def content_digest() -> Digest:
    """The digest of a content of which nothing was seen yet."""
    return blake2b(digest_size=16)


def digested(pieces: Iterable[bytes], digest: Digest) -> Iterator[bytes]:
    """The pieces as they are; the digest has seen each of them before it is given."""
    for piece in pieces:
        digest.update(piece)
        yield piece
