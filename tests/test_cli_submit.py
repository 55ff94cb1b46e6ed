"""`onhand sync submit`: what is uploaded and asked for, and what its exit code says."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import Result

from consumers.settings import Settings
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from tests.support.cli import json_lines, onhand, sent
from tests.support.sync_rows import add_job

pytestmark = pytest.mark.usefixtures("store", "topics")


@pytest.fixture
def topics(settings: Settings) -> None:
    """The topics of this test."""
    assert onhand("topics", "apply").exit_code == 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "count of May.csv"
    path.write_text("sku,quantity\nS-1,5\n")
    return path


@pytest.fixture
def known_id(monkeypatch: pytest.MonkeyPatch) -> UUID:
    """The id that the next submission gets."""
    sync_id = uuid4()
    monkeypatch.setattr("infra.cli.syncs.submit.uuid4", lambda: sync_id)
    return sync_id


def submit(source: str | Path, *more: str) -> Result:
    return onhand("sync", "submit", str(source), "--account", "acme", "--warehouse", "w1", *more)


def submitted(source: str | Path, *more: str) -> dict[str, Any]:
    [told] = json_lines(submit(source, "--json", *more))
    return told


def test_a_file_is_uploaded_and_requested_in_the_version_that_was_uploaded(
    settings: Settings, store: ObjectStore, file: Path
) -> None:
    told = submitted(file)
    key = f"acme/w1/submitted/{told['sync_id']}/count of May.csv"
    [found] = store.list(settings.s3_uploads_bucket)
    assert found.key == key
    [event] = sent("syncs", 1)
    assert event["key"] == event["data"]["sync_id"] == told["sync_id"]
    assert event["data"]["url"] == told["url"] == f"s3://{settings.s3_uploads_bucket}/{key}"
    assert event["data"]["etag"] == found.etag


def test_each_submission_of_a_file_is_a_sync_of_its_own(settings: Settings, store: ObjectStore, file: Path) -> None:
    first, second = submitted(file), submitted(file)
    assert first["sync_id"] != second["sync_id"]
    assert {event["data"]["url"] for event in sent("syncs", 2)} == {first["url"], second["url"]}
    assert len(list(store.list(settings.s3_uploads_bucket))) == 2


def test_all_options_are_asked_for(file: Path) -> None:
    submitted(
        file, "--encoding", "latin-1", "--column", "Artikel=nr=sku", "--column", "Menge=quantity",
        "--duplicates", "sum", "--on-error", "stop_after_errors", "--max-errors", "7",
        "--as-of", "2026-01-31T13:00:00+01:00", "--dry-run", "--force", "--customer-account", "shop", "--user", "ada",
        "--sheet", "April",
    )  # fmt: skip
    [event] = sent("syncs", 1)
    asked = {
        "encoding": "iso8859-1", "columns": {"Artikel=nr": "sku", "Menge": "quantity"}, "duplicates": "sum",
        "on_error": "stop_after_errors", "max_errors": 7, "as_of": "2026-01-31T12:00:00Z", "dry_run": True,
        "force": True, "sheet": "April", "customer_account_id": "shop", "user_id": "ada", "account_id": "acme",
        "warehouse_id": "w1",
    }  # fmt: skip
    assert {name: event["data"][name] for name in asked} == asked


def test_a_url_is_a_sync_each_time(settings: Settings) -> None:
    first, second = submitted("s3://elsewhere/a.csv"), submitted("s3://elsewhere/a.csv")
    assert first["sync_id"] != second["sync_id"]
    assert {event["data"]["url"] for event in sent("syncs", 2)} == {"s3://elsewhere/a.csv"}


def test_a_file_that_changes_while_it_is_uploaded_is_refused(
    settings: Settings, store: ObjectStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = store.__class__.upload_stream

    def slowly(self: ObjectStore, bucket: str, key: str, pieces: Iterator[bytes]) -> int:
        first = next(pieces)
        with file.open("a") as more:
            more.write("S-2,6\n")
        return upload(self, bucket, key, chain([first], pieces))

    monkeypatch.setattr(store.__class__, "upload_stream", slowly)
    result = submit(file)
    assert result.exit_code == 1
    assert "changes while it is read" in result.stderr
    assert not list(store.list(settings.s3_uploads_bucket))


@pytest.mark.parametrize(
    ("status", "counts", "exit_code"),
    [
        ("success", {"success_count": 2}, 0),
        ("partial", {"success_count": 1, "error_count": 1, "error": "error in 1 out of 2 rows"}, 0),
        ("error", {"error_count": 2, "error": "error in 2 out of 2 rows"}, 1),
        ("aborted", {"success_count": 1, "aborted_count": 1, "abort_reason": "wrong file"}, 1),
        ("held", {"held_reason": "it would empty 80 % of the levels"}, 3),
    ],
)
def test_the_exit_code_says_how_the_sync_ended(
    database: Database, file: Path, known_id: UUID, *, status: str, counts: dict[str, Any], exit_code: int
) -> None:
    add_job(database, sync_id=known_id, status=status, total_count=2, **counts)
    result = submit(file, "--wait")
    assert result.exit_code == exit_code, result.output
    assert status in result.stdout
    for told in (counts.get(name) for name in ("error", "abort_reason", "held_reason")):
        assert told is None or told in result.stdout
    assert (f"`onhand sync approve {known_id}`" in result.stderr) == (status == "held")


def test_a_repeat_has_an_exit_code_of_its_own_and_names_the_earlier_sync(
    database: Database, file: Path, known_id: UUID
) -> None:
    earlier = add_job(database, status="success")
    add_job(database, sync_id=known_id, status="duplicate", duplicate_of=earlier)
    result = submit(file, "--wait")
    assert result.exit_code == 4, result.output
    assert f"sync {known_id} repeats {earlier}" in result.stderr
    assert "--force applies it" in result.stderr
    assert f"`onhand sync show {earlier}`" in result.stdout


def test_who_waits_is_told_what_became_of_the_stock(database: Database, file: Path, known_id: UUID) -> None:
    add_job(
        database, sync_id=known_id, status="success", total_count=3, success_count=3,
        levels_lowered=3, units_before=150, units_after=20,
    )  # fmt: skip
    result = submit(file, "--wait")
    assert result.exit_code == 0
    assert "3 levels lowered, 0 raised, 0 set to zero; 150 units before, 20 after (\u2212130)" in result.stdout


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--column", "sku"], "'sku' is not NAME=COLUMN, with one of sku, quantity, action"),
        (["--column", "Artikel=article"], "is not NAME=COLUMN"),
        (["--column", "A=sku", "--column", "A=note"], "names 'A' twice"),
        (["--max-errors", "5"], "belong together"),
        (["--on-error", "stop_after_errors"], "belong together"),
        (["--as-of", "yesterday"], "'yesterday' is not a time"),
        (["--encoding", "klingon"], "encoding: Value error, must be an encoding of text that Python knows"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_uploaded(
    settings: Settings, store: ObjectStore, file: Path, more: list[str], expected: str
) -> None:
    result = submit(file, *more)
    assert result.exit_code in {1, 2}
    assert " ".join(expected.split()) in " ".join(result.stderr.replace("│", " ").split())
    assert not list(store.list(settings.s3_uploads_bucket))


def test_a_file_that_is_not_there_is_named() -> None:
    result = submit("nothing.csv")
    assert result.exit_code == 1
    assert result.stderr == "nothing.csv: No such file or directory\n"
