"""Finds the file of a sync and makes it plain: unpacked, in UTF-8, and in a store that gives any range of its bytes."""

import codecs
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import SEEK_END
from itertools import chain
from typing import IO, Final, assert_never
from uuid import uuid4

from pipeline.errors import Invalid, TryLater
from pipeline.object_failures import own_bucket
from pipeline.store.syncs import Job, PlainSource
from pipeline.syncs.content import content_digest, digested
from pipeline.syncs.services import SyncServices
from pipeline.uploads.charsets import is_doubtful, known_charset
from pipeline.uploads.encodings import encoding_of, is_one_byte, is_utf8, to_utf8
from pipeline.uploads.share_links import page_instead
from pipeline.uploads.source import FetchedFile, fetch, locate
from pipeline.uploads.unpack import Packing, gunzip, packing_of, unzip
from pipeline.uploads.workbook import Workbook, is_workbook
from schemas.errors import ErrorCode
from schemas.uploads import DecimalMark

_SNIFFED: Final = 1 << 16
_PIECE: Final = 1 << 20
_TAIL: Final = 400
_S3: Final = "s3://"
_LINE_ENDS: Final = (b"\n", b"\r")


@dataclass(frozen=True)
class PlainFile:
    """`etag` names the version of the file that was asked for; `is_copy`: `source` is a copy in the work bucket.

    `content_hash` is that of the file before it was copied, None where it was not. `doubt` says why it may not be all
    of the file.
    """

    source: PlainSource
    etag: str
    is_copy: bool
    content_hash: bytes | None = None
    warnings: list[str] = field(default_factory=list)
    doubt: str | None = None


def make_plain(job: Job, services: SyncServices) -> PlainFile:
    """The file that a job names, in the version that it is pinned to. Plain objects are not copied.

    Raises:
        Invalid: the URL is not allowed, the file is not there, has changed, is too large, empty, or no text.
        TryLater: the object store is away.
    """
    if not job.url.startswith(_S3):
        with fetch(job.url, job.etag, services.sources) as fetched:
            return _copy_fetched(job, services, fetched)
    found = locate(job.url, job.key.account_id, job.etag, job.version_id, services.objects, services.sources)
    if not found.size:
        raise Invalid(ErrorCode.FILE_EMPTY)
    bucket, key, pin = found.bucket, found.key, found.version_id
    start = services.objects.read_range(bucket, key, 0, _SNIFFED, etag=found.etag, version_id=pin)
    if packing_of(start) is Packing.NONE and encoding_of(start, job.options.encoding) is None:
        source = PlainSource(found.bucket, found.key, found.etag, found.size, found.version_id)
        warnings = _of_sheet(job) + _of_mark(start, job.options.encoding)
        return PlainFile(source, found.etag, is_copy=False, warnings=warnings)
    with tempfile.TemporaryFile(prefix="onhand-unpack-") as file:
        pieces = services.objects.stream(bucket, key, etag=found.etag, version_id=pin, chunk_size=_PIECE)
        file.writelines(pieces)
        file.seek(0)
        return _copy(job, services, file, found.etag, job.options.encoding)


def _copy_fetched(job: Job, services: SyncServices, fetched: FetchedFile) -> PlainFile:
    """Make a file from the web plain. A packed one that was cut off cannot be unpacked, and is refused for that."""
    start = _start_of(fetched.file)
    try:
        charset, warnings = (None, []) if job.options.encoding else _charset_of(fetched, services)
        plain = _copy(job, services, fetched.file, fetched.etag, job.options.encoding or charset)
    except Invalid as fault:
        raise page_instead(fault, job.url, start, fetched.size) from None
    is_whole = fetched.has_known_end or packing_of(start) is not Packing.NONE
    doubt = None if is_whole else _cut_short(_tail_of(fetched.file))
    return replace(plain, warnings=warnings + plain.warnings, doubt=doubt)


def _charset_of(fetched: FetchedFile, services: SyncServices) -> tuple[str | None, list[str]]:
    """The encoding that the server names, where the file can be in it, and what to say of that."""
    if fetched.charset is None or _is_workbook(fetched.file):
        return None, []
    charset = known_charset(fetched.charset)
    if charset is None:
        return None, [f"the server says that the text is in {fetched.charset[:40]!r}, which is no encoding: ignored"]
    if is_doubtful(charset) and is_utf8(_unpacked(fetched.file, services.sources.web.max_bytes)[1]):
        return None, []
    return charset, [f"the server says that the text is in {charset}; --encoding says otherwise"]


def _unpacked(file: IO[bytes], max_bytes: int) -> tuple[Packing, Iterator[bytes]]:
    """How a file is packed, and its bytes without that, from the beginning."""
    file.seek(0)
    packing = packing_of(_start_of(file))
    pieces: Iterator[bytes] = iter(lambda: file.read(_PIECE), b"")
    match packing:
        case Packing.NONE:
            return packing, pieces
        case Packing.GZIP:
            return packing, gunzip(pieces, max_bytes)
        case Packing.ZIP:
            return packing, unzip(file, max_bytes)
        case _:
            assert_never(packing)


def _cut_short(tail: bytes) -> str | None:
    """Why a file that ends like this, and whose length nobody has named, may not be all of it."""
    if tail.rstrip(b"\x00")[-1:] in _LINE_ENDS:  # in UTF-16 a NUL may stand behind it
        return None
    last = tail.splitlines()[-1].decode(errors="replace")[-60:]
    return f"{ErrorCode.INCOMPLETE_DOWNLOAD}: the server named no length, and the last row has no line end: {last!r}"


def _copy(job: Job, services: SyncServices, file: IO[bytes], etag: str, declared: str | None) -> PlainFile:
    """Unpack and transcode the file on its way into the work bucket. `declared`: the encoding it is said to have."""
    if _is_workbook(file):
        return _copy_sheet(job, services, file, etag)
    max_bytes = services.sources.web.max_bytes
    warnings = _of_sheet(job)
    packing, pieces = _unpacked(file, max_bytes)
    if packing is not Packing.NONE:
        warnings.append(f"the file was unpacked ({packing})")
    digest = content_digest()
    start, pieces = _peek(digested(pieces, digest))
    if packing is not Packing.NONE and (inner := packing_of(start)) is not Packing.NONE:
        advice = "; upload an Excel workbook as it is" if inner is Packing.ZIP else ""
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"there is a {inner} file within the {packing} file{advice}")
    encoding = encoding_of(start, declared)
    warnings += _of_mark(start, declared)
    if encoding is not None and is_one_byte(encoding):
        is_other = is_utf8(pieces, beyond_ascii=True)
        digest = content_digest()
        pieces = digested(_unpacked(file, max_bytes)[1], digest)
        if is_other:
            warnings.append(f"all of the file is valid UTF-8, so it was read as that and not as {encoding}")
            encoding = None
    if encoding is not None:
        pieces = to_utf8(pieces, encoding)
        warnings.append(f"the file was read as {encoding}; byte offsets count its text in UTF-8")
    source = _upload(job, services, pieces)
    return PlainFile(source, etag, is_copy=True, content_hash=digest.digest(), warnings=warnings)


def _is_workbook(file: IO[bytes]) -> bool:
    return packing_of(_start_of(file)) is Packing.ZIP and is_workbook(file)


def _copy_sheet(job: Job, services: SyncServices, file: IO[bytes], etag: str) -> PlainFile:
    """Write a sheet of a workbook as CSV into the work bucket. Workbooks say themselves how their text is encoded."""
    workbook = Workbook(file, job.options.sheet, services.sources.web.max_bytes)
    digest = content_digest()
    pieces = workbook.rows(digest, comma_decimals=job.options.decimal is DecimalMark.COMMA)
    try:
        source = _upload(job, services, pieces)
    except Invalid as fault:
        raise Invalid(fault.code, workbook.warnings[0]) if fault.code is ErrorCode.FILE_EMPTY else fault from None
    return PlainFile(source, etag, is_copy=True, content_hash=digest.digest(), warnings=workbook.warnings)


def _upload(job: Job, services: SyncServices, pieces: Iterator[bytes]) -> PlainSource:
    """Write the copy. What is wrong with the file is the file's fault, what is wrong with our bucket is not."""
    # A name of its own: another worker may be at the same job after a rebalance.
    key = f"{job.work_prefix}{uuid4().hex}.csv"
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
    if not size:
        raise Invalid(ErrorCode.FILE_EMPTY)
    return PlainSource(services.work_bucket, key, info.etag, size)


def _tail_of(file: IO[bytes]) -> bytes:
    file.seek(max(file.seek(0, SEEK_END) - _TAIL, 0))
    return file.read()


def _of_sheet(job: Job) -> list[str]:
    """A warning where a sheet is named of a file that has none."""
    return [f"the file is no workbook, so it has no sheet {job.options.sheet!r}"] if job.options.sheet else []


def _of_mark(start: bytes, declared: str | None) -> list[str]:
    """A warning where a file is not in the encoding that was declared."""
    if not start.startswith(codecs.BOM_UTF8) or encoding_of(start[len(codecs.BOM_UTF8) :], declared) is None:
        return []
    return [f"the file begins with the byte order mark of UTF-8, so it was read as that and not as {declared}"]


def _start_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    start = file.read(_SNIFFED)
    file.seek(0)
    return start


def _peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all pieces all the same."""
    start = b""
    while len(start) < _SNIFFED and (piece := next(pieces, None)) is not None:
        start += piece
    return start, chain([start] if start else [], pieces)
