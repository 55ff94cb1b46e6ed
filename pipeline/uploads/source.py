"""Finds the file of a sync, wherever its URL says that it is, pinned to one version."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from io import SEEK_END
from typing import IO, Final

from pipeline.errors import Invalid
from pipeline.objects import ObjectStore
from pipeline.uploads.unpack import GZIP_MAGIC, ZIP_MAGICS, Packing, gunzip, is_text, packing_of
from pipeline.web import WebFile, WebLimits, open_url
from schemas.errors import ErrorCode
from schemas.uploads import REJECTS_PREFIX

_PIECE: Final = 1 << 20
_SNIFFED: Final = 1 << 16
_S3: Final = "s3://"
_NOT_PACKED: Final = {"", "identity", "gzip", "x-gzip"}


@dataclass(frozen=True)
class SourceLimits:
    """Which files may be read.

    In the uploads bucket an account reads below its own name; the `source_buckets` are open to every account.
    `web.max_bytes` is the limit for files of either kind.
    """

    uploads_bucket: str
    source_buckets: tuple[str, ...]
    web: WebLimits


@dataclass(frozen=True)
class ObjectSource:
    """A file in object storage, in one version; `size` is in bytes. Ranges of it can be read in any order."""

    bucket: str
    key: str
    etag: str
    version_id: str | None
    size: int


@dataclass(frozen=True)
class FetchedFile:
    """A file from the web in a temporary one, at its start. `etag` names its version, `size` is in bytes.

    `charset` is what the server says of its text; `has_known_end` is as in WebFile.
    """

    file: IO[bytes]
    etag: str
    size: int
    charset: str | None
    has_known_end: bool


def locate(  # noqa: PLR0913, PLR0917 - which file, for whom, and how it is reached
    url: str, account_id: str, etag: str | None, version_id: str | None, objects: ObjectStore, limits: SourceLimits
) -> ObjectSource:
    """Find the object that an account named, in the version asked for, or in the one that is there now.

    Raises:
        Invalid: URL_NOT_ALLOWED, FILE_NOT_FOUND, FILE_FORBIDDEN, FILE_CHANGED or FILE_TOO_LARGE.
        TryLater: the object store is away.
    """
    bucket, _, key = url.removeprefix(_S3).partition("/")
    if not _may_read(account_id, bucket, key, limits):
        raise Invalid(
            ErrorCode.URL_NOT_ALLOWED,
            f"{account_id} may read {_S3}{limits.uploads_bucket}/{account_id}/… and the buckets of "
            f"ONHAND_S3_SOURCE_BUCKETS, found {url}",
        )
    info = objects.head(bucket, key, etag, version_id)
    if info.size > limits.web.max_bytes:
        raise Invalid(ErrorCode.FILE_TOO_LARGE, f"{info.size:,} bytes, the limit is {limits.web.max_bytes:,}")
    return ObjectSource(bucket, key, info.etag, version_id or info.version_id, info.size)


@contextmanager
def fetch(url: str, etag: str | None, limits: SourceLimits) -> Iterator[FetchedFile]:
    """Fetch the file at an https URL; it is there until the block ends.

    A server that names no ETag gets one made of all bytes, so that such a file can be pinned, too. The bytes say how
    the file is packed, whatever the server says. Where the server has packed a packed file once more, that is undone.

    Raises:
        Invalid: URL_NOT_ALLOWED, FILE_NOT_FOUND, FILE_FORBIDDEN, FILE_CHANGED, FILE_TOO_LARGE or FILE_UNREACHABLE.
    """
    with tempfile.TemporaryFile(prefix="onhand-fetch-") as copy:
        with open_url(url, limits.web, chunk_size=_PIECE) as file:
            digest = _copy(file.chunks, copy)
        if etag is not None and etag not in (file.etag, digest):
            raise Invalid(ErrorCode.FILE_CHANGED, f"expected version {etag}, found {file.etag or digest}")
        if file.packing not in _NOT_PACKED:
            _require_readable(copy, file)
        if not file.packing.endswith("gzip") or not _is_packed_twice(copy, limits.web.max_bytes):
            yield _fetched(copy, file, digest)
            return
        with tempfile.TemporaryFile(prefix="onhand-fetch-") as unpacked:
            copy.seek(0)
            unpacked.writelines(gunzip(iter(lambda: copy.read(_PIECE), b""), limits.web.max_bytes))
            yield _fetched(unpacked, file, digest)


def _may_read(account_id: str, bucket: str, key: str, limits: SourceLimits) -> bool:
    if not {".", ".."}.isdisjoint(key.split("/")):  # some stores take such a key for a path
        return False
    own = key.startswith(f"{account_id}/") and not key.startswith(REJECTS_PREFIX)  # there all accounts' rows are
    return bucket in limits.source_buckets or (bucket == limits.uploads_bucket and own)


def _fetched(copy: IO[bytes], file: WebFile, digest: str) -> FetchedFile:
    size = copy.seek(0, SEEK_END)
    copy.seek(0)
    return FetchedFile(copy, file.etag or digest, size, file.charset, file.has_known_end)


def _require_readable(copy: IO[bytes], file: WebFile) -> None:
    """A server may say br or zstd, and send text or gzip all the same."""
    copy.seek(0)
    start = copy.read(_SNIFFED)
    if not is_text(start) and packing_of(start) is Packing.NONE:
        raise Invalid(
            ErrorCode.FILE_UNREACHABLE, f"{file.host} sends it packed as {file.packing!r:.40}, which was not asked for"
        )


def _is_packed_twice(copy: IO[bytes], max_bytes: int) -> bool:
    """Whether the server has packed for its way what is a packed file itself."""
    copy.seek(0)
    if packing_of(copy.read(_SNIFFED)) is not Packing.GZIP:
        return False
    copy.seek(0)
    inner = next(gunzip(iter(lambda: copy.read(_PIECE), b""), max_bytes), b"")
    return inner.startswith((GZIP_MAGIC, *ZIP_MAGICS))


def _copy(chunks: Iterator[bytes], file: IO[bytes]) -> str:
    """Write the chunks to a file; a digest of all of them."""
    digest = blake2b(digest_size=16)
    for chunk in chunks:
        digest.update(chunk)
        file.write(chunk)
    return digest.hexdigest()
