"""`onhand sync submit`: what is uploaded and asked for, and what its exit code says."""

from pathlib import Path
from typing import Any
from uuid import UUID

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


def test_the_same_content_with_the_same_options_is_the_same_sync_whatever_the_file_is_called(
    file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(file.read_bytes())
    first = submitted(file)["sync_id"]
    assert submitted(file)["sync_id"] == submitted(copy, "--user", "ada")["sync_id"] == first
    others = [
        submitted(file, *more)["sync_id"]
        for more in (
            ["--force"], ["--force"], ["--dry-run"], ["--duplicates", "last"], ["--encoding", "cp1252"],
            ["--column", "Menge=quantity"], ["--as-of", "2026-01-31T12:00:00"], ["--customer-account", "shop"],
            ["--on-error", "all_or_nothing"], ["--on-error", "stop_after_errors", "--max-errors", "3"],
        )
    ]  # fmt: skip
    assert len({first, *others}) == 11
    file.write_text("sku,quantity\nS-1,6\n")
    assert submitted(file)["sync_id"] not in {first, *others}


def test_all_options_are_asked_for(file: Path) -> None:
    submitted(
        file, "--encoding", "latin-1", "--column", "Artikel=nr=sku", "--column", "Menge=quantity",
        "--duplicates", "sum", "--on-error", "stop_after_errors", "--max-errors", "7",
        "--as-of", "2026-01-31T13:00:00+01:00", "--dry-run", "--force", "--customer-account", "shop", "--user", "ada",
    )  # fmt: skip
    [event] = sent("syncs", 1)
    asked = {
        "encoding": "iso8859-1", "columns": {"Artikel=nr": "sku", "Menge": "quantity"}, "duplicates": "sum",
        "on_error": "stop_after_errors", "max_errors": 7, "as_of": "2026-01-31T12:00:00Z", "dry_run": True,
        "force": True, "customer_account_id": "shop", "user_id": "ada", "account_id": "acme", "warehouse_id": "w1",
    }  # fmt: skip
    assert {name: event["data"][name] for name in asked} == asked


def test_a_url_is_a_sync_each_time(settings: Settings) -> None:
    first, second = submitted("s3://elsewhere/a.csv"), submitted("s3://elsewhere/a.csv")
    assert first["sync_id"] != second["sync_id"]
    assert {event["data"]["url"] for event in sent("syncs", 2)} == {"s3://elsewhere/a.csv"}


def test_a_file_that_is_known_is_not_uploaded_again(
    settings: Settings, store: ObjectStore, database: Database, file: Path
) -> None:
    told = submitted(file)
    add_job(database, sync_id=UUID(told["sync_id"]), status="processing", url=told["url"], total_count=1)
    store.delete_prefix(settings.s3_uploads_bucket, "acme/")
    again = submit(file)
    assert again.exit_code == 0
    assert again.stdout == f"{told['sync_id']}\n"
    assert "submitted before" in again.stderr
    assert f"it is processing. `onhand sync show {told['sync_id']}`" in again.stderr
    assert not list(store.list(settings.s3_uploads_bucket))


def test_a_file_that_failed_before_its_rows_were_read_is_uploaded_again(
    settings: Settings, store: ObjectStore, database: Database, file: Path
) -> None:
    told = submitted(file)
    add_job(database, sync_id=UUID(told["sync_id"]), status="error", error_code="UNKNOWN_WAREHOUSE", error="no w1")
    store.delete_prefix(settings.s3_uploads_bucket, "acme/")
    assert submitted(file) == told
    assert list(store.list(settings.s3_uploads_bucket))
    assert [event["data"]["sync_id"] for event in sent("syncs", 2)] == [told["sync_id"]] * 2


def test_who_waits_for_a_second_try_is_told_how_that_one_ended(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_id = UUID(submitted(file)["sync_id"])
    add_job(database, sync_id=sync_id, status="error", error_code="UNKNOWN_WAREHOUSE", error="no w1", planning=1)
    changes = iter([
        "status = 'planning', planning = 2, error = NULL, error_code = NULL, finished_at = NULL",
        "status = 'processing', total_count = 1",
        "status = 'success', success_count = 1, finished_at = now()",
    ])  # fmt: skip

    def go_on(_seconds: float) -> None:
        with database.transaction() as connection:
            connection.execute(f"UPDATE sync_jobs SET {next(changes)} WHERE sync_id = %s", [sync_id])  # type: ignore[arg-type]  # noqa: S608

    monkeypatch.setattr("infra.cli.syncs.jobs.time.sleep", go_on)
    result = submit(file, "--wait")
    assert result.exit_code == 0, result.output
    assert "submitted before" in result.stderr
    assert "tried once more" in result.stderr
    assert "UNKNOWN_WAREHOUSE" not in result.stdout


def test_a_file_that_changes_while_it_is_uploaded_is_refused(
    settings: Settings, store: ObjectStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.cli.syncs.submit._digest", lambda _: "of what it was before")
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
    database: Database, file: Path, status: str, counts: dict[str, Any], exit_code: int
) -> None:
    sync_id = UUID(submitted(file)["sync_id"])
    add_job(database, sync_id=sync_id, status=status, total_count=2, **counts)
    result = submit(file, "--wait")
    assert result.exit_code == exit_code, result.output
    assert status in result.stdout
    for told in (counts.get(name) for name in ("error", "abort_reason", "held_reason")):
        assert told is None or told in result.stdout
    assert (f"`onhand sync approve {sync_id}`" in result.stderr) == (status == "held")


@pytest.mark.parametrize(("status", "exit_code"), [("success", 0), ("aborted", 1), ("held", 3)])
def test_the_same_content_as_another_sync_ends_as_that_one_did(
    database: Database, file: Path, status: str, exit_code: int
) -> None:
    earlier = add_job(database, status=status, held_reason="why")
    sync_id = UUID(submitted(file)["sync_id"])
    add_job(database, sync_id=sync_id, status="success", duplicate_of=earlier)
    result = submit(file, "--wait")
    assert result.exit_code == exit_code, result.output
    assert f"submitted before as {earlier}" in result.stderr
    assert result.stdout.index(str(sync_id)) < result.stdout.rindex(str(earlier))


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
