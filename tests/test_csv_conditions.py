"""Uploads as people really send them, through the whole pipeline: small, and behind 100,000 clean rows.

Each condition of a row asserts the job, and of every row its status, its codes, its place in the file (row, line, byte
offset) and what its level holds afterwards.
"""

import codecs
import gzip
import io
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from consumers.settings import Settings
from pipeline.audit import audit
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from tests.brokers import TestStack
from tests.support.csv_rows import ALL_ROWS, BEFORE, CONDITIONS, Row, add_rows, bad, good
from tests.support.csv_world import fill_world, reset_levels
from tests.support.databases import copy_of
from tests.support.desk import Desk
from tests.support.uploads import NAMES, Format, Upload, clean_sku

MANY = 100_000
SIZES = pytest.mark.parametrize("clean", [0, MANY], ids=["small", "behind 100,000 rows"])


@pytest.fixture(scope="module")
def desk(stack: TestStack, template_url: str, objects: ObjectStore) -> Iterator[Desk]:
    """A desk whose catalogue has the clean products, and those of all conditions; audited at the end."""
    unique = uuid.uuid4().hex[:12]
    buckets = {f"ONHAND_S3_{kind.upper()}_BUCKET": f"{kind}-{unique}" for kind in ("uploads", "work", "snapshots")}
    with copy_of(template_url) as url:
        environ = {**stack.endpoints.environ(), **buckets, "ONHAND_DATABASE_URL": url}
        names = {name.removeprefix("ONHAND_").lower(): value for name, value in environ.items()}
        for bucket in buckets.values():
            objects.ensure_bucket(bucket)
        database = Database(url)
        fill_world(database, MANY)
        yield Desk.of(database, objects, Settings.model_validate(names))
        with database.transaction() as connection:
            connection.execute("DELETE FROM outbox")  # no relay runs here
        broken = [finding for finding in audit(database) if finding.broken]
        database.close()
        assert not broken, broken


@dataclass(frozen=True)
class Outcome:
    """What became of a file. `items` by row: line, byte offset, status, codes, suggestion."""

    job: dict[str, Any]
    items: dict[int, tuple[int, int, str, frozenset[str], str | None]]
    levels: dict[tuple[str, str], int]
    upload: Upload

    def check_clean(self, count: int) -> None:
        """The first `count` rows were applied, and stand where they were written."""
        for row, line, offset in self.upload.places[:count]:
            assert self.items[row] == (line, offset, "success", frozenset(), None)

    def check(self, rows: tuple[Row, ...], first: int) -> None:
        """These rows, written from the data row `first` on, met their fate."""
        for number, row in enumerate((row for row in rows if row.status is not None), first):
            place = self.upload.places[number - 1]
            expected = (*place, row.status, row.codes, row.suggestion)
            assert (number, *self.items[number]) == expected, row.fields
            if row.sku is not None:
                assert self.levels[row.sku, row.location_id] == row.holds, row.fields
        for code in {code for row in rows for code in row.codes}:
            assert ErrorCode(code).hint


def run(
    desk: Desk, rows: tuple[Row, ...], format_: Format, clean: int, **request: Any
) -> tuple[Outcome, tuple[Row, ...]]:
    """Write a file, sync it, and look at all that there is to see; with the rows that the format could write."""
    upload = Upload(format_).clean(clean)
    written = add_rows(upload, rows)
    return outcome(desk, upload, **request), written


def outcome(desk: Desk, upload: Upload, **request: Any) -> Outcome:
    """Sync a file, and look at all that there is to see."""
    reset_levels(desk.database)
    sync_id = desk.sync(upload.content(), force=True, **request)
    found = desk.ask("SELECT row, line, byte_offset, status, errors FROM sync_items WHERE sync_id = %s", sync_id)
    items = {
        row: (line, offset, status, frozenset(e["code"] for e in errors or ()), _suggestion(errors or ()))
        for row, line, offset, status, errors in found
    }
    assert len(found) == len(items)
    held = desk.ask("SELECT sku, location_id, on_hand FROM levels WHERE sku NOT LIKE 'P0%%'")
    return Outcome(desk.job(sync_id), items, {(sku, place): on_hand for sku, place, on_hand in held}, upload)


def _suggestion(errors: Any) -> str | None:
    return next((error["suggestion"] for error in errors if error.get("suggestion")), None)


def check_counts(outcome: Outcome, rows: tuple[Row, ...], clean: int) -> None:
    """The job's counts are those of its rows, and its state follows from them."""
    statuses = [row.status for row in rows]
    good_count, bad_count = clean + statuses.count("success"), statuses.count("error")
    job = outcome.job
    assert (job["success_count"], job["error_count"], job["skipped_count"], job["aborted_count"]) == (
        good_count, bad_count, 0, 0)  # fmt: skip
    assert (job["total_count"], job["blank_count"]) == (good_count + bad_count, statuses.count(None))
    assert job["status"] == ("success" if not bad_count else "partial" if good_count else "error")
    assert len(outcome.items) == good_count + bad_count


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def behind_clean_rows(desk: Desk) -> Outcome:
    """All conditions in one file, behind clean rows."""
    return run(desk, ALL_ROWS, Format(), MANY)[0]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_small_file(desk: Desk, condition: str) -> None:
    rows = CONDITIONS[condition]
    found, _ = run(desk, rows, Format(), 0)
    found.check(rows, 1)
    check_counts(found, rows, 0)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_behind_100_000_clean_rows(behind_clean_rows: Outcome, condition: str) -> None:
    first = MANY + 1
    for name, rows in CONDITIONS.items():
        if name == condition:
            behind_clean_rows.check(rows, first)
        first += sum(row.status is not None for row in rows)


def test_clean_rows_before_all_these_are_applied_and_counted(behind_clean_rows: Outcome) -> None:
    behind_clean_rows.check_clean(MANY)
    check_counts(behind_clean_rows, ALL_ROWS, MANY)


def test_stray_quotes_and_ignored_columns_are_warned_of(behind_clean_rows: Outcome) -> None:
    warnings = behind_clean_rows.job["warnings"]
    assert [warning for warning in warnings if "quote" in warning and "3 rows" in warning], warnings
    assert [warning for warning in warnings if "colour" in warning], warnings


# Formats --------------------------------------------------------------------------------------------------------------


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._stock.csv", b"\0\5\26\7")
        archive.writestr("export/stock.csv", content)
    return file.getvalue()


def gzipped_in_two(content: bytes) -> bytes:
    middle = len(content) // 2
    return gzip.compress(content[:middle]) + gzip.compress(content[middle:])


def recoded(encoding: str, start: bytes = b"") -> Format:
    return Format(text_encoding=encoding, pack=lambda content: start + content.decode().encode(encoding))


ALIASES = ("#Product\u00a0SKU", " Qty ", "ACTION", "Reason", '"Location  Name"', "Comment", "Colour")
FORMATS: dict[str, tuple[Format, dict[str, Any]]] = {
    "byte order mark, CRLF, Ctrl-Z tail": (Format(start="\ufeff", ends=("\r\n",), tail="\x1a"), {}),
    "CR only, Ctrl-Z tail with a line end": (Format(ends=("\r",), tail="\x1a\x1a\r"), {}),
    "mixed line ends, no final one": (Format(ends=("\r\n", "\n", "\r"), final_end=False), {}),
    "semicolons": (Format(delimiter=";"), {}),
    "tabs, no final line end": (Format(delimiter="\t", final_end=False), {}),
    "bars and CRLF": (Format(delimiter="|", ends=("\r\n",)), {}),
    "UTF-16 LE with a byte order mark": (recoded("utf-16-le", codecs.BOM_UTF16_LE), {}),
    "UTF-16 BE with a byte order mark": (recoded("utf-16-be", codecs.BOM_UTF16_BE), {}),
    "a declared encoding": (recoded("cp1252"), {"encoding": "cp1252"}),
    "header with #, case, blanks, no-break space and aliases": (Format(names=ALIASES), {}),
    "gzip": (Format(pack=gzip.compress), {}),
    "gzip of two members, CRLF": (Format(ends=("\r\n",), pack=gzipped_in_two), {}),
    "zip with one CSV": (Format(pack=zipped), {}),
}


LARGE = ("byte order mark, CRLF, Ctrl-Z tail", "CR only, Ctrl-Z tail with a line end", "mixed line ends, no final one",
         "UTF-16 LE with a byte order mark", "gzip of two members, CRLF", "zip with one CSV")  # fmt: skip
"""Those that are read in another way where a file has many blocks. The others differ in their header, or in a delimiter
or an encoding that stands for the next one; semicolons behind many rows are in the test of the file of rejects."""


@pytest.mark.parametrize(
    ("name", "clean"),
    [*(pytest.param(name, 0, id=f"{name}, small") for name in FORMATS),
     *(pytest.param(name, MANY, id=f"{name}, behind 100,000 rows") for name in LARGE)],
)  # fmt: skip
def test_all_these_rows_in_another_format(desk: Desk, name: str, clean: int) -> None:
    format_, request = FORMATS[name]
    found, rows = run(desk, ALL_ROWS, format_, clean, **request)
    found.check_clean(clean)
    found.check(rows, clean + 1)
    check_counts(found, rows, clean)
    assert found.job["layout"]["header"]["delimiter"] == format_.delimiter


def test_a_transcoded_file_says_so_on_its_job(desk: Desk) -> None:
    found, _ = run(desk, (good("QA1", "5"),), FORMATS["UTF-16 LE with a byte order mark"][0], 0)
    assert [w for w in found.job["warnings"] if "UTF-16" in w.upper()], found.job["warnings"]


def test_another_delimiter_is_recorded_on_the_job(desk: Desk) -> None:
    found, _ = run(desk, (good("QA1", "5"),), Format(delimiter="|"), 0)
    assert [w for w in found.job["warnings"] if "'|'" in w], found.job["warnings"]


# Rows that only show at one place of a file ---------------------------------------------------------------------------


@SIZES
def test_a_quote_that_is_open_to_the_end_of_the_file_costs_its_own_row_only(desk: Desk, clean: int) -> None:
    rows = (good("QA1", "5"), bad("QUOTE_NOT_CLOSED", "NQ1", "5", "", "", "", '"open'))
    found, _ = run(desk, rows, Format(final_end=False), clean)
    found.check(rows, clean + 1)
    check_counts(found, rows, clean)


def test_a_quote_that_is_open_before_100_000_clean_rows_costs_its_own_row_only(desk: Desk) -> None:
    upload = Upload().record("NQ1", "5", "", "", "", '"open').clean(MANY)
    found = outcome(desk, upload)
    assert found.items[1] == (2, upload.places[0][2], "error", frozenset({"QUOTE_NOT_CLOSED"}), None)
    assert (found.job["status"], found.job["success_count"], found.job["error_count"]) == ("partial", MANY, 1)
    for row, line, offset in upload.places[1:]:
        assert found.items[row] == (line, offset, "success", frozenset(), None)


@SIZES
def test_a_row_that_ends_before_its_last_required_column_is_an_error(desk: Desk, clean: int) -> None:
    names = ("sku", "note", "quantity")
    upload = Upload(Format(names=names))
    for number in range(clean):
        upload.record(clean_sku(number), "", "1")
    upload.record("TF1", "no quantity").record("TF2").record("TF3", "", "5")
    found = outcome(desk, upload)
    first = clean + 1
    found.check((bad("TOO_FEW_FIELDS", "TF1"), bad("TOO_FEW_FIELDS", "TF2"), good("TF3", "5")), first)


def test_copies_of_a_row_before_and_behind_100_000_others_are_duplicates(desk: Desk) -> None:
    upload = Upload().record("DU1", "5").clean(MANY).record("DU1", "5")
    found = outcome(desk, upload)
    for row, line, offset in (upload.places[0], upload.places[-1]):
        assert found.items[row] == (line, offset, "error", frozenset({"DUPLICATE_ROW"}), None)
    assert (found.job["success_count"], found.job["error_count"]) == (MANY, 2)
    assert found.levels["DU1", "unassigned"] == BEFORE


@SIZES
def test_the_file_of_rejects_echoes_all_columns_and_is_safe_to_open(desk: Desk, clean: int) -> None:
    rows = (good("QA1", "5", "", "", "", "", "green"), bad("QUANTITY_MISSING", "QR01", "", "", "", "", "=1+1", "red"))
    found, _ = run(desk, rows, Format(delimiter=";", ends=("\r\n",)), clean)
    key = found.job["rejects_key"]
    assert key == f"rejects/acme/{found.job['sync_id']}.csv"
    lines = desk.objects.download(desk.uploads, key).decode("utf-8-sig").splitlines()
    assert lines[0] == "sku;quantity;action;reason;location;note;colour;error_codes;error_messages"
    assert lines[1].startswith("QR01;;;;;'=1+1;red;QUANTITY_MISSING;")
    assert len(lines) == 2


def test_all_these_rows_in_a_later_range_of_a_large_file(desk: Desk) -> None:
    padding, clean = ("x" * 60_000,) * 12, 60
    upload = Upload(Format(names=(*NAMES, *(f"padding {n}" for n in range(len(padding))))))
    for number in range(clean):
        upload.record(clean_sku(number), "1", *[""] * 5, *padding)
    rows = add_rows(upload, tuple(row for row in ALL_ROWS if "TOO_MANY_FIELDS" not in row.codes))
    found = outcome(desk, upload)
    found.check_clean(clean)
    found.check(rows, clean + 1)
    check_counts(found, rows, clean)
    assert found.job["range_count"] >= 3
