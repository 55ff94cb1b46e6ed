"""Links: what people paste, what servers answer, and what must never be shown of a URL."""

import gzip
import io
import json
import logging
import zipfile
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import sync_views
from pipeline.errors import Invalid
from pipeline.uploads.share_links import page_instead, text_instead
from schemas.errors import ErrorCode
from schemas.identifiers import AccountId
from schemas.jobs import RequestSync, SyncStatus, shown_url
from tests.support.cli import json_lines, onhand, sent
from tests.support.desk import Desk
from tests.support.giving import messages
from tests.support.sync_requests import approve, confirm
from tests.support.web import Answer, web_answers

CSV = b"sku,quantity\nTEA,5\nTEA-02,6\nCUP-10,120000\n"
CUT = CSV[:-5]
QUERY = "sig=c2VjcmV0&token=abc"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Stock &amp;\n list</title></head><body>sku, quantity</body></html>\n"
EXPIRED = b"This link is no longer valid. Ask the owner for a new one.\n"


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("stock.csv", content)
    return file.getvalue()


@pytest.fixture
def web(desk: Desk) -> Desk:
    desk.limit_web(allow_private=True)
    return desk


def fetched(desk: Desk, answer: Answer, **options: Any) -> dict[str, Any]:
    """The job of a sync of what a server answers."""
    with web_answers({"/stock.csv": answer}) as address:
        sync_id = desk.request(f"{address}/stock.csv?{QUERY}", **options)
        desk.run(sync_id)
    return desk.job(sync_id)


# Pages and texts ------------------------------------------------------------------------------------------------------


def test_a_page_is_called_one_with_its_title_and_the_way_to_the_file(web: Desk) -> None:
    job = fetched(web, Answer(PAGE, {"Content-Type": "text/html; charset=utf-8"}))
    assert (job["status"], job["error_code"]) == ("error", "FILE_NOT_CSV")
    assert "an HTML page with the title 'Stock & list' at 127.0.0.1" in job["error"]
    assert "use the link that downloads it" in job["error"]


def test_a_short_text_is_shown_as_it_is(web: Desk) -> None:
    job = fetched(web, Answer(EXPIRED, {"Content-Type": "text/plain"}))
    assert job["error_code"] == "FILE_NOT_CSV"
    assert '127.0.0.1 answers with a text: "This link is no longer valid. Ask the owner for a new one."' in job["error"]


@pytest.mark.parametrize(
    "body", [b'{"error": "This link has expired"}', b"<?xml version='1.0'?><Error>expired</Error>"]
)
def test_a_short_answer_of_a_program_is_shown_as_it_is(web: Desk, body: bytes) -> None:
    job = fetched(web, Answer(body))
    assert job["error_code"] == "FILE_NOT_CSV"
    assert "expired" in job["error"]


def test_a_file_whose_header_lacks_a_column_is_no_text(web: Desk) -> None:
    for content in (b"Artikel,Menge\nTEA,1\n", b"Artikel;Menge im Lager;Ort hier\nTEA;1;A\n",
                    b"item number, stock count, bin name\nTEA, 5, A\n"):  # fmt: skip
        assert fetched(web, Answer(content))["error_code"] == "HEADER_COLUMN_MISSING"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("docs.google.com", "/export?format=csv"),
        ("drive.google.com", "uc?export=download"),
        ("www.dropbox.com", "dl=1"),
        ("1drv.ms", "download=1"),
        ("onedrive.live.com", "download=1"),
        ("acme-my.sharepoint.com", "download=1"),
        ("we.tl", "WeTransfer has no link"),
        ("wetransfer.com", "WeTransfer has no link"),
        ("app.box.com", "Direct Link"),
        ("notbox.com", "use the link that downloads it"),
        ("files.example", "use the link that downloads it"),
    ],
)
def test_each_share_service_has_its_way_to_the_file(host: str, told: str) -> None:
    fault = Invalid(ErrorCode.FILE_NOT_CSV, "found an HTML page with the title 'x; expected'; expected CSV")
    named = page_instead(fault, f"https://{host}/share/1?{QUERY}", PAGE, len(PAGE))
    assert told in str(named)
    assert f"at {host}" in str(named)
    assert QUERY not in str(named)
    long = Invalid(ErrorCode.FILE_NOT_CSV, f"found an HTML page with the title '{'x' * 80}'; expected CSV")
    assert told in str(page_instead(long, f"https://{host}/", PAGE, len(PAGE)))  # not cut off


def test_other_faults_and_long_answers_stay_as_they_are() -> None:
    other = Invalid(ErrorCode.FILE_NOT_CSV, "found a PDF document; expected CSV")
    assert page_instead(other, "https://a.example/", b"%PDF-1.7", 10) is other
    header = Invalid(ErrorCode.HEADER_COLUMN_MISSING, "missing sku")
    assert text_instead(header, "https://a.example/", EXPIRED, 10**6) is header
    assert text_instead(other, "https://a.example/", EXPIRED, 10) is other


# Packing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", "identity", "gzip", "br", "zstd", "deflate", "utf-8", "aws-chunked"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped], ids=["plain", "gzip", "zip"])
def test_the_bytes_say_how_a_file_is_packed_whatever_the_server_says(web: Desk, said: str, pack: Any) -> None:
    job = fetched(web, Answer(pack(b"sku,quantity\nS1,7\n"), {"Content-Encoding": said} if said else {}), force=True)
    assert (job["status"], job["success_count"]) == ("success", 1), job["error"]


@pytest.mark.parametrize("pack", [gzip.compress, zipped], ids=["gzip", "zip"])
def test_a_packed_file_that_the_server_has_packed_once_more_is_unpacked_twice(web: Desk, pack: Any) -> None:
    body = gzip.compress(pack(b"sku,quantity\nS1,7\n"))
    job = fetched(web, Answer(body, {"Content-Encoding": "gzip"}))
    assert (job["status"], job["success_count"]) == ("success", 1), job["error"]


def test_what_cannot_be_unpacked_is_unreachable_and_says_how_the_server_packs(web: Desk) -> None:
    job = fetched(web, Answer(bytes(range(1, 256)) * 4, {"Content-Encoding": "br"}))
    assert job["error_code"] == "FILE_UNREACHABLE"
    assert "127.0.0.1 sends it packed as 'br'" in job["error"]


# Charset --------------------------------------------------------------------------------------------------------------


def note_of(desk: Desk, job: dict[str, Any]) -> str:
    [(note,)] = desk.ask("SELECT note FROM sync_items WHERE sync_id = %s AND row = 1", job["sync_id"])
    return str(note)


NOTED = "sku,quantity,note\nS1,5,Größe\n"


def test_the_charset_that_a_server_names_is_that_of_the_file_and_a_warning_says_so(web: Desk) -> None:
    job = fetched(web, Answer(NOTED.encode("cp1252"), {"Content-Type": "text/csv; charset=windows-1252"}))
    assert (job["status"], note_of(web, job)) == ("success", "Größe")
    assert any("cp1252" in warning and "server" in warning for warning in job["warnings"])


def test_the_encoding_that_a_request_names_wins(web: Desk) -> None:
    answer = Answer(NOTED.encode("cp850"), {"Content-Type": "text/csv; charset=iso-8859-1"})
    job = fetched(web, answer, encoding="cp850")
    assert (job["status"], note_of(web, job)) == ("success", "Größe")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "shift_jis", "no-such-charset", '"'])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped], ids=["plain", "gzip", "zip"])
def test_text_that_is_utf_8_is_read_as_that_whatever_the_server_says(web: Desk, charset: str, pack: Any) -> None:
    job = fetched(web, Answer(pack(NOTED.encode()), {"Content-Type": f"text/csv; charset={charset}"}))
    assert (job["status"], note_of(web, job)) == ("success", "Größe")


def test_text_that_is_utf_8_only_at_its_start_is_read_as_the_server_says(web: Desk) -> None:
    ascii_only = "".join(f"S{number % 60},1,\n" for number in range(20_000))
    content = f"sku,quantity,note\n{ascii_only}S1,5,Größe\n"
    for encoding, charset in (("utf-8", "iso-8859-1"), ("cp1252", "windows-1252")):
        answer = Answer(content.encode(encoding), {"Content-Type": f"text/csv; charset={charset}"})
        job = fetched(web, answer, duplicates="last", force=True)
        assert web.ask("SELECT note FROM sync_items WHERE sync_id = %s AND row = 20001", job["sync_id"]) == [("Größe",)]


@pytest.mark.parametrize("charset", ["iso-2022-jp", "utf-16-le", "cp037"])
def test_an_encoding_whose_bytes_look_like_utf_8_is_believed(web: Desk, charset: str) -> None:
    job = fetched(
        web, Answer(NOTED.replace("Größe", "tall").encode(charset), {"Content-Type": f"text/csv; charset={charset}"})
    )
    assert (job["status"], note_of(web, job)) == ("success", "tall")


# Cut off --------------------------------------------------------------------------------------------------------------


def test_a_download_that_may_have_been_cut_off_is_held_until_a_person_has_looked(web: Desk) -> None:
    job = fetched(web, Answer(CUT, length=False))
    assert (job["status"], job["success_count"]) == ("held", 0)
    assert job["held_reason"].startswith("INCOMPLETE_DOWNLOAD: ")
    assert "'CUP-10,12'" in job["held_reason"]
    approve(web, job["sync_id"])
    web.apply_all(job["sync_id"])
    assert web.job(job["sync_id"])["total_count"] == 3


def test_behind_many_good_rows_it_is_held_too(web: Desk) -> None:
    rows = b"".join(b"S%d,1\n" % number for number in range(60)) * 500
    job = fetched(web, Answer(b"sku,quantity\n" + rows + b"S1,12", length=False), duplicates="last")
    assert (job["status"], "'S1,12'" in job["held_reason"]) == ("held", True)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(CSV, length=False),  # its last row has a line end
        Answer(CSV.replace(b"\n", b"\r"), length=False),
        Answer(CSV[:-1]),  # the server named the length
        Answer(chunks=(CSV[:7], CSV[7:-1])),  # the last chunk was seen
        Answer(gzip.compress(CSV[:-1]), length=False),  # gzip knows its end
        Answer(zipped(CSV[:-1]), length=False),
    ],
    ids=["line end", "old line end", "length", "chunks", "gzip", "zip"],
)
def test_a_download_whose_end_is_known_is_applied(web: Desk, answer: Answer) -> None:
    job = fetched(web, answer)
    assert (job["status"] in {"success", "partial", "error"}, job["total_count"]) == (True, 3), job["error"]
    assert job["held_reason"] is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(chunks=(CSV[:7], CUT[7:], None)), "FILE_UNREACHABLE"),
        (Answer(CUT, {"Content-Length": str(len(CSV))}, length=False), "FILE_UNREACHABLE"),
        (Answer(gzip.compress(CSV)[:-9], length=False), "FILE_NOT_UNPACKED"),
        (Answer(zipped(CSV)[:-9], length=False), "FILE_NOT_UNPACKED"),
    ],
    ids=["chunks", "length", "gzip", "zip"],
)
def test_a_download_that_was_surely_cut_off_is_an_error(web: Desk, answer: Answer, code: str) -> None:
    job = fetched(web, answer)
    assert (job["status"], job["error_code"]) == ("error", code)


def test_a_dry_run_of_such_a_download_says_it_and_who_confirms_it_has_looked(web: Desk) -> None:
    with web_answers({"/stock.csv": Answer(b"sku,quantity\nS1,12", length=False)}) as address:
        dry = web.request(f"{address}/stock.csv?{QUERY}", dry_run=True)
        web.run(dry)
        assert any("INCOMPLETE_DOWNLOAD" in warning for warning in web.job(dry)["warnings"])
        applied = confirm(web, dry)
    assert web.counts(applied) == ("success", 1, 1, 0, 0)


def test_a_file_of_the_bucket_needs_no_line_end(desk: Desk) -> None:
    assert desk.counts(desk.sync("sku,quantity\nS1,12")) == ("success", 1, 1, 0, 0)


# What is shown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b/c.csv?sig=1&x=2", "https://a.example/b/c.csv"),
        ("https://a.example/b/c.csv#part", "https://a.example/b/c.csv"),
        ("https:/u:p@a.example/b?x", "a.example/b"),
        ("https://user:pass@a.example/b?x", "https://a.example/b"),
        ("https://user:p@ss@a.example:8443/b", "https://a.example:8443/b"),
        ("https://a.example?sig=1", "https://a.example"),
        ("https://a.example/@home/b", "https://a.example/@home/b"),
        ("HTTPS://u:p@a.example/b?x", "HTTPS://a.example/b"),
        ("https:\\\\u:p@a.example/b?x", "https://a.example/b"),
        ("stock.csv?sig=1", "stock.csv"),
        ("s3://uploads/acme/w1/a?b#c@d.csv", "s3://uploads/acme/w1/a?b#c@d.csv"),
        ("onhand:revert:0b9d", "onhand:revert:0b9d"),
    ],
)
def test_a_url_is_shown_without_what_may_be_a_credential(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@given(path=st.text("abc/.-%", max_size=20), secret=st.text("xyz=&:/?#@", min_size=1, max_size=20))
def test_nothing_behind_a_question_mark_and_no_user_is_ever_shown(path: str, secret: str) -> None:
    for url in (f"https://a.example/{path}?{secret}", f"https://a.example/{path}#{secret}"):
        assert shown_url(url) == f"https://a.example/{path}"
    user = secret.translate(str.maketrans("/?#", "___"))
    assert shown_url(f"https://{user}@a.example/{path}") == f"https://a.example/{path}"


def test_a_link_may_have_8192_characters() -> None:
    def order(url: str) -> RequestSync:
        return RequestSync.model_validate(
            {"account_id": "acme", "sync_id": UUID(int=1), "warehouse_id": "w1", "url": url}
        )

    longest = "https://a.example/?" + "x" * (8192 - 19)
    assert order(longest).url == longest
    with pytest.raises(ValueError, match="at most 8192 characters"):
        order(longest + "x")


@pytest.mark.parametrize("fails", [False, True])
def test_the_query_of_a_link_is_fetched_and_shown_nowhere(
    web: Desk, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Answer(EXPIRED, status=403) if fails else Answer(b"sku,quantity\nS1,7\n")
    with caplog.at_level(logging.DEBUG):
        job = fetched(web, answer)
    assert job["status"] == ("error" if fails else "success")
    assert job["url"].endswith(QUERY)  # for the worker that fetches it
    published = [message["data"] for message in messages(web.database, "sync-status")]
    assert {SyncStatus.model_validate(data).url for data in published} == {job["url"].removesuffix(f"?{QUERY}")}
    [listed] = json_lines(onhand("sync", "list", "--account", "acme", "--json"))
    show = onhand("sync", "show", str(job["sync_id"]), "--account", "acme", "--json")
    [seen] = [json.loads(show.stdout)]
    assert listed["url"] == seen["url"] == shown_url(job["url"])
    viewed = sync_views.sync_job(web.database, AccountId("acme"), job["sync_id"])
    for text in (json.dumps(published), caplog.text, show.output, str(viewed), str(listed)):
        assert "c2VjcmV0" not in text


@pytest.mark.parametrize("url", [f"https://user:c2VjcmV0@93.184.215.14/a?{QUERY}", f"https://a.example:port/a?{QUERY}",
                                 f"ftp://user:c2VjcmV0@a.example/a?{QUERY}", f"a.csv?{QUERY}"])  # fmt: skip
def test_a_url_that_is_not_allowed_is_told_without_its_credentials(desk: Desk, url: str) -> None:
    job = desk.job(desk.request(url))
    assert job["error_code"] == "URL_NOT_ALLOWED"
    assert "c2VjcmV0" not in job["error"]


def test_the_tail_of_requests_shows_no_query(desk: Desk) -> None:
    assert onhand("topics", "apply").exit_code == 0
    url = f"https://a.example/stock.csv?{QUERY}"
    submit = onhand("sync", "submit", url, "--account", "acme", "--warehouse", "w1", "--json")
    [event] = sent("syncs", 1)
    assert json.loads(submit.stdout)["url"] == event["data"]["url"] == "https://a.example/stock.csv"
