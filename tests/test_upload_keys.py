"""What the key of an object in the uploads bucket says, and which objects are no uploads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.uploads.keys import Place, Refusal, account_of, is_own, place_of
from schemas.uploads import SkipReason

W1 = Place("acme", "w1", force=False)


@pytest.mark.parametrize(
    "name",
    ["a.csv", "a.CSV", "a.txt", "a.TSV", "a.csv.gz", "a.tsv.gz", "a.txt.gz", "a.gz", "a.csv.zip", "a.zip", "a.xlsx",
     "stock (1).csv", "2026-01-01 a.b.csv", "Bestände.csv", "a~b.csv", "a.tmp.csv"],
)  # fmt: skip
def test_the_usual_names_of_files_are_uploads(name: str) -> None:
    assert place_of(f"acme/w1/{name}") == W1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", SkipReason.FOLDER),
        ("sub/", SkipReason.FOLDER),
        ("sub_$folder$", SkipReason.FOLDER),
        ("._stock.csv", SkipReason.SYSTEM_FILE),
        (".DS_Store", SkipReason.SYSTEM_FILE),
        ("Thumbs.db", SkipReason.SYSTEM_FILE),
        ("desktop.ini", SkipReason.SYSTEM_FILE),
        ("__MACOSX/stock.csv", SkipReason.SYSTEM_FILE),
        (".stock.csv", SkipReason.HIDDEN),
        (".csv", SkipReason.HIDDEN),
        ("~$stock.csv", SkipReason.HIDDEN),
        ("~$stock.xlsx", SkipReason.HIDDEN),
        ("stock.csv.tmp", SkipReason.UNFINISHED),
        ("stock.csv.part", SkipReason.UNFINISHED),
        ("stock.csv.filepart", SkipReason.UNFINISHED),
        ("stock.csv.CRDOWNLOAD", SkipReason.UNFINISHED),
        ("stock", SkipReason.FILE_TYPE),
        ("stock.pdf", SkipReason.FILE_TYPE),
        ("stock.csv~", SkipReason.FILE_TYPE),
        ("archive/stock.csv", SkipReason.WRONG_FOLDER),
        ("force/more/stock.csv", SkipReason.WRONG_FOLDER),
        ("rejects/stock.csv", SkipReason.WRONG_FOLDER),
        ("a\nb.csv", SkipReason.WRONG_FOLDER),
    ],
)
def test_junk_is_no_upload_in_any_folder(name: str, reason: SkipReason) -> None:
    found = place_of(f"acme/w1/{name}")
    assert isinstance(found, Refusal)
    assert found.reason is reason
    if reason not in {SkipReason.WRONG_FOLDER}:
        forced = place_of(f"acme/w1/force/{name}")
        assert isinstance(forced, Refusal)
        assert forced.reason is reason


@pytest.mark.parametrize("key", ["stock.csv", "acme/stock.csv", "/w1/a.csv", "acme//a.csv", "a b/w1/a.csv",
                                 "acme/.hidden/a.csv", "acme/../a.csv", "acme/w1/x/y/a.csv"])  # fmt: skip
def test_a_key_that_does_not_say_whose_stock_it_is_is_told_the_right_layout(key: str) -> None:
    found = place_of(key)
    assert isinstance(found, Refusal)
    assert found.reason is SkipReason.WRONG_FOLDER
    assert "{account_id}/{warehouse_id}/{name}" in found.detail


def test_a_folder_forces_and_a_star_names_every_warehouse() -> None:
    assert place_of("acme/w1/force/a.csv") == Place("acme", "w1", force=True)
    assert place_of("acme/*/a.csv") == Place("acme", "*", force=False)
    assert place_of("acme/*/force/a.csv.gz") == Place("acme", "*", force=True)
    assert place_of("acme/force/a.csv") == Place("acme", "force", force=False)


@pytest.mark.parametrize("key", ["acme/w1/submitted/0b9d/stock.csv", "acme/w1/submitted/stock.csv", "rejects/0b9d.csv",
                                 "acme/w1/submitted/no upload at all", "rejects/w1/0b9d.csv"])  # fmt: skip
def test_files_of_onhand_itself_are_no_drops(key: str) -> None:
    assert is_own(key)


def test_the_account_is_told_where_the_key_names_one() -> None:
    assert [account_of(key) for key in ("acme/w1/a.pdf", "acme/x", "stock.csv", "a b/x", "/x", "")] == [
        "acme", "acme", None, None, None, None
    ]  # fmt: skip


@given(st.text(max_size=60))
def test_every_key_is_a_place_or_has_a_reason(key: str) -> None:
    found = place_of(key)
    if isinstance(found, Place):
        assert key.split("/")[:2] == [found.account_id, found.warehouse_id]
    else:
        assert found.detail
