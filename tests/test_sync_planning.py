"""How a file is planned: ranges that are read in any order, by several workers, and again after a worker was lost."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.errors import TryLater
from pipeline.objects import ObjectStore
from pipeline.syncs import layout, split
from pipeline.syncs.requests import request_sync, resume_sync
from pipeline.syncs.split import split_range
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync, ResumeSync, SyncRange
from tests.support.desk import Desk
from tests.support.orders import order
from tests.support.reading import levels
from tests.support.web import web_file

ROWS = [f"S{n % 60},{n},{'A-01' if n < 60 else ''}" for n in range(120)]
FILE = "sku,quantity,location\n" + "\n".join(ROWS) + "\n"


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of some 200 bytes, so that a small file has several."""
    monkeypatch.setattr(layout, "MIN_RANGE_BYTES", 200)
    monkeypatch.setattr(layout, "MAX_RANGE_BYTES", 200)


def requested(desk: Desk, url: str, **changes: Any) -> RequestSync:
    """A request, which is not handed in yet."""
    return RequestSync.model_validate(
        {"account_id": "acme", "sync_id": uuid4(), "warehouse_id": "w1", "url": url, **changes}
    )


def read(desk: Desk, sync_id: UUID, number: int) -> None:
    split_range(SyncRange(account_id="acme", sync_id=sync_id, range=number), desk.services)


def offsets(desk: Desk, sync_id: UUID) -> list[tuple[int, int, int]]:
    """Row, line and byte offset of each row."""
    return desk.ask("SELECT row, line, byte_offset FROM sync_items WHERE sync_id = %s ORDER BY row", sync_id)  # type: ignore[return-value]


def places(content: str) -> list[tuple[int, int, int]]:
    """What those are of a file without quotes and blank rows."""
    header, *rows = content.splitlines()
    found, offset = [], len(header) + 1
    for number, row in enumerate(rows, 1):
        found.append((number, number + 1, offset))
        offset += len(row) + 1
    return found


def test_ranges_cover_the_file_and_can_be_read_in_any_order(desk: Desk, small_ranges: None) -> None:
    request = requested(desk, desk.put(FILE))
    request_sync(request, desk.services)
    ranges = desk.ask("SELECT start_byte, size, first_line FROM sync_ranges ORDER BY range")
    assert len(ranges) > 4
    ends = [start + size for start, size, _ in ranges]
    assert [start for start, _, _ in ranges] == [len("sku,quantity,location\n"), *ends[:-1]]
    assert ends[-1] == len(FILE)
    for number in reversed(desk.ranges(request.sync_id)):
        assert desk.job(request.sync_id)["status"] == "planning"
        read(desk, request.sync_id, number)
    assert desk.job(request.sync_id)["status"] == "processing"
    desk.apply_all(request.sync_id)
    assert desk.counts(request.sync_id) == ("success", 120, 120, 0, 0)
    assert offsets(desk, request.sync_id) == places(FILE)


def test_a_range_that_is_read_twice_counts_once(desk: Desk, small_ranges: None) -> None:
    request = requested(desk, desk.put(FILE))
    request_sync(request, desk.services)
    for number in desk.ranges(request.sync_id):
        read(desk, request.sync_id, number)
        read(desk, request.sync_id, number)
    desk.apply_all(request.sync_id)
    assert desk.counts(request.sync_id) == ("success", 120, 120, 0, 0)
    assert desk.work_files() == []


class Power(Exception):  # noqa: N818
    """The power is cut."""


def test_a_planner_that_is_lost_is_replaced_by_one_that_goes_on_behind_its_last_range(
    desk: Desk, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = requested(desk, desk.put(FILE))
    real, read_from = ObjectStore.stream, []

    def cut_off(self: ObjectStore, *names: Any, start: int = 0, **pin: Any) -> Iterator[bytes]:
        read_from.append(start)
        for number, piece in enumerate(real(self, *names, start=start, **(pin | {"chunk_size": 100}))):
            if number == 8 and len(read_from) == 1:
                raise TryLater("the store is away")
            yield piece

    monkeypatch.setattr(ObjectStore, "stream", cut_off)
    monkeypatch.setattr("pipeline.uploads.careful.MAX_RECORD_BYTES", 50)
    with pytest.raises(TryLater):
        request_sync(request, desk.services)
    known = desk.ask("SELECT range, start_byte, size FROM sync_ranges ORDER BY range")
    assert 0 < len(known) < 8
    resume_sync(ResumeSync(account_id="acme", sync_id=request.sync_id), desk.services)
    assert read_from == [0, 0]  # the digest is of all bytes
    now = desk.ask("SELECT range, start_byte, size FROM sync_ranges ORDER BY range")
    assert now[: len(known)] == known
    desk.run(request.sync_id)
    assert offsets(desk, request.sync_id) == places(FILE)


def test_a_file_that_is_replaced_while_it_is_read_ends_the_job_before_a_row_is_applied(
    desk: Desk, small_ranges: None
) -> None:
    request = requested(desk, desk.put(FILE))
    request_sync(request, desk.services)
    first, second, *_ = desk.ranges(request.sync_id)
    read(desk, request.sync_id, first)
    desk.put(FILE.replace("S1,", "S2,"))
    read(desk, request.sync_id, second)
    job = desk.job(request.sync_id)
    assert (job["status"], job["error_code"], job["total_count"]) == ("error", "FILE_CHANGED", 0)
    assert levels(desk.database) == {}


def test_a_range_that_cannot_be_read_is_tried_again_and_ends_the_job_at_last(
    desk: Desk, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.limit(part_attempts=2)
    request = requested(desk, desk.put(FILE))
    request_sync(request, desk.services)

    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pipeline.syncs.split.read_records", bug)
    first = desk.ranges(request.sync_id)[0]
    read(desk, request.sync_id, first)
    assert desk.ask("SELECT attempts, retry_at > now(), error FROM sync_ranges WHERE range = 0") == [(1, True, "a bug")]
    assert desk.job(request.sync_id)["status"] == "planning"
    read(desk, request.sync_id, first)
    job = desk.job(request.sync_id)
    assert (job["status"], job["error_code"]) == ("error", ErrorCode.PART_FAILED)
    assert "a bug" in job["error"]


def test_what_was_read_for_a_planning_that_failed_does_not_get_into_the_next_one(
    desk: Desk, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = requested(desk, desk.put(FILE))
    request_sync(request, desk.services)
    first, second, *_ = desk.ranges(request.sync_id)
    real, slow = split.read_records, []

    def mended_meanwhile(*arguments: Any, **more: Any) -> Any:
        """While the first range is read, another one fails the job, and the mended file is asked for again."""
        if not slow:
            slow.append(first)
            desk.put("sku,quantity\nA,2\n")
            read(desk, request.sync_id, second)
            assert desk.job(request.sync_id)["error_code"] == "FILE_CHANGED"
            request_sync(request, desk.services)
        return real(*arguments, **more)

    monkeypatch.setattr(split, "read_records", mended_meanwhile)
    read(desk, request.sync_id, first)
    desk.run(request.sync_id)
    assert desk.counts(request.sync_id) == ("success", 1, 1, 0, 0)
    assert levels(desk.database) == {("w1", "A", "unassigned"): (2, 1)}


def test_an_event_that_repeats_itself_does_not_apply_what_failed_before(desk: Desk) -> None:
    request = requested(desk, desk.put("sku,quantity\nA,5\n", "acme/w9/a.csv"), warehouse_id="w9", announced=True)
    request_sync(request, desk.services)
    assert desk.job(request.sync_id)["error_code"] == "UNKNOWN_WAREHOUSE"
    apply_commands([order("w9", "warehouse.upsert", warehouse_id="w9", name="Nine")], desk.database)
    request_sync(request, desk.services)
    assert desk.job(request.sync_id)["status"] == "error"
    request_sync(request.model_copy(update={"announced": False}), desk.services)
    desk.run(request.sync_id)
    assert desk.counts(request.sync_id) == ("success", 1, 1, 0, 0)


@pytest.mark.parametrize(("asked", "meant"), [("W1", "w1"), ("Depot", "m"), ("depot", "m"), ("w9", None)])
def test_a_warehouse_that_is_not_there_is_told_with_the_one_that_is_nearly_the_same(
    desk: Desk, asked: str, meant: str | None
) -> None:
    apply_commands([order("m", "warehouse.upsert", warehouse_id="m", name="Depot")], desk.database)
    job = desk.job(desk.request(desk.put("sku,quantity\nA,5\n"), warehouse_id=asked))
    assert job["error_code"] == "UNKNOWN_WAREHOUSE"
    said = f"no such warehouse: {asked} (is {meant!r} meant?)." if meant else f"no such warehouse: {asked}."
    assert said in job["error"]


# What is not plain ----------------------------------------------------------------------------------------------------


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (gzip.compress(FILE.encode()), "gzip"),
        (zipped(stock_csv=FILE), "zip"),
        (FILE.encode("utf-16"), "utf-16"),
        (gzip.compress(FILE.encode("utf-16")), "utf-16"),
    ],
    ids=["gzip", "zip", "utf-16", "utf-16 in gzip"],
)
def test_a_file_that_is_not_plain_is_copied_plain_and_read(
    desk: Desk, small_ranges: None, content: bytes, warning: str
) -> None:
    sync_id = desk.sync(content)
    job = desk.job(sync_id)
    assert desk.counts(sync_id) == ("success", 120, 120, 0, 0)
    assert job["source_bucket"] == desk.work
    assert any(warning in text for text in job["warnings"])
    assert desk.work_files() == []


def test_a_declared_encoding_is_used(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity,note\nA,1,Käse\n".encode("cp1252"), encoding="cp1252")
    assert desk.counts(sync_id)[0] == "success"
    assert desk.ask("SELECT note FROM sync_items") == [("Käse",)]


def test_a_file_from_the_web_is_read_once_and_then_from_the_copy(desk: Desk, small_ranges: None) -> None:
    desk.limit_web(allow_private=True)
    with web_file(FILE.encode()) as url:
        request = requested(desk, url)
        request_sync(request, desk.services)
    desk.run(request.sync_id)
    assert desk.counts(request.sync_id) == ("success", 120, 120, 0, 0)
    assert desk.work_files() == []


@pytest.mark.parametrize(
    "content",
    [zipped(a_csv="sku,quantity\n", b_csv="sku,quantity\n"), gzip.compress(FILE.encode())[:-20], b"%PDF-1.7\n"],
    ids=["two files", "cut off", "pdf"],
)
def test_what_cannot_be_made_plain_ends_the_job_and_leaves_nothing(desk: Desk, content: bytes) -> None:
    sync_id = desk.sync(content)
    assert desk.job(sync_id)["error_code"] in {ErrorCode.FILE_NOT_UNPACKED, ErrorCode.FILE_NOT_CSV}
    assert desk.work_files() == []
