"""Files that people really send: those that are refused as a whole, those without rows, and where they come from."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.settings import Settings
from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.objects import ObjectStore
from pipeline.syncs.requests import request_sync
from schemas.jobs import RequestSync
from tests.support.desk import Desk
from tests.support.orders import stock
from tests.support.reading import levels
from tests.support.web import web_file

HEADER = "sku,quantity\n"
MANY = 100_000
MANY_ROWS = "".join(f"A,{n}\n" for n in range(MANY)).encode()
SIZES = pytest.mark.parametrize("rows", [b"A,1\n", MANY_ROWS], ids=["small", "100,000 rows"])


def refused(desk: Desk, content: bytes, code: str, *words: str, **request: Any) -> None:
    """The file ends its job in this error, whose text has these words; nothing of it was applied."""
    apply_commands([stock("before", "add", 77)], desk.database)
    sync_id = desk.sync(content, **request)
    job = desk.job(sync_id)
    assert (job["status"], job["error_code"]) == ("error", code), job["error"]
    assert [word for word in words if word not in job["error"]] == [], job["error"]
    assert (job["total_count"], desk.items(sync_id), desk.work_files()) == (0, {}, [])
    assert job["finished_at"] is not None
    assert levels(desk.database) == {("w1", "A", "unassigned"): (77, 1)}


# Headers --------------------------------------------------------------------------------------------------------------

HEADERS = {
    "a column twice": (b"sku,quantity,Quantity\n", "HEADER_COLUMN_TWICE", "quantity"),
    "a column under two names": (b"sku,quantity,qty\n", "HEADER_COLUMN_TWICE", "quantity", "qty"),
    "no quantity": (b"sku,amount\n", "HEADER_COLUMN_MISSING", "quantity", "amount"),
    "no sku": (b"article;quantity\n", "HEADER_COLUMN_MISSING", "sku", "article"),
    "no header": (b"", "HEADER_COLUMN_MISSING", "sku", "quantity"),
}


@SIZES
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_cannot_be_used_refuses_the_file_and_says_what_was_found(
    desk: Desk, name: str, rows: bytes
) -> None:
    header, code, *words = HEADERS[name]
    refused(desk, header + rows, code, *words)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b" \r\n", b"\x1a"], ids=repr)
def test_an_empty_file_is_refused(desk: Desk, content: bytes) -> None:
    refused(desk, content, "FILE_EMPTY")


@pytest.mark.parametrize("rows", ["", "\n", ",\n,\n\n", "\x1a", ",\n" * MANY], ids=lambda rows: repr(rows[:12]))
def test_a_header_without_rows_succeeds_with_a_warning_and_clears_nothing(desk: Desk, rows: str) -> None:
    apply_commands([stock("before", "add", 77)], desk.database)
    sync_id = desk.sync(HEADER + rows)
    job = desk.job(sync_id)
    assert (job["status"], job["total_count"], job["blank_count"]) == ("success", 0, rows.count("\n"))
    assert [warning for warning in job["warnings"] if "nothing was changed" in warning], job["warnings"]
    assert levels(desk.database) == {("w1", "A", "unassigned"): (77, 1)}


# What is no CSV -------------------------------------------------------------------------------------------------------


OTHERS = {
    "UTF-16 without a byte order mark": ((HEADER + "A,1\n" * 100).encode("utf-16-le"), "UTF-16"),
    "NULs throughout": ((HEADER + "A,1\n" * 100).encode("utf-32-be"), "NUL"),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    "a Parquet file": (b"PAR1" + bytes(100) + b"PAR1", "Parquet"),
    "bzip2": (bz2.compress(b"sku,quantity\nA,1\n"), "bzip2"),
    "xz": (lzma.compress(b"sku,quantity\nA,1\n"), "xz"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(20), "Zstandard"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "7-Zip"),
    "RAR": (b"Rar!\x1a\x07\x01\x00" + bytes(20), "RAR"),
    "a PNG picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
    "a JPEG picture": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "JPEG"),
    "a web page": (b"<!DOCTYPE html>\n<html><body>Please sign in, sku, quantity</body></html>\n", "HTML"),
    "JSON": (json.dumps([{"sku": "A", "quantity": 1}]).encode(), "JSON"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_csv_is_refused_and_named(desk: Desk, name: str) -> None:
    content, kind = OTHERS[name]
    refused(desk, content, "FILE_NOT_CSV", kind)


def test_text_that_never_ends_a_line_is_refused(desk: Desk) -> None:
    refused(desk, HEADER.encode() + MANY_ROWS + b'A,"' + b"x" * (70 << 20), "FILE_NOT_CSV")


# Packed files ---------------------------------------------------------------------------------------------------------


def archive(*files: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files:
            written.writestr(name, content)
    return file.getvalue()


def encrypted(content: bytes) -> bytes:
    """The bit that says so, in both of its places."""
    with_bit = bytearray(archive(("stock.csv", content)))
    with_bit[6] |= 1
    with_bit[with_bit.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(with_bit)


def spoilt(content: bytes) -> bytes:
    """A gzip file whose checksum is wrong, at its very end."""
    compressed = bytearray(gzip.compress(content))
    compressed[-5] ^= 0xFF
    compressed[-8] ^= 0xFF
    return bytes(compressed)


@SIZES
@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda content: gzip.compress(content)[:-9], id="gzip cut off"),
        pytest.param(spoilt, id="gzip with a wrong checksum"),
        pytest.param(lambda content: archive(("a.csv", content))[:-30], id="zip cut off"),
        pytest.param(lambda content: archive(("a.csv", content), ("b.csv", content)), id="zip with two files"),
        pytest.param(lambda _: archive(("folder/", b"")), id="zip without a file"),
        pytest.param(encrypted, id="zip with a password"),
    ],
)
def test_a_packed_file_that_cannot_be_unpacked_is_refused_before_any_row(desk: Desk, pack: Any, rows: bytes) -> None:
    refused(desk, pack(HEADER.encode() + rows), "FILE_NOT_UNPACKED")


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: archive(("a.csv", content))], ids=["gzip", "zip"])
def test_a_packed_file_is_unpacked_up_to_the_cap_on_its_size(desk: Desk, pack: Any) -> None:
    content = HEADER.encode() + b"".join(b"A,%d\n" % (n * 7919 % 10**6) for n in range(10_000))
    desk.limit_web(max_bytes=len(content) - 1)
    refused(desk, pack(content), "FILE_TOO_LARGE", "unpacked")


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: archive(("a.csv", content))], ids=["gzip", "zip"])
def test_a_packed_file_is_unpacked_up_to_the_cap_on_its_ratio(desk: Desk, pack: Any) -> None:
    refused(desk, pack(HEADER.encode() + b"\n" * (200 << 20)), "FILE_NOT_UNPACKED")


# Where files come from ------------------------------------------------------------------------------------------------


@SIZES
def test_a_file_that_was_replaced_after_it_was_announced_is_refused(desk: Desk, rows: bytes) -> None:
    desk.put(HEADER.encode() + rows)
    etag = desk.objects.head(desk.uploads, "acme/w1/stock.csv").etag
    refused(desk, HEADER.encode() + rows + b"A,2\n", "FILE_CHANGED", etag=etag)


@SIZES
def test_a_file_above_the_configured_cap_is_refused_wherever_it_lies(desk: Desk, rows: bytes) -> None:
    content = HEADER.encode() + rows
    desk.limit_web(max_bytes=len(content) - 1, allow_private=True)
    refused(desk, content, "FILE_TOO_LARGE", f"{len(content) - 1:,}")
    with web_file(content) as url:
        job = desk.job(desk.request(url))
    assert (job["status"], job["error_code"]) == ("error", "FILE_TOO_LARGE")


@SIZES
def test_a_file_that_is_replaced_while_it_is_read_is_refused(desk: Desk, rows: bytes) -> None:
    apply_commands([stock("before", "add", 77)], desk.database)
    sync_id = plan(desk, desk.put(HEADER.encode() + rows))
    desk.put(HEADER.encode() + rows + b"A,2\n")
    desk.run(sync_id)
    job = desk.job(sync_id)
    assert (job["status"], job["error_code"], job["total_count"]) == ("error", "FILE_CHANGED", 0)
    assert (desk.items(sync_id), desk.work_files()) == ({}, [])
    assert levels(desk.database) == {("w1", "A", "unassigned"): (77, 1)}


class Interrupted(ObjectStore):
    """A store whose streams break off after `pieces` pieces; `starts` says where they began."""

    pieces = 0
    starts: list[int]

    def stream(self, bucket: str, key: str, **more: Any) -> Iterator[bytes]:
        self.starts.append(more.get("start", 0))
        for number, piece in enumerate(super().stream(bucket, key, **more)):
            if number == self.pieces:
                raise TryLater("the connection broke")
            yield piece


def test_a_large_file_is_cut_into_ranges_and_a_planning_that_broke_off_goes_on(desk: Desk, settings: Settings) -> None:
    names, padding = "sku,quantity" + "".join(f",padding {n}" for n in range(12)), ("x" * 60_000,) * 12
    content = "\n".join([names, *(",".join((f"S{n}", "5", *padding)) for n in range(60)), ""]).encode()
    url = desk.put(content)
    store = Interrupted(
        endpoint_url=settings.s3_endpoint_url, region=settings.s3_region, access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value() if settings.s3_secret_access_key else None,
    )  # fmt: skip
    store.pieces, store.starts = 6, []
    sync_id = uuid4()
    with pytest.raises(TryLater):
        plan(replace(desk, objects=store), url, sync_id)
    cut = ranges(desk, sync_id)
    assert 0 < len(cut) < 3
    store.pieces = 100
    plan(replace(desk, objects=store), url, sync_id)
    assert store.starts == [0, 0]  # the digest is of all bytes; the ranges that are known are not cut again
    assert ranges(desk, sync_id)[: len(cut)] == cut
    desk.run(sync_id)
    assert desk.counts(sync_id) == ("success", 60, 60, 0, 0)
    edges = ranges(desk, sync_id)
    ends = [start + size for start, size, _ in edges]
    assert [start for start, _, _ in edges] == [len(names) + 1, *ends[:-1]]
    assert ends[-1] == len(content)
    assert [first_line for _, _, first_line in edges] == [content[:start].count(b"\n") + 1 for start, _, _ in edges]


def plan(desk: Desk, url: str, sync_id: UUID | None = None) -> UUID:
    """Have a sync planned whose ranges wait."""
    request = RequestSync.model_validate(
        {"account_id": "acme", "sync_id": sync_id or uuid4(), "warehouse_id": "w1", "url": url}
    )
    request_sync(request, desk.services)
    return request.sync_id


def ranges(desk: Desk, sync_id: UUID) -> list[tuple[int, int, int]]:
    """First byte, size and first line of each range."""
    query = "SELECT start_byte, size, first_line FROM sync_ranges WHERE sync_id = %s ORDER BY range"
    return [(start, size, line) for start, size, line in desk.ask(query, sync_id)]
