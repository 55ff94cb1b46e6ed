"""Unpacks compressed uploads, and names what is no CSV file at all, told by its first bytes."""

import html
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import PurePosixPath
from typing import IO, Final

from pipeline.errors import Invalid
from schemas.errors import ErrorCode

MAX_RATIO: Final = 200
"""The most bytes that one byte may unpack to, in a file of more than _FREE bytes. CSV packs 5 to 30 times."""

GZIP_MAGIC: Final = b"\x1f\x8b"
ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

_FREE: Final = 16 << 20
_PIECE: Final = 1 << 20
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
ENCRYPTED: Final = 1
DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # bzip2's word for damage
    ValueError,
    OverflowError,
)
_END_BYTES: Final = (64 << 10) + 200
_LARGEST_DIRECTORY: Final = 4 << 20
_IN_ZIP64: Final = 0xFFFFFFFF
_WORKBOOK: Final = "[Content_Types].xml"
_DATA_SUFFIXES: Final = {".csv", ".tsv", ".xlsx", ".xlsm", ".xls", ".ods"}
_TEXT_SUFFIX: Final = ".txt"
_READ_ME: Final = re.compile(
    r"read[ _.-]*me|lies[ _.-]*mich|lisez[ _.-]*moi|l[ei]e?me|licen[cs]e|copying|changelog|notes?\b", re.IGNORECASE
)
_LEFT_BEHIND: Final = {"thumbs.db", "desktop.ini"}
_FOREIGN: Final = {
    b"%PDF": "a PDF document",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3\x00": "an SQLite database",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x04\x22\x4d\x18": "an LZ4 archive",
    b"\x1f\x9d": "a compress archive (.Z)",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"\x7fELF": "a program",
    b"MZ\x90\x00": "a program",
    b"{\\rtf": "an RTF document",
}
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
"""The name of the part of an old Office document that has a workbook with a password in it."""
_EXPECTED: Final = "expected CSV, CSV in gzip or zip, or an Excel workbook (.xlsx)"
_TEXT_CONTROLS: Final = b"\t\n\r\f\x1a"
_CONTROLS: Final = bytes(range(32)) + b"\x7f"
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]{1,2000})", re.IGNORECASE)
_PAGES: Final = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
    b"<": "an HTML page or an XML document",
    b"{": "a JSON document",
    b"[{": "a JSON document",
}


class Packing(StrEnum):
    """How the bytes of an upload are packed."""

    NONE = "none"
    GZIP = "gzip"
    ZIP = "zip"


def packing_of(start: bytes) -> Packing:
    """Tell by the first bytes of a file (some hundred are enough) how it is packed.

    Raises:
        Invalid: FILE_NOT_CSV, naming what the file is instead; WORKBOOK_NOT_READABLE, an old one, or encrypted.
    """
    if start.startswith(GZIP_MAGIC):
        return Packing.GZIP
    if start.startswith(ZIP_MAGICS):
        return Packing.ZIP
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower()
    if start.startswith(_OLD_OFFICE):
        is_encrypted = _ENCRYPTED_PACKAGE in start
        why = "it has a password" if is_encrypted else "it is an old one (.xls), or has a password"
        raise Invalid(ErrorCode.WORKBOOK_NOT_READABLE, why)
    kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), None)
    kind = kind or next((kind for beginning, kind in _PAGES.items() if text.startswith(beginning)), None)
    if kind or start[257:262] == b"ustar":
        found = f"found {kind or 'a tar archive'}{_titled(start)}"
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"{found}; {_EXPECTED}")
    return Packing.NONE


def is_text(start: bytes) -> bool:
    """Whether the first bytes of a file may be text in UTF-8 or in a code of one byte: no control characters."""
    return start.translate(None, _TEXT_CONTROLS) == start.translate(None, _CONTROLS)


def _titled(start: bytes) -> str:
    """What a page calls itself."""
    found = _TITLE.search(start)
    words = " ".join(html.unescape(found[1].decode(errors="replace")).split()) if found else ""
    return f" with the title {words[:80]!r}" if words else ""


def gunzip(pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Unpack gzip, of one member or several, in pieces of up to 1 MB.

    Raises:
        Invalid: FILE_TOO_LARGE, more than `max_bytes` unpacked; FILE_NOT_UNPACKED, damaged, cut off, or packed more
            than MAX_RATIO times.
    """
    limits = _Limits(max_bytes)
    member = zlib.decompressobj(_GZIP_WINDOW)
    for piece in pieces:
        limits.packed += len(piece)
        rest = piece
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\x00")  # padding, as tape and block devices leave it
                if not rest:
                    break
                member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                data = member.decompress(rest, _PIECE)
            except zlib.error as error:
                found = f"damaged gzip behind byte {limits.packed - len(rest)}: {error}"
                raise Invalid(ErrorCode.FILE_NOT_UNPACKED, found) from error
            limits.add(len(data))
            if data:
                yield data
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"the gzip is cut off after {limits.packed} bytes")


def unzip(file: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """Unpack the one CSV file of a zip, in pieces of up to 1 MB. `file` can be seeked. What lies beside it is left out.

    Raises:
        Invalid: FILE_NOT_CSV, a workbook; FILE_NOT_UNPACKED, none or several files, damaged, cut off, encrypted, or
            packed more than MAX_RATIO times; FILE_TOO_LARGE, more than `max_bytes` unpacked.
    """
    try:
        check_directory(file)
        with zipfile.ZipFile(file) as archive:
            entry = _only_csv(archive)
            if entry.file_size > max_bytes:
                raise Invalid(ErrorCode.FILE_TOO_LARGE, _too_large(max_bytes))
            limits = _Limits(max_bytes)
            limits.packed = entry.compress_size
            with archive.open(entry) as member:
                while data := member.read(_PIECE):
                    limits.add(len(data))
                    yield data
    except DAMAGED as error:
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"damaged or cut off zip: {error}") from error
    except NotImplementedError as error:
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"zip of an unknown kind: {error}") from error


def check_directory(file: IO[bytes]) -> None:
    """Refuse a directory that is too large to be read: it is held in memory, whatever it says."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - _END_BYTES, 0))
    end = file.read(_END_BYTES)
    found = [
        int.from_bytes(end[at + offset : at + offset + width], "little")
        for magic, offset, width in ((b"PK\x05\x06", 12, 4), (b"PK\x06\x06", 40, 8))
        if (at := end.rfind(magic)) >= 0
    ]
    if any(_LARGEST_DIRECTORY < bytes_found != _IN_ZIP64 for bytes_found in found):
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, "found a zip of very many files; expected exactly one")


class _Limits:
    """How much was unpacked, and from how much."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._unpacked = 0
        self.packed = 0

    def add(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > self._max_bytes:
            raise Invalid(ErrorCode.FILE_TOO_LARGE, _too_large(self._max_bytes))
        if self._unpacked > _FREE and self._unpacked > MAX_RATIO * self.packed:
            found = f"{self.packed} bytes unpack to more than {self._unpacked}; {MAX_RATIO} times as many are allowed"
            raise Invalid(ErrorCode.FILE_NOT_UNPACKED, found)


def _too_large(max_bytes: int) -> str:
    return f"more than {max_bytes} bytes when unpacked"


def _only_csv(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    entries = archive.infolist()
    if any(entry.filename == _WORKBOOK for entry in entries):
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"found a Word or another Office document; {_EXPECTED}")
    if any(entry.filename == "mimetype" for entry in entries):
        raise Invalid(ErrorCode.FILE_NOT_CSV, f"found an OpenDocument file (.ods) or an e-book; {_EXPECTED}")
    files = [entry for entry in entries if not entry.is_dir() and not _hidden(entry.filename)]
    if len(files) > 1:  # a read-me or a picture beside the one file of data is no second one
        files = _data_among(files) or files
    if len(files) != 1:
        names = ", ".join(entry.filename for entry in files[:5])
        found = f"found {len(files)} files in the zip: {names}" if files else "found no file in the zip"
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"{found[:300]}; expected exactly one")
    [entry] = files
    if entry.flag_bits & ENCRYPTED:
        raise Invalid(ErrorCode.FILE_NOT_UNPACKED, f"{entry.filename[:200]} is encrypted with a password")
    return entry


def _data_among(files: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The files that may be the data: those that are so by their name, or else the texts that are no read-me."""
    by_suffix = [(PurePosixPath(entry.filename).suffix.lower(), entry) for entry in files]
    data = [entry for suffix, entry in by_suffix if suffix in _DATA_SUFFIXES]
    texts = [entry for suffix, entry in by_suffix if suffix == _TEXT_SUFFIX]
    return data or [entry for entry in texts if not _READ_ME.match(_name(entry))]


def _name(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename.replace("\\", "/")).name


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    is_left_behind = "__MACOSX" in parts or parts[-1].lower() in _LEFT_BEHIND
    return is_left_behind or any(part.startswith((".", "~$")) for part in parts)
