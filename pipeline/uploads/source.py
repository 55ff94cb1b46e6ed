"""Opens the file of a sync, wherever its URL says that it is, pinned to one version."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import IO, Final

from pipeline.errors import Invalid
from pipeline.objects import ObjectStore
from pipeline.web import WebLimits, open_url
from schemas.errors import ErrorCode

_PIECE: Final = 1 << 20
_S3: Final = "s3://"


@dataclass(frozen=True)
class SourceLimits:
    """Which files may be read.

    In the uploads bucket an account reads below its own name; the `source_buckets` are open to every account.
    """

    uploads_bucket: str
    source_buckets: tuple[str, ...]
    web: WebLimits


@dataclass(frozen=True)
class Source:
    """An open file. `etag` names its version, `size` is in bytes; `pieces` can be read once."""

    etag: str
    size: int
    pieces: Iterator[bytes]


@contextmanager
def open_source(
    url: str, account_id: str, etag: str | None, objects: ObjectStore, limits: SourceLimits
) -> Iterator[Source]:
    """Open the file that an account named, in the version `etag` where one is given.

    Raises:
        Invalid: URL_NOT_ALLOWED, FILE_NOT_FOUND, FILE_FORBIDDEN, FILE_CHANGED, FILE_TOO_LARGE or FILE_UNREACHABLE.
        TryLater: the object store is away.
    """
    if url.startswith(_S3):
        yield _open_object(url, account_id, etag, objects, limits)
        return
    with open_url(url, limits.web, chunk_size=_PIECE) as file, tempfile.TemporaryFile(prefix="onhand-fetch-") as copy:
        # A copy, since its size decides into how many chunks it is split, and a web server need not say it.
        digest = _copy(file.chunks, copy)
        if etag is not None and etag not in (file.etag, digest):
            raise Invalid(ErrorCode.FILE_CHANGED, f"expected version {etag}, found {file.etag or digest}")
        size = copy.tell()
        copy.seek(0)
        yield Source(file.etag or digest, size, iter(lambda: copy.read(_PIECE), b""))


def _open_object(url: str, account_id: str, etag: str | None, objects: ObjectStore, limits: SourceLimits) -> Source:
    bucket, _, key = url.removeprefix(_S3).partition("/")
    own_upload = bucket == limits.uploads_bucket and key.startswith(f"{account_id}/")
    climbs = not {".", ".."}.isdisjoint(key.split("/"))  # some stores take such a key for a path
    if climbs or not (own_upload or bucket in limits.source_buckets):
        raise Invalid(
            ErrorCode.URL_NOT_ALLOWED,
            f"{account_id} may read {_S3}{limits.uploads_bucket}/{account_id}/… and the buckets of "
            f"ONHAND_S3_SOURCE_BUCKETS, found {url}",
        )
    info = objects.head(bucket, key, etag)
    if info.size > limits.web.max_bytes:
        raise Invalid(ErrorCode.FILE_TOO_LARGE, f"{info.size} bytes, the limit is {limits.web.max_bytes}")
    return Source(info.etag, info.size, objects.stream(bucket, key, etag=info.etag, chunk_size=_PIECE))


def _copy(chunks: Iterator[bytes], file: IO[bytes]) -> str:
    """Write the chunks to a file; a digest of all of them."""
    digest = blake2b(digest_size=16)
    for chunk in chunks:
        digest.update(chunk)
        file.write(chunk)
    return digest.hexdigest()
