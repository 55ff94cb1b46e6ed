"""Syncs on the real store: what becomes of every row, of the levels, and of the job."""

from dataclasses import replace

import pytest

from pipeline.commands.handler import apply_commands
from schemas.errors import ErrorCode
from tests.support.desk import Desk
from tests.support.orders import order, stock
from tests.support.reading import levels
from tests.support.web import web_file

HEADER = "sku,quantity,action,reason,location\n"


# Good rows ------------------------------------------------------------------------------------------------------------


def test_good_rows_set_the_levels_and_are_told_with_their_version(desk: Desk) -> None:
    sync_id = desk.sync(HEADER + "A,5,replace,counted,\nA,7,,,A-01\nB,+2.0,,,unassigned\n", user_id="mia")
    assert desk.counts(sync_id) == ("success", 3, 3, 0, 0)
    assert levels(desk.database) == {
        ("w1", "A", "unassigned"): (5, 1), ("w1", "A", "b1"): (7, 1), ("w1", "B", "unassigned"): (2, 1)}  # fmt: skip
    log = desk.ask("SELECT sync_row, state, delta, after, reason, actor, sync_id FROM change_log ORDER BY sync_row")
    assert log == [
        (1, "available", 5, 5, "counted", "mia", sync_id),
        (2, "available", 7, 7, None, "mia", sync_id),
        (3, "available", 2, 2, None, "mia", sync_id),
    ]
    assert desk.ask("SELECT row, version, level_id IS NOT NULL FROM sync_items ORDER BY row") == [
        (1, 1, True), (2, 1, True), (3, 1, True)]  # fmt: skip


def test_a_row_that_says_what_is_there_already_succeeds_without_a_change(desk: Desk) -> None:
    apply_commands([stock("x", "add", 5)], desk.database)
    sync_id = desk.sync("sku,quantity\nA,5\nB,0\nC,1\n")
    assert desk.counts(sync_id) == ("success", 3, 3, 0, 0)
    assert desk.ask("SELECT row, version FROM sync_items ORDER BY row") == [(1, None), (2, None), (3, 1)]
    assert levels(desk.database) == {("w1", "A", "unassigned"): (5, 1), ("w1", "C", "unassigned"): (1, 1)}


def test_a_replace_counts_what_is_on_hand_and_the_difference_goes_to_available(desk: Desk) -> None:
    _commit(desk, available=3, committed=4)
    desk.sync("sku,quantity\nA,10\n")
    assert desk.ask("SELECT available, committed, on_hand, version FROM levels WHERE sku = 'A'") == [(6, 4, 10, 3)]


def test_skus_and_locations_that_differ_by_unicode_form_are_one(desk: Desk) -> None:
    apply_commands(
        [
            order("p", "product.upsert", sku="Caf\u00e9"),
            order("l", "location.create", warehouse_id="w1", location_id="b2", name="Re\u0301gal"),
        ],
        desk.database,
    )
    desk.sync(HEADER + "Cafe\u0301,3,,,R\u00e9gal\n")
    assert levels(desk.database) == {("w1", "Caf\u00e9", "b2"): (3, 1)}


# Bad rows -------------------------------------------------------------------------------------------------------------

BAD_ROWS = {
    "NOPE,1,,,": {"UNKNOWN_SKU"},
    "W2ONLY,1,,,": {"SKU_NOT_IN_WAREHOUSE"},
    "B,1,,,B-99": {"UNKNOWN_LOCATION"},
    ",1,,,": {"SKU_MISSING"},
    f"{'x' * 256},1,,,": {"SKU_TOO_LONG", "UNKNOWN_SKU"},
    "A,,,,": {"QUANTITY_MISSING"},
    'A,"1,000",,,A-01': {"QUANTITY_NOT_AN_INTEGER"},
    "B,-5,,,": {"QUANTITY_NEGATIVE"},
    "B,1000000001,,,A-01": {"QUANTITY_TOO_LARGE"},
    "C,1,delete,,": {"ACTION_NOT_SUPPORTED"},
    f"C,1,,{'r' * 256},A-01": {"REASON_TOO_LONG"},
    f"S1,1,,,{'l' * 256}": {"LOCATION_TOO_LONG", "UNKNOWN_LOCATION"},
    'S2,1,,"bell\a",': {"CONTROL_CHARACTER"},
    "S3,1,,caf\udce9,": {"ENCODING"},
    "S4,1,,,,surplus": {"TOO_MANY_FIELDS"},
    "S5,1,,,": {"DUPLICATE_ROW"},
    "S5,2,,,unassigned": {"DUPLICATE_ROW"},
    "NO\x00PE,x,drop,,B-99": {
        "UNKNOWN_SKU", "CONTROL_CHARACTER", "QUANTITY_NOT_AN_INTEGER", "ACTION_NOT_SUPPORTED", "UNKNOWN_LOCATION"},
    '"\\.",\\N,,,': {"UNKNOWN_SKU", "QUANTITY_NOT_AN_INTEGER"},
}  # fmt: skip


def test_every_kind_of_bad_row_is_told_with_all_its_errors_and_the_good_ones_go_through(desk: Desk) -> None:
    content = (HEADER + "D,4,,,\n" + "\n".join(BAD_ROWS) + "\nD,4,,,A-01\n").encode("utf-8", "surrogateescape")
    sync_id = desk.sync(content)
    items = desk.items(sync_id)
    last = len(BAD_ROWS) + 2
    assert {row: codes for row, (status, codes) in items.items() if status == "error"} == dict(
        enumerate(BAD_ROWS.values(), 2)
    )
    assert [row for row, (status, _) in items.items() if status == "success"] == [1, last]
    assert desk.counts(sync_id) == ("partial", last, 2, len(BAD_ROWS), 0)
    assert levels(desk.database) == {("w1", "D", "unassigned"): (4, 1), ("w1", "D", "b1"): (4, 1)}


def test_a_bad_row_keeps_what_was_written_in_it(desk: Desk) -> None:
    sync_id = desk.sync(HEADER + "NOPE,1e3,drop,spring count,B-99\n")
    row = desk.ask("SELECT sku, quantity, action, reason, location, errors FROM sync_items WHERE sync_id = %s", sync_id)
    assert row[0][:5] == ("NOPE", "1e3", "drop", "spring count", "B-99")
    assert {(e["code"], e["field"], e["value"]) for e in row[0][5]} == {
        ("UNKNOWN_SKU", "sku", "NOPE"),
        ("QUANTITY_NOT_AN_INTEGER", "quantity", "1e3"),
        ("ACTION_NOT_SUPPORTED", "action", "drop"),
        ("UNKNOWN_LOCATION", "location", "B-99"),
    }


@pytest.mark.parametrize("written", ["a-01", "b1"])
def test_a_location_in_other_letters_or_by_its_id_is_told_its_name(desk: Desk, written: str) -> None:
    sync_id = desk.sync(HEADER + f"A,1,,,{written}\n")
    [[[error]]] = desk.ask("SELECT errors FROM sync_items WHERE sync_id = %s", sync_id)
    assert (error["code"], error["suggestion"]) == ("UNKNOWN_LOCATION", "A-01")


def test_a_static_warehouse_has_no_bins(desk: Desk) -> None:
    sync_id = desk.sync(HEADER + "A,1,,,\nB,1,,,A-01\nW2ONLY,1,,,unassigned\n", warehouse_id="w2")
    assert desk.items(sync_id) == {1: ("success", set()), 2: ("error", {"LOCATION_NOT_ALLOWED"}), 3: ("success", set())}


def test_committed_stock_cannot_be_counted_away(desk: Desk) -> None:
    _commit(desk, available=3, committed=4)
    sync_id = desk.sync("sku,quantity\nA,2\nB,1\n")
    assert desk.items(sync_id) == {1: ("error", {"INSUFFICIENT_STOCK"}), 2: ("success", set())}
    assert levels(desk.database)["w1", "A", "unassigned"] == (7, 2)


def test_committed_stock_can_be_counted_away_where_a_warehouse_may_go_negative(desk: Desk) -> None:
    _commit(desk, available=3, committed=4)
    apply_commands([order("w", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=True)], desk.database)
    desk.sync("sku,quantity\nA,2\n")
    assert desk.ask("SELECT available, committed, version FROM levels WHERE sku = 'A'") == [(-2, 4, 3)]


def _commit(desk: Desk, *, available: int, committed: int) -> None:
    """SKU A has stock of which some is promised to an order; it is at version 2."""
    allocated = order(
        "y", "order.allocated", warehouse_id="w1", document="O-1", lines=[{"sku": "A", "quantity": committed}]
    )
    apply_commands([stock("x", "add", available + committed)], desk.database)
    apply_commands([allocated], desk.database)


# The job --------------------------------------------------------------------------------------------------------------


def test_a_sync_of_bad_rows_only_ends_in_error_and_says_how_many(desk: Desk) -> None:
    sync_id = desk.sync("sku,quantity\nA,x\nB,x\nC,x\n")
    assert desk.counts(sync_id) == ("error", 3, 0, 3, 0)
    assert desk.job(sync_id)["error"] == "error in 3 out of 3 rows"


def test_a_sync_of_good_rows_only_has_no_error(desk: Desk) -> None:
    job = desk.job(desk.sync("sku,quantity\nA,1\n"))
    assert (job["status"], job["error"], job["error_code"], job["warnings"]) == ("success", None, None, [])
    assert job["finished_at"] is not None


def test_a_header_without_rows_is_a_success_with_a_warning_and_clears_nothing(desk: Desk) -> None:
    apply_commands([stock("x", "add", 5)], desk.database)
    job = desk.job(desk.sync("sku,quantity\n\n,,\n"))
    assert (job["status"], job["total_count"], job["blank_count"]) == ("success", 0, 2)
    assert "nothing was changed" in job["warnings"][0]
    assert job["finished_at"] is not None
    assert levels(desk.database) == {("w1", "A", "unassigned"): (5, 1)}


def test_blank_rows_and_ignored_columns_are_told(desk: Desk) -> None:
    job = desk.job(desk.sync("sku;quantity;colour\nA;1;red\n;;\n\nB;2;\n"))
    assert (job["status"], job["total_count"], job["blank_count"]) == ("success", 2, 2)
    assert any("colour" in warning for warning in job["warnings"])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", ErrorCode.FILE_EMPTY),
        ("sku,amount\nA,1\n", ErrorCode.HEADER_COLUMN_MISSING),
        ("sku,quantity,qty\nA,1,1\n", ErrorCode.HEADER_COLUMN_TWICE),
        ("sku,quantity\nA,1\n".encode("utf-16-le"), ErrorCode.FILE_NOT_CSV),
    ],
)
def test_a_file_that_cannot_be_read_ends_the_job_before_any_row(
    desk: Desk, content: str | bytes, code: ErrorCode
) -> None:
    sync_id = desk.sync(content)
    job = desk.job(sync_id)
    assert (job["status"], job["error_code"]) == ("error", code)
    assert code.hint in job["error"]
    assert job["finished_at"] is not None
    assert desk.items(sync_id) == {}
    assert desk.work_files() == []


def test_an_unknown_warehouse_ends_the_job(desk: Desk) -> None:
    job = desk.job(desk.sync("sku,quantity\nA,1\n", warehouse_id="w9"))
    assert (job["status"], job["error_code"]) == ("error", "UNKNOWN_WAREHOUSE")
    assert "w9" in job["error"]


# Which files ----------------------------------------------------------------------------------------------------------


def refused(desk: Desk, url: str, **changes: object) -> str:
    job = desk.job(desk.request(url, **changes))
    assert job["status"] == "error"
    assert job["finished_at"] is not None
    return str(job["error_code"])


def test_a_file_that_is_not_there_ends_the_job(desk: Desk) -> None:
    assert refused(desk, f"s3://{desk.uploads}/acme/w1/gone.csv") == "FILE_NOT_FOUND"


def test_a_bucket_that_is_not_there_ends_the_job_and_is_named(desk: Desk) -> None:
    desk.uploads = "no-such-bucket"
    desk.sources = replace(desk.sources, uploads_bucket=desk.uploads)
    sync_id = desk.request("s3://no-such-bucket/acme/w1/stock.csv")
    assert desk.job(sync_id)["error_code"] == "FILE_NOT_FOUND"
    assert "bucket 'no-such-bucket'" in desk.job(sync_id)["error"]


def test_a_file_that_was_replaced_since_it_was_announced_is_refused(desk: Desk) -> None:
    url = desk.put("sku,quantity\nA,1\n")
    etag = desk.objects.head(desk.uploads, "acme/w1/stock.csv").etag
    desk.put("sku,quantity\nA,2\n")
    assert refused(desk, url, etag=etag) == "FILE_CHANGED"
    etag = desk.objects.head(desk.uploads, "acme/w1/stock.csv").etag
    desk.apply_all(desk.request(url, etag=etag))
    assert levels(desk.database) == {("w1", "A", "unassigned"): (2, 1)}


@pytest.mark.parametrize(
    "key", ["other/w1/stock.csv", "acme/../other/w1/stock.csv", "acme", "acmeother/w1/x.csv", "./acme/w1/x.csv"]
)
def test_what_is_not_below_the_accounts_own_name_cannot_be_read(desk: Desk, key: str) -> None:
    desk.put("sku,quantity\nA,666\n", "other/w1/stock.csv")
    assert refused(desk, f"s3://{desk.uploads}/{key}") == "URL_NOT_ALLOWED"


def test_another_bucket_can_be_read_only_where_the_operator_says_so(desk: Desk) -> None:
    desk.objects.put_bytes(desk.work, "anywhere/stock.csv", b"sku,quantity\nA,3\n")
    url = f"s3://{desk.work}/anywhere/stock.csv"
    assert refused(desk, url) == "URL_NOT_ALLOWED"
    desk.sources = replace(desk.sources, source_buckets=(desk.work,))
    desk.apply_all(desk.request(url))
    assert levels(desk.database) == {("w1", "A", "unassigned"): (3, 1)}


@pytest.mark.parametrize("url", ["ftp://example.com/x.csv", "file:///etc/passwd", "stock.csv", "https://", "s3://"])
def test_what_is_no_url_of_a_file_is_refused(desk: Desk, url: str) -> None:
    assert refused(desk, url) == "URL_NOT_ALLOWED"


def test_the_web_can_be_read_and_private_addresses_only_where_the_operator_says_so(desk: Desk) -> None:
    with web_file(b"sku,quantity\nA,3\n") as url:
        assert refused(desk, url) == "URL_NOT_ALLOWED"
        assert refused(desk, url.replace("http:", "https:")) == "URL_NOT_ALLOWED"
        desk.limit_web(allow_private=True)
        desk.apply_all(desk.request(url))
    assert levels(desk.database) == {("w1", "A", "unassigned"): (3, 1)}
    assert refused(desk, url) == "FILE_UNREACHABLE"


def test_a_file_above_the_limit_is_refused_wherever_it_lies(desk: Desk) -> None:
    content = b"sku,quantity\n" + b"A,1\n" * 100
    desk.limit_web(max_bytes=len(content) - 1, allow_private=True)
    assert refused(desk, desk.put(content)) == "FILE_TOO_LARGE"
    with web_file(content) as url:
        assert refused(desk, url) == "FILE_TOO_LARGE"
    desk.limit_web(max_bytes=len(content))
    assert desk.job(desk.request(desk.put(content)))["status"] == "processing"


@pytest.mark.parametrize(
    "content",
    ["sku,quantity\nTEA,5\n".encode("utf-16-le"), b'sku,quantity\nTEA,4\n"x\0"y,1\n', b"sku,quantity,b\0d\nTEA,3,x\n"],
)
def test_nul_bytes_never_leave_a_job_unfinished(desk: Desk, content: bytes) -> None:
    sync_id = desk.sync(content)
    assert desk.job(sync_id)["finished_at"] is not None
