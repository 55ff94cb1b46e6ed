"""`onhand sync …` on syncs that are there: reading them, watching them, and deciding about them."""

import csv
import io
import json
import subprocess
import sys
from uuid import UUID, uuid4

import httpx
import pytest

from consumers.settings import Settings
from infra.cli.syncs.jobs import Pace
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from tests.support.cli import json_lines, onhand, sent
from tests.support.desk import Desk
from tests.support.sync_rows import HEADER, add_diffs, add_job, add_rows, error
from tests.support.workbooks import lines

ACME = ("--account", "acme")
UNKNOWN = error("UNKNOWN_SKU", value="X")


@pytest.fixture
def topics(settings: Settings) -> None:
    """The topics of this test."""
    assert onhand("topics", "apply").exit_code == 0


def update(database: Database, sync_id: UUID, changes: str) -> None:
    with database.transaction() as connection:
        connection.execute(f"UPDATE sync_jobs SET {changes} WHERE sync_id = %s", [sync_id])  # type: ignore[call-overload]  # noqa: S608


def test_a_sync_of_another_account_is_not_there(settings: Settings, database: Database) -> None:
    sync_id = add_job(database)
    assert json_lines(onhand("sync", "show", str(sync_id), *ACME, "--json"))[0]["status"] == "pending"
    assert json_lines(onhand("sync", "list", "--account", "other", "--json")) == []
    for verb in ("show", "items", "errors", "diff", "approve", "confirm", "revert", "abort"):
        more = ("--reason", "r") if verb == "abort" else ()
        result = onhand("sync", verb, str(sync_id), "--account", "other", *more)
        assert result.exit_code == 1
        assert f"Account other has no sync {sync_id}" in result.stderr


def test_syncs_for_a_customer_are_listed_where_the_customer_lets_the_account_in(
    settings: Settings, database: Database
) -> None:
    add_job(database)
    of_shop = add_job(database, customer_account_id="shop")
    ask = ("sync", "list", *ACME, "--customer-account", "shop", "--json")
    refused = onhand(*ask)
    assert refused.exit_code == 1
    assert "may not act for this customer" in refused.stderr
    with database.transaction() as connection:
        connection.execute("INSERT INTO account_links VALUES ('shop', 'acme', 'read')")
    assert [job["sync_id"] for job in json_lines(onhand(*ask))] == [str(of_shop)]


def test_a_sync_is_shown_with_its_errors_and_what_to_do_next(
    settings: Settings, database: Database, store: ObjectStore
) -> None:
    sync_id = add_job(
        database, status="partial", total_count=10, success_count=7, error_count=3, error="error in 3 out of 10 rows",
        error_counts={"UNKNOWN_SKU": 1, "QUANTITY_NEGATIVE": 2}, warnings=["2 rows: odd"], rejects_key="rejects/x.csv",
    )  # fmt: skip
    store.put_bytes(settings.s3_uploads_bucket, "rejects/x.csv", b"the rejects")
    shown = onhand("sync", "show", str(sync_id), *ACME).stdout
    assert "error in 3 out of 10 rows" in shown
    assert "warning: 2 rows: odd" in shown
    assert shown.index("2  QUANTITY_NEGATIVE: The quantity is below zero") < shown.index("1  UNKNOWN_SKU")
    assert f"next: mend them: `onhand sync items {sync_id} --status error --format csv > rejects.csv`" in shown
    [job] = json_lines(onhand("sync", "show", str(sync_id), *ACME, "--json"))
    assert httpx.get(job["rejects_url"], trust_env=False).content == b"the rejects"


def test_mended_rows_are_submitted_with_the_options_of_the_sync(settings: Settings, database: Database) -> None:
    options = {"columns": {"Artikel Nr": "sku"}, "duplicates": "sum", "as_of": "2026-01-31T12:00:00Z"}
    sync_id = add_job(
        database, status="error", error_count=1, total_count=1, customer_account_id="shop", options=options
    )
    shown = onhand("sync", "show", str(sync_id), *ACME).stdout
    assert (
        "`onhand sync submit rejects.csv --warehouse w1 --customer-account shop --column 'Artikel Nr=sku' "
        "--duplicates sum --as-of 2026-01-31T12:00:00+00:00`"
    ) in shown


def test_a_sync_that_is_held_says_why_and_how_it_goes_on(settings: Settings, database: Database) -> None:
    sync_id = add_job(database, status="held", held_reason="it would empty 80 % of the levels")
    shown = onhand("sync", "show", str(sync_id), *ACME).stdout
    assert "it would empty 80 % of the levels" in shown
    assert f"next: `onhand sync approve {sync_id}`" in shown


def test_a_sync_is_watched_until_it_ends_with_a_line_for_each_change(settings: Settings, database: Database) -> None:
    sync_id = add_job(database, status="processing", total_count=4)
    watch = [sys.executable, "-m", "infra.cli", "sync", "show", str(sync_id), *ACME, "--watch"]
    with (
        subprocess.Popen([*watch, "--json"], stdout=subprocess.PIPE, text=True) as for_programs,
        subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as for_people,
    ):
        assert for_programs.stdout is not None
        assert for_people.stdout is not None
        assert json.loads(for_programs.stdout.readline())["finished_count"] == 0
        assert for_people.stdout.readline() == "processing: 0 of 4 rows, 0 good\n"
        update(database, sync_id, "success_count = 1, error_count = 1")
        state = json.loads(for_programs.stdout.readline())
        assert (state["success_count"], state["finished_count"]) == (1, 2)
        assert state["rows_per_s"] is not None
        assert state["seconds_left"] is not None
        line = for_people.stdout.readline()
        assert line.startswith("processing: 2 of 4 rows, 1 good, 1 in error; ")
        assert line.endswith(" left\n")
        update(database, sync_id, "status = 'partial', success_count = 3, finished_at = now()")
        last, shown = for_programs.stdout.read(), for_people.stdout.read()
    assert json.loads(last)["status"] == "partial"
    assert str(sync_id) in shown
    assert (for_programs.returncode, for_people.returncode) == (0, 0)


def test_the_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace(seconds=5)
    assert pace.rows_per_s(0, 0) is None
    assert pace.rows_per_s(1, 100) == 100
    assert pace.rows_per_s(6, 100) is None
    assert pace.rows_per_s(10, 1000) == 100
    assert pace.rows_per_s(11, 2600) == 500


def test_errors_are_explained_with_examples(settings: Settings, database: Database) -> None:
    sync_id = add_job(database, status="partial")
    skipped = {"status": "skipped", "errors": [error("SUPERSEDED", "record")]}
    add_rows(database, sync_id, [{}, *[{"status": "error", "errors": [UNKNOWN]}] * 1200, skipped])
    shown = onhand("sync", "errors", str(sync_id), *ACME).stdout.splitlines()
    assert shown[0] == "UNKNOWN_SKU: 1,200 rows in error"
    assert shown[1].startswith("  The account has no product of this SKU. Correct the SKU, or create the product first")
    assert shown[2] == "  row 2 (line 3): sku 'X'"
    assert "SUPERSEDED: 1 row skipped" in shown
    found = json_lines(onhand("sync", "errors", str(sync_id), *ACME, "--json"))
    assert [(each["code"], each["rows"]) for each in found] == [("UNKNOWN_SKU", 1200), ("SUPERSEDED", 1)]
    ended, pending = add_job(database, status="success"), add_job(database)
    assert onhand("sync", "errors", str(ended), *ACME).stdout == "No row is in error.\n"
    assert onhand("sync", "errors", str(pending), *ACME).stdout == "No row is known to be in error yet: pending.\n"


def test_a_sync_that_failed_as_a_whole_tells_its_error_where_people_ask_for_errors_or_changes(
    settings: Settings, database: Database
) -> None:
    words = "The workbook has no sheet of this name: found no 'May'."
    sync_id = add_job(database, status="error", error_code="UNKNOWN_SHEET", error=words, dry_run=True, header=None)
    told = f"The sync is in error, and no row was applied. UNKNOWN_SHEET: {words}\n"
    assert onhand("sync", "errors", str(sync_id), *ACME).stdout == told
    for verb in ("errors", "diff"):
        for_programs = onhand("sync", verb, str(sync_id), *ACME, "--json")
        assert (for_programs.stdout, for_programs.stderr) == ("", told)
    assert told in onhand("sync", "diff", str(sync_id), *ACME).stderr


def test_items_are_read_page_by_page_with_filters_and_as_csv(settings: Settings, database: Database) -> None:
    sync_id = add_job(database)
    with database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO sync_items (account_id, sync_id, month, row, line, byte_offset, status, sku, quantity, errors)
            SELECT account_id, sync_id, items_month, n, n + 1, n * 10,
                   CASE WHEN n % 100 = 0 THEN 'error' ELSE 'success' END, 'S-' || n, n,
                   CASE WHEN n % 100 = 0 THEN '[{"code": "UNKNOWN_SKU", "field": "sku"}]'::jsonb END
            FROM sync_jobs, generate_series(1, 2500) AS n
            """
        )
    items = ("sync", "items", str(sync_id), *ACME)
    assert [item["row"] for item in json_lines(onhand(*items, "--json"))] == list(range(1, 2501))
    after = json_lines(onhand(*items, "--json", "--code", "UNKNOWN_SKU", "--after", "2300"))
    assert [item["row"] for item in after] == [2400, 2500]
    [one] = json_lines(onhand(*items, "--format", "json", "--sku", "S-7"))
    assert (one["quantity"], one["line"], one["byte_offset"]) == ("7", 8, 70)
    table = onhand(*items, "--format", "csv", "--status", "success").stdout.splitlines()
    assert table[0].startswith("row,sku,quantity,")
    assert len(table) == 2476
    assert "There are more than these 100" in onhand(*items).stderr


def test_rows_in_error_as_csv_are_the_file_of_rejects_and_others_are_safe_to_open(
    settings: Settings, database: Database
) -> None:
    header = HEADER | {"names": ["#SKU", "Quantity", "Note"], "delimiter": ";"}
    sync_id = add_job(database, status="partial", header=header)
    bad = {"status": "error", "sku": "X", "errors": [UNKNOWN], "raw": b'X;"5";\xff=1'}
    unread = {"status": "aborted", "raw": b"=Y;6;"}
    add_rows(database, sync_id, [{"sku": "=cmd()", "quantity": "-5"}, bad, unread])
    items = ("sync", "items", str(sync_id), *ACME, "--format", "csv")
    rejects = onhand(*items, "--status", "error").stdout_bytes
    assert rejects.startswith(b"\xef\xbb\xbf#SKU;Quantity;Note;error_codes;error_messages\nX;5;\xff=1;UNKNOWN_SKU;")
    assert rejects.count(b"\n") == 2
    assert b"\n'=Y;6;;;" in onhand(*items, "--status", "aborted").stdout_bytes
    [row] = csv.DictReader(io.StringIO(onhand(*items, "--limit", "1").stdout))
    assert (row["sku"], row["quantity"], row["row"]) == ("'=cmd()", "'-5", "1")


def test_rows_in_error_as_xlsx_are_the_workbook_of_rejects(settings: Settings, database: Database) -> None:
    header = HEADER | {"names": ["SKU", "Quantity"]}
    sync_id = add_job(database, status="partial", header=header, error_count=1, total_count=1)
    add_rows(database, sync_id, [{"status": "error", "sku": "00123", "errors": [UNKNOWN], "raw": b"00123,5"}])
    items = ("sync", "items", str(sync_id), *ACME, "--format", "xlsx")
    names, row = lines(onhand(*items, "--status", "error").stdout_bytes)
    assert names == b'"SKU","Quantity","error_codes","error_messages"'
    assert row.startswith(b'"00123","5","UNKNOWN_SKU","sku: ')
    refused = onhand(*items)
    assert refused.exit_code == 2
    assert "add --status error" in refused.stderr
    update(database, sync_id, "error_count = 2000000, total_count = 2000000")
    many = onhand(*items, "--status", "error")
    assert many.exit_code == 1
    assert "A workbook has no room for these 2,000,000 rows: ask for --format csv" in many.stderr
    assert len(lines(onhand(*items, "--status", "error", "--limit", "10").stdout_bytes)) == 2


def test_a_sync_is_shown_with_its_workbook_of_rejects_when_that_is_written(
    settings: Settings, database: Database, store: ObjectStore
) -> None:
    sync_id = add_job(database, status="partial", error_count=1, total_count=1, rejects_key="rejects/x.csv")
    show = ("sync", "show", str(sync_id), *ACME, "--json")
    assert json_lines(onhand(*show))[0]["rejects_xlsx_url"] is None
    store.put_bytes(settings.s3_uploads_bucket, "rejects/x.xlsx", b"the workbook")
    [job] = json_lines(onhand(*show))
    assert httpx.get(job["rejects_xlsx_url"], trust_env=False).content == b"the workbook"


def test_without_a_file_that_was_read_there_are_no_rejects(settings: Settings, database: Database) -> None:
    sync_id = add_job(database, status="error", header=None)
    result = onhand("sync", "items", str(sync_id), *ACME, "--status", "error", "--format", "csv")
    assert result.exit_code == 1
    assert "was not read" in result.stderr


def test_a_dry_run_shows_what_would_change(settings: Settings, database: Database) -> None:
    sync_id = add_job(database, status="success", dry_run=True)
    add_diffs(database, sync_id, [("S-1", 10, 4), ("-S", 0, 7)])
    diff = ("sync", "diff", str(sync_id), *ACME)
    assert [line["delta"] for line in json_lines(onhand(*diff, "--json"))] == [-6, 7]
    [first, second] = csv.DictReader(io.StringIO(onhand(*diff, "--format", "csv").stdout))
    assert (first["sku"], first["before"], first["after"], first["delta"]) == ("S-1", "10", "4", "-6")
    assert second["sku"] == "'-S"
    assert "A-1" in onhand(*diff).stdout
    assert f"onhand sync confirm {sync_id}" in onhand("sync", "show", str(sync_id), *ACME).stdout


def test_a_dry_run_with_rows_in_error_says_so_and_does_not_lead_to_a_run_in_earnest(
    settings: Settings, database: Database
) -> None:
    sync_id = add_job(
        database, status="partial", dry_run=True, total_count=2, success_count=1, error_count=1,
        error_counts={"UNKNOWN_SKU": 1},
    )  # fmt: skip
    add_diffs(database, sync_id, [("S-1", 10, 4)])
    assert "1 of 2 rows are in error and would not be applied" in onhand("sync", "diff", str(sync_id), *ACME).stderr
    shown = onhand("sync", "show", str(sync_id), *ACME).stdout
    assert "submit it with --dry-run again" in shown
    assert "rejects.csv" not in shown


@pytest.mark.parametrize(
    ("verb", "job", "expected"),
    [
        ("approve", {"status": "processing"}, "is not held: it is processing"),
        ("confirm", {"status": "success"}, "is no dry run"),
        ("confirm", {"status": "processing", "dry_run": True}, "is still running: processing"),
        ("confirm", {"status": "error", "dry_run": True}, "none of its rows could be applied"),
        ("diff", {"status": "success"}, "is no dry run"),
        ("diff", {"status": "planning", "dry_run": True}, "is still running: planning"),
        ("revert", {"status": "success", "dry_run": True}, "is a dry run: it changed nothing"),
        ("revert", {"status": "processing"}, "is still running: processing"),
        ("revert", {"status": "error"}, "changed nothing: it ended as error"),
        ("abort", {"status": "success"}, "has finished already: success"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    settings: Settings, database: Database, verb: str, job: dict[str, object], expected: str
) -> None:
    more = ("--reason", "r") if verb == "abort" else ()
    result = onhand("sync", verb, str(add_job(database, **job)), *ACME, *more)
    assert result.exit_code == 1
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_a_person_decides_is_asked_for(settings: Settings, database: Database, topics: None) -> None:
    held, running = add_job(database, status="held"), add_job(database, status="processing")
    assert json_lines(onhand("sync", "approve", str(held), *ACME, "--user", "ada", "--json")) == [
        {"sync_id": str(held), "requested": "approve"}
    ]
    assert onhand("sync", "abort", str(running), *ACME, "--reason", "wrong file").exit_code == 0
    events = {event["type"]: event for event in sent("syncs", 2)}
    assert events["sync.approve"]["data"] == {"account_id": "acme", "sync_id": str(held), "user_id": "ada"}
    assert events["sync.abort"]["data"]["reason"] == "wrong file"


@pytest.mark.parametrize(
    ("verb", "job", "named"),
    [
        ("confirm", {"dry_run": True}, "dry_run_id"),
        ("revert", {"total_count": 1, "success_count": 1}, "reverted_id"),
    ],
)
@pytest.mark.usefixtures("topics")
def test_what_starts_a_sync_of_its_own_prints_its_id_and_starts_it_once(
    database: Database, verb: str, job: dict[str, object], named: str
) -> None:
    of = add_job(database, status="success", **job)
    first = onhand("sync", verb, str(of), *ACME)
    assert first.exit_code == 0
    sync_id = UUID(first.stdout.strip())
    assert onhand("sync", verb, str(of), *ACME).stdout == first.stdout
    assert [event["data"] for event in sent("syncs", 2)] == [
        {"account_id": "acme", "sync_id": str(sync_id), named: str(of)}
    ] * 2
    add_job(database, sync_id=sync_id, status="aborted")
    known = onhand("sync", verb, str(of), *ACME, "--wait")
    assert known.exit_code == 1
    assert f"asked for before, as {sync_id}: it is aborted" in known.stderr


def test_an_id_that_nothing_has_is_said_to_be_unknown(settings: Settings, database: Database) -> None:
    result = onhand("sync", "show", str(uuid4()), *ACME)
    assert result.exit_code == 1
    assert "`onhand sync list` shows those that it has" in result.stderr


def test_the_file_of_rejects_is_in_the_bucket_and_can_be_mended_in_a_spreadsheet_and_submitted_again(
    desk: Desk, store: ObjectStore, settings: Settings
) -> None:
    sync_id = desk.sync('#SKU;Qty;Note;Colour\nS1;5;-;red\n"S2";-6;"=2"" pipe";=A1\nS9999;7;;"b;lue"\nS4;8\n')
    rejects = onhand("sync", "items", str(sync_id), *ACME, "--status", "error", "--format", "csv").stdout_bytes
    job = desk.job(sync_id)
    assert store.download(settings.s3_uploads_bucket, job["rejects_key"]) == rejects
    names, negative, unknown = csv.reader(io.StringIO(rejects.decode("utf-8-sig")), delimiter=";")
    assert names == ["#SKU", "Qty", "Note", "Colour", "error_codes", "error_messages"]
    assert negative[:5] == ["S2", "'-6", "'=2\" pipe", "'=A1", "QUANTITY_NEGATIVE"]
    assert unknown[:5] == ["S9999", "7", "", "b;lue", "UNKNOWN_SKU"]
    negative[1], unknown[0] = "6", "S3"
    mended = io.StringIO()
    csv.writer(mended, delimiter=";").writerows([names, negative, unknown])
    again = desk.sync(mended.getvalue())
    assert desk.counts(again) == ("success", 2, 2, 0, 0)
    assert desk.ask("SELECT sku, note FROM sync_items WHERE sync_id = %s ORDER BY row", again) == [
        ("S2", '=2" pipe'), ("S3", None),
    ]  # fmt: skip
