"""Packed uploads: gzip and zip are unpacked within limits, and everything else is refused by its name."""

import gzip
import io
import random
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from pipeline.errors import Invalid
from pipeline.uploads.unpack import Packing, gunzip, packing_of, unzip
from schemas.errors import ErrorCode
from tests.support.csv_files import pieces

CSV = b"sku,quantity\n" + b"".join(b"SKU-%d,%d\n" % (n, n) for n in range(5000))
NOT_CSV, NOT_UNPACKED, TOO_LARGE = ErrorCode.FILE_NOT_CSV, ErrorCode.FILE_NOT_UNPACKED, ErrorCode.FILE_TOO_LARGE
MOST = 1 << 30


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unzipped(content: bytes, max_bytes: int = MOST) -> bytes:
    return b"".join(unzip(io.BytesIO(content), max_bytes))


def gunzipped(content: bytes, size: int = 1000, max_bytes: int = MOST) -> bytes:
    return b"".join(gunzip(pieces(content, size), max_bytes))


@pytest.mark.parametrize(
    ("start", "packing"),
    [
        (gzip.compress(CSV), Packing.GZIP),
        (zipped({"a.csv": CSV}), Packing.ZIP),
        (zipped({}), Packing.ZIP),
        (CSV, Packing.NONE),
        (b"\xef\xbb\xbf" + CSV, Packing.NONE),
        (b"", Packing.NONE),
        ("sku,quantity".encode("utf-16"), Packing.NONE),
        (b"PK,quantity\n", Packing.NONE),
        (b"[sku],{quantity}\n", Packing.NONE),
    ],
)
def test_the_first_bytes_tell_how_a_file_is_packed(start: bytes, packing: Packing) -> None:
    assert packing_of(start[:600]) is packing


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\x00\x00", "xz"),
        (b"\x28\xb5\x2f\xfd\x04", "Zstandard"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7-Zip"),
        (b"Rar!\x1a\x07\x01\x00", "RAR"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"a.csv".ljust(257, b"\x00") + b"ustar", "tar"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"\xef\xbb\xbf\r\n  <HTML lang=en>", "HTML page"),
        (b'<?xml version="1.0"?>', "XML"),
        (b'{"error": "not found"}', "JSON"),
        (b'[{"sku": "A"}]', "JSON"),
    ],
)
def test_what_is_no_csv_is_refused_by_its_name(start: bytes, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        packing_of(start + b"rest")
    assert refused.value.code is NOT_CSV
    assert name in refused.value.detail


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_gzip_is_unpacked_however_it_comes_and_of_several_members(size: int) -> None:
    assert gunzipped(gzip.compress(CSV[:100]) + gzip.compress(b"") + gzip.compress(CSV[100:]), size) == CSV
    assert gunzipped(gzip.compress(CSV) + b"\x00" * 600, size) == CSV


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(CSV)[:-1],
        gzip.compress(CSV)[: len(CSV) // 20],
        gzip.compress(CSV)[:5],
        gzip.compress(CSV) + gzip.compress(CSV)[:30],
        gzip.compress(CSV)[:-8] + b"\x00" * 8,
        gzip.compress(CSV)[:200] + b"\xff" * 50 + gzip.compress(CSV)[250:],
        gzip.compress(CSV) + b"not gzip",
        b"\x1f\x8bnothing of the kind",
    ],
    ids=["last byte", "half", "in its header", "second member", "checksum", "in the middle", "behind it", "no gzip"],
)
def test_a_gzip_that_is_damaged_or_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        gunzipped(content)
    assert refused.value.code is NOT_UNPACKED
    assert "damaged" in refused.value.detail or "cut off" in refused.value.detail


def test_the_caps_hold_while_a_gzip_is_unpacked_and_memory_stays_small() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    content = b"".join([*(bomb.compress(b"\x00" * (1 << 20)) for _ in range(200)), bomb.flush()])
    tracemalloc.start()
    with pytest.raises(Invalid) as by_ratio:
        list(map(len, gunzip([content], MOST)))
    with pytest.raises(Invalid) as by_size:
        list(map(len, gunzip([content], 5 << 20)))
    with pytest.raises(Invalid) as in_zip:
        list(map(len, unzip(io.BytesIO(zipped({"a.csv": b"\x00" * (40 << 20)})), MOST)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (by_ratio.value.code, by_size.value.code, in_zip.value.code) == (NOT_UNPACKED, TOO_LARGE, NOT_UNPACKED)
    assert peak < 100 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_one_file_is_unpacked_whatever_lies_about_it(method: int) -> None:
    files = {"folder/": b"", "folder/count.csv": CSV, "__MACOSX/folder/._count.csv": b"x", "folder/.DS_Store": b"x"}
    assert unzipped(zipped(files, method)) == CSV


@pytest.mark.parametrize(
    ("files", "code", "told"),
    [
        ({}, NOT_UNPACKED, "no file"),
        ({"__MACOSX/._a.csv": b""}, NOT_UNPACKED, "no file"),
        ({"a.csv": CSV, "b.csv": CSV}, NOT_UNPACKED, "2 files in the zip: a.csv, b.csv"),
        ({"a.csv": CSV, "b.csv": CSV, "README.md": b""}, NOT_UNPACKED, "2 files in the zip: a.csv, b.csv"),
        ({"a.csv": CSV, "b.tsv": CSV}, NOT_UNPACKED, "a.csv, b.tsv"),
        ({"a.csv": CSV, "a.xlsx": b"PK"}, NOT_UNPACKED, "a.csv, a.xlsx"),
        ({"a.txt": CSV, "b.txt": CSV}, NOT_UNPACKED, "a.txt, b.txt"),
        ({"README.txt": b"", "photo.png": b""}, NOT_UNPACKED, "README.txt, photo.png"),
        ({"[Content_Types].xml": b"<x/>", "word/document.xml": b""}, NOT_CSV, "a Word or another Office document"),
        ({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}, NOT_CSV, "OpenDocument"),
    ],
    ids=[
        "empty",
        "only hidden files",
        "two",
        "two and a read-me",
        "csv and tsv",
        "csv and workbook",
        "two texts",
        "no data",
        "docx",
        "ods",
    ],
)
def test_a_zip_of_anything_but_one_csv_is_refused_saying_what_was_found(
    files: dict[str, bytes], code: ErrorCode, told: str
) -> None:
    with pytest.raises(Invalid) as refused:
        unzipped(zipped(files))
    assert refused.value.code is code
    assert told in refused.value.detail


@pytest.mark.parametrize("name", ["count.csv", "count.tsv", "count.txt", "folder/COUNT.CSV"])
@pytest.mark.parametrize("beside", ["README.txt", "readme.md", "LIESMICH.txt", "manual.pdf", "photo.png", "Thumbs.db",
                                    "~$count.xlsx", "__MACOSX/._count.csv", "folder/desktop.ini"])  # fmt: skip
def test_a_zip_with_one_csv_and_a_read_me_is_that_csv(name: str, beside: str) -> None:
    assert unzipped(zipped({beside: b"Read this first, please\n", name: CSV})) == CSV


def test_a_text_beside_a_csv_is_a_note_whatever_its_name_is() -> None:
    assert unzipped(zipped({"from the warehouse.txt": b"sku,quantity\nX,9\n", "count.csv": CSV})) == CSV


def test_a_zip_with_a_password_is_refused() -> None:
    content = bytearray(zipped({"a.csv": CSV}))
    content[6] |= 1
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Invalid) as refused:
        unzipped(bytes(content))
    assert refused.value.code is NOT_UNPACKED
    assert "password" in refused.value.detail


def test_a_zip_that_says_it_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(Invalid) as refused:
        unzipped(zipped({"a.csv": CSV}), 1000)
    assert refused.value.code is TOO_LARGE


def test_a_zip_that_says_it_is_smaller_than_it_is_gives_no_more_than_it_says_or_is_refused() -> None:
    content = bytearray(zipped({"a.csv": CSV}))
    place = content.rfind(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(Invalid) as refused:
        unzipped(bytes(content))
    assert refused.value.code is NOT_UNPACKED


def test_a_zip_with_a_directory_larger_than_memory_should_hold_is_refused() -> None:
    content = bytearray(zipped({"a.csv": CSV}))
    place = content.rfind(b"PK\x05\x06") + 12
    content[place : place + 4] = struct.pack("<I", 1 << 30)
    with pytest.raises(Invalid) as refused:
        unzipped(bytes(content))
    assert refused.value.code is NOT_UNPACKED


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["gzip", "zip"])
def test_damaged_bytes_are_unpacked_or_refused_and_nothing_else(method: int, name: str) -> None:
    chance = random.Random(method)  # noqa: S311 - repeatable
    good = zipped({"a.csv": CSV[:3000]}, method) if name == "zip" else gzip.compress(CSV[:3000])
    outcomes = set()
    for _ in range(300):
        content = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        content = content[: chance.choice([len(content), chance.randrange(len(content))])]
        try:
            unpacked = unzipped(bytes(content)) if name == "zip" else gunzipped(bytes(content))
            outcomes.add(unpacked == CSV[:3000])
        except Invalid as error:
            outcomes.add(error.code)
    assert NOT_UNPACKED in outcomes
    assert outcomes <= {True, NOT_UNPACKED, TOO_LARGE}
