"""Finds the file of a sync and makes it plain: unpacked, in UTF-8, and in a store that gives any range of its bytes."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Final
from uuid import uuid4

from pipeline.errors import Invalid, TryLater
from pipeline.object_failures import own_bucket
from pipeline.store.syncs import Job, PlainSource
from pipeline.syncs.content import content_digest, digested
from pipeline.syncs.services import SyncServices
from pipeline.uploads.encodings import encoding_of, to_utf8
from pipeline.uploads.source import fetch, locate
from pipeline.uploads.unpack import Packing, gunzip, packing_of, unzip
from schemas.errors import ErrorCode

_SNIFFED: Final = 1 << 16
_PIECE: Final = 1 << 20
_S3: Final = "s3://"


@dataclass(frozen=True)
class PlainFile:
    """`etag` names the version of the file that was asked for; `is_copy`: `source` is a copy in the work bucket.

    `content_hash` is that of the file before it was copied, None where it was not.
    """

    source: PlainSource
    etag: str
    is_copy: bool
    content_hash: bytes | None = None
    warnings: list[str] = field(default_factory=list)


def make_plain(job: Job, services: SyncServices) -> PlainFile:
    """The file that a job names, in the version that it is pinned to. Plain objects are not copied.

    Raises:
        Invalid: the URL is not allowed, the file is not there, has changed, is too large, empty, or no text.
        TryLater: the object store is away.
    """
    if not job.status.url.startswith(_S3):
        with fetch(job.status.url, job.etag, services.sources) as fetched:
            return _copy(job, services, fetched.file, fetched.etag)
    found = locate(job.status.url, job.key.account_id, job.etag, job.version_id, services.objects, services.sources)
    if not found.size:
        raise Invalid(ErrorCode.FILE_EMPTY)
    bucket, key, pin = found.bucket, found.key, found.version_id
    start = services.objects.read_range(bucket, key, 0, _SNIFFED, etag=found.etag, version_id=pin)
    if packing_of(start) is Packing.NONE and encoding_of(start, job.options.encoding) is None:
        source = PlainSource(found.bucket, found.key, found.etag, found.size, found.version_id)
        return PlainFile(source, found.etag, is_copy=False)
    with tempfile.TemporaryFile(prefix="onhand-unpack-") as file:
        pieces = services.objects.stream(bucket, key, etag=found.etag, version_id=pin, chunk_size=_PIECE)
        file.writelines(pieces)
        file.seek(0)
        return _copy(job, services, file, found.etag)


def _copy(job: Job, services: SyncServices, file: IO[bytes], etag: str) -> PlainFile:
    """Unpack and transcode the file on its way into the work bucket."""
    max_bytes = services.sources.web.max_bytes
    warnings = []
    packing = packing_of(_start_of(file))
    pieces: Iterator[bytes] = iter(lambda: file.read(_PIECE), b"")
    if packing is not Packing.NONE:
        pieces = gunzip(pieces, max_bytes) if packing is Packing.GZIP else unzip(file, max_bytes)
        warnings.append(f"the file was unpacked ({packing})")
    digest = content_digest()
    start, pieces = _peek(digested(pieces, digest))
    if packing is not Packing.NONE and (inner := packing_of(start)) is not Packing.NONE:
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"there is a {inner} file within the {packing} file")
    if (encoding := encoding_of(start, job.options.encoding)) is not None:
        pieces = to_utf8(pieces, encoding)
        warnings.append(f"the file was read as {encoding}; byte offsets count its text in UTF-8")
    # A name of its own: another worker may be at the same job after a rebalance.
    key = f"{job.work_prefix}{uuid4().hex}.csv"
    source = _upload(services, key, pieces)
    if not source.size:
        raise Invalid(ErrorCode.FILE_EMPTY)
    return PlainFile(source, etag, is_copy=True, content_hash=digest.digest(), warnings=warnings)


def _upload(services: SyncServices, key: str, pieces: Iterator[bytes]) -> PlainSource:
    """Write the copy. What is wrong with the file is the file's fault, what is wrong with our bucket is not."""
    faults: list[Invalid] = []

    def watched() -> Iterator[bytes]:
        try:
            yield from pieces
        except Invalid as fault:
            faults.append(fault)
            raise

    try:
        with own_bucket():
            size = services.objects.upload_stream(services.work_bucket, key, watched())
            info = services.objects.head(services.work_bucket, key)
    except TryLater:
        if faults:
            raise faults[0] from None
        raise
    return PlainSource(services.work_bucket, key, info.etag, size)


def _start_of(file: IO[bytes]) -> bytes:
    start = file.read(_SNIFFED)
    file.seek(0)
    return start


def _peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all pieces all the same."""
    start = b""
    while len(start) < _SNIFFED and (piece := next(pieces, None)) is not None:
        start += piece
    return start, chain([start] if start else [], pieces)
