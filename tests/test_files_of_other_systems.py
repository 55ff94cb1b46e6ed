"""Files as other systems write them, through the whole pipeline: titles, bare quotes, numbers, encodings."""

import gzip
from typing import Any
from uuid import UUID

import pytest

from schemas.errors import ErrorCode, RowError
from tests.support.desk import Desk

MANY = 100_000


def fates(desk: Desk, sync_id: UUID) -> list[str]:
    """Of each row its SKU and what was set, or its codes if it is in error."""
    rows = desk.ask(
        "SELECT i.sku, i.status, i.errors, l.on_hand FROM sync_items AS i LEFT JOIN levels AS l USING (level_id) "
        "WHERE i.sync_id = %s ORDER BY i.row",
        sync_id,
    )
    return [
        f"{sku} {on_hand}" if status == "success" else " ".join(sorted({e["code"] for e in errors or ()}))
        for sku, status, errors, on_hand in rows
    ]


def messages(desk: Desk, sync_id: UUID) -> list[str]:
    """What is told of each row in error."""
    rows = desk.ask("SELECT errors FROM sync_items WHERE sync_id = %s AND errors IS NOT NULL ORDER BY row", sync_id)
    return [" ".join(RowError.model_validate(error).message for error in errors) for (errors,) in rows]


def synced(desk: Desk, content: bytes, **request: Any) -> list[str]:
    return fates(desk, desk.sync(content, force=True, **request))


# Numbers --------------------------------------------------------------------------------------------------------------

GROUPED = b"Artikelnummer;Bestand\r\nA;999\r\nB;1.000\r\nC;1.250\r\nD;12.000\r\nS1;3\r\n"
GERMAN = {"Artikelnummer": "sku", "Bestand": "quantity"}


def test_of_a_column_that_does_not_show_it_numbers_with_two_readings_are_errors_that_tell_both(desk: Desk) -> None:
    sync_id = desk.sync(GROUPED, columns=GERMAN)
    assert fates(desk, sync_id) == [
        "A 999", "QUANTITY_AMBIGUOUS", "QUANTITY_NOT_AN_INTEGER", "QUANTITY_AMBIGUOUS", "S1 3",
    ]  # fmt: skip
    first, second, third = messages(desk, sync_id)
    assert "'1.000: 1 or 1000'" in first
    assert "--decimal ," in first
    assert "--decimal ," in second
    assert "'12.000: 12 or 12000'" in third


def test_whoever_says_the_decimal_mark_gets_the_number_that_was_meant(desk: Desk) -> None:
    assert synced(desk, GROUPED, columns=GERMAN, decimal=",") == ["A 999", "B 1000", "C 1250", "D 12000", "S1 3"]
    assert synced(desk, b'sku,quantity\nA,1.000\nB,"1,250"\n', decimal=".") == ["A 1", "B 1250"]


def test_an_accounts_decimal_mark_is_that_of_its_files(desk: Desk) -> None:
    with desk.database.transaction() as connection:
        connection.execute(
            "INSERT INTO accounts (account_id, name, upload_settings) VALUES ('acme', '', '{\"decimal\": \",\"}') "
            "ON CONFLICT (account_id) DO UPDATE SET upload_settings = excluded.upload_settings"
        )
    assert synced(desk, b"sku;quantity\nA;1.000\nB;5,0\n") == ["A 1000", "B 5"]


def test_a_column_whose_numbers_have_decimals_is_read_so(desk: Desk) -> None:
    content = b"sku,quantity\nA,999.000\nB,1.000\nC,12.000\nD,0.000\n"
    assert synced(desk, content) == ["A 999", "B 1", "C 12", "D 0"]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (b"A,1.000", b"B,0.000", ["A 1", "B 0"]),
        (b"A,1", b"B,1.000", ["A 1", "QUANTITY_AMBIGUOUS"]),
        (b"A,1.000", b"B,1.000.000", ["QUANTITY_AMBIGUOUS", "QUANTITY_NOT_AN_INTEGER"]),
    ],
    ids=["the deciding number at the end", "the only doubtful one at the end", "another kind at the end"],
)
def test_the_last_of_100_000_rows_decides_about_the_first_one(
    desk: Desk, first: bytes, last: bytes, expected: list[str]
) -> None:
    content = b"sku,quantity\n" + first + b"\n" + b"".join(b"X%d,1\n" % n for n in range(MANY)) + last + b"\n"
    found = synced(desk, content)
    assert [found[0], found[-1]] == expected
    assert set(found[1:-1]) == {"UNKNOWN_SKU"}


def test_only_the_ranges_that_a_verdict_is_about_are_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.syncs.plan.range_bytes", lambda _: 100)
    monkeypatch.setattr("pipeline.syncs.plan._SAMPLE", 100)
    content = b"sku,quantity\nA,1.000\n" + b"".join(b"S%d,1\n" % n for n in range(60)) + b"B,0.000\n"
    sync_id = desk.request(desk.put(content))
    assert desk.job(sync_id)["range_count"] > 2
    assert (desk.ranges(sync_id), desk.job(sync_id)["status"]) == ([0], "planning")
    desk.run(sync_id)
    found = fates(desk, sync_id)
    assert (found[0], found[-1], len(found)) == ("A 1", "B 0", 62)


SPLIT = b"sku,quantity,note\nA,1,250\nB,12,000\nC,7,\n"


def test_a_note_that_looks_like_the_rest_of_a_number_throughout_makes_the_quantity_doubtful(desk: Desk) -> None:
    sync_id = desk.sync(SPLIT)
    assert fates(desk, sync_id) == ["QUANTITY_AMBIGUOUS", "QUANTITY_AMBIGUOUS", "C 7"]
    assert "'1,250: 1, with 250 in the next column, or 1250'" in messages(desk, sync_id)[0]


@pytest.mark.parametrize(
    "other",
    [b"D,5,left\n", b"D,5,25\n", b"D,1234,\n", b"D,0,250\n", b'D,5,"250"\n'],
    ids=["a note of words", "a shorter number", "a quantity that is not split", "zero", "a note in quotes"],
)
@pytest.mark.parametrize("between", [0, MANY], ids=["small", "behind 100,000 rows"])
def test_one_row_that_is_not_split_shows_that_none_is(desk: Desk, other: bytes, between: int) -> None:
    content = SPLIT + b"".join(b"X%d,1,\n" % n for n in range(between)) + other
    found = synced(desk, content)
    assert found[:3] == ["A 1", "B 12", "C 7"]
    assert found[-1].startswith("D ")


def test_whoever_says_what_the_column_behind_is_is_believed(desk: Desk) -> None:
    assert synced(desk, SPLIT, columns={"Note": "note"}) == ["A 1", "B 12", "C 7"]


def test_ignored_columns_are_looked_at_and_bins_and_other_separators_are_not(desk: Desk) -> None:
    assert synced(desk, b"sku,quantity,price\nA,1,250\n") == ["QUANTITY_AMBIGUOUS"]
    assert synced(desk, b"sku,quantity,location\nA,1,101\n") == ["UNKNOWN_LOCATION"]
    assert synced(desk, b"sku;quantity;note\nA;1;250\n") == ["A 1"]


# Headers --------------------------------------------------------------------------------------------------------------


def test_title_lines_above_the_header_are_left_out_and_told_and_sums_below_are_errors(desk: Desk) -> None:
    content = b"Stock report,,,\nWarehouse: Main,,,\nPrinted 31/01/2026,,,\n,,,\nSKU,Description,Bin,On hand\n"
    sync_id = desk.sync(content + b'A,Green tea,,30\nB,Black tea,,12\n,,,\nTotal,,,42\n,,Total:,42\n"page 1, of 1"\n')
    assert fates(desk, sync_id) == ["A 30", "B 12", "UNKNOWN_SKU", "SKU_MISSING UNKNOWN_LOCATION", "TOO_FEW_FIELDS"]
    assert [line for (line,) in desk.ask("SELECT line FROM sync_items ORDER BY row")] == [6, 7, 9, 10, 11]
    assert [w for w in desk.job(sync_id)["warnings"] if "line 5" in w and "Stock report" in w]


def test_files_that_were_joined_lose_the_headers_in_the_middle_only(desk: Desk) -> None:
    mark = b"\xef\xbb\xbf"
    content = (
        mark
        + b"sku,quantity\nA,5\nB,6"
        + mark
        + b"sku,quantity\nC,7\n"
        + mark
        + b"sku,quantity\nD,8\nsku,quantity\nS1,9\n"
    )
    sync_id = desk.sync(content)
    glued, *headers = messages(desk, sync_id)
    assert fates(desk, sync_id) == [
        "A 5", "QUANTITY_NOT_AN_INTEGER TOO_MANY_FIELDS", "C 7", "HEADER_REPEATED", "D 8", "HEADER_REPEATED", "S1 9",
    ]  # fmt: skip
    assert r"'6\ufeffsku'" in glued
    assert all("joined" in told for told in headers)


def test_rows_that_stand_in_quotes_as_a_whole_are_told_of_their_quotes(desk: Desk) -> None:
    content = b'sku,quantity,location,note\n"A,120,A-01,""aisle 3, left"""\n"B,6,,"\nC,5,,\n'
    sync_id = desk.sync(content)
    assert fates(desk, sync_id) == ["ROW_IN_QUOTES", "ROW_IN_QUOTES", "C 5"]
    assert "quotes" in messages(desk, sync_id)[0]


def test_a_header_of_16_384_columns_is_read(desk: Desk) -> None:
    empty = b"," * 16_381
    assert synced(desk, b"sku,quantity" + empty + b"\nA,5" + empty + b"\nB,6\n") == ["A 5", "B 6"]


# Quotes ---------------------------------------------------------------------------------------------------------------

LISTINGS = (
    b"item-name\tsku\tprice\tquantity\tid\r\n"
    b"Green tea, loose\tA\t4.50\t30\tB1\r\n"
    b'"Best Friends" mug\tB\t9.00\t14\tB2\r\n'
    b'"Retro radio\tC\t39.00\t2\tB4\r\n'
    b'Monitor stand 24"\tD\t29.00\t5\tB3\r\n'
    b'Caf\xe9 cup 5" "XL"\tS1\t6.00\t9\tB5\r\n'
    b"Black tea\tS2\t4.50\t\tB6\r\n"
)


@pytest.mark.parametrize("before", [0, MANY], ids=["small", "behind 100,000 rows"])
def test_a_report_with_tabs_that_does_not_quote_loses_no_row_to_a_quote(desk: Desk, before: int) -> None:
    header, rows = LISTINGS.split(b"\r\n", 1)
    clean = b"".join(b"Tea\tX%d\t4.50\t1\tB\r\n" % n for n in range(before))
    sync_id = desk.sync(header + b"\r\n" + clean + rows)
    assert fates(desk, sync_id)[before:] == ["A 30", "B 14", "C 2", "D 5", "S1 9", "QUANTITY_MISSING"]
    rejects = desk.objects.download(desk.uploads, f"rejects/acme/{sync_id}.csv")
    assert rejects.splitlines()[-1].startswith(b"Black tea\tS2\t4.50\t\tB6\tQUANTITY_MISSING")


@pytest.mark.parametrize("between", [0, MANY], ids=["small", "behind 100,000 rows"])
def test_a_report_with_tabs_that_quotes_anywhere_is_read_with_quotes(desk: Desk, between: int) -> None:
    clean = b"".join(b"Tea\tX%d\t1\n" % n for n in range(between))
    content = (
        b'name\tsku\tquantity\n"Best" mug\tA\t1\n"Radio\tB\t2\n' + clean + b'"24"" stand"\tC\t3\n"two\nlines"\tD\t4\n'
    )
    found = synced(desk, content)
    assert found[:2] == ["A 1", "QUOTE_NOT_CLOSED"]
    assert found[-2:] == ["C 3", "D 4"]


def test_a_wrong_quote_in_an_ignored_column_costs_nothing_where_all_else_is_certain(desk: Desk) -> None:
    content = (
        b"title,sku,quantity,colour\n"
        b'"Best" mug,A,1,red\n'  # the quotes are a pair within the title
        b'"Best, friends" mug,B,2\n'  # a comma may be within the quotes
        b'"Open,C,3,red\n'
        b'tea,D,4,"red\n'  # all that is needed stands before it
    )
    sync_id = desk.sync(content)
    assert fates(desk, sync_id) == ["A 1", "QUOTE_MISPLACED", "QUOTE_NOT_CLOSED", "D 4"]
    assert [w for w in desk.job(sync_id)["warnings"] if "2 rows have a quote" in w]


def test_what_databases_write_for_null_and_for_quotes_costs_its_own_row(desk: Desk) -> None:
    names = b'"sku","quantity","location","note"\n'
    cloud = names + b'"A","5","N,"N\n"B","6","A-01","N\n"C","N,"A-01","fine"\n"D","9","","fine"\n'
    assert synced(desk, cloud) == ["QUOTE_MISPLACED", "QUOTE_NOT_CLOSED", "QUOTE_MISPLACED", "D 9"]
    dashes = b"sku   ,quantity\r\n------,--------\r\nA     ,       5\r\n\r\n(1 rows affected)\r\n"
    assert synced(desk, dashes) == ["QUANTITY_NOT_AN_INTEGER UNKNOWN_SKU", "A 5", "TOO_FEW_FIELDS"]


# Encodings ------------------------------------------------------------------------------------------------------------


def test_bytes_in_another_encoding_in_an_ignored_column_or_its_name_cost_nothing(desk: Desk) -> None:
    assert synced(desk, b"sku;quantity;Bezeichnung\r\nA;5;Gr\xfcner Tee\r\n") == ["A 5"]
    assert synced(desk, b"sku;quantity;Gr\xf6\xdfe\r\nA;6;S\r\n") == ["A 6"]


def test_a_name_that_is_needed_and_cannot_be_decoded_is_told_with_the_encoding_to_copy(desk: Desk) -> None:
    job = desk.job(desk.sync(b"sku;St\xfcckzahl\nA;6\n", columns={"St\u00fcckzahl": "quantity"}))
    assert job["error_code"] == "FILE_NOT_CSV"
    for word in ("0xFC", "St\u00fcckzahl", "--encoding cp1252", "upload_encoding"):
        assert word in job["error"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_is_valid_utf8_is_read_so_whatever_was_declared(desk: Desk, pack: Any) -> None:
    rows = b"".join(b"X%d,1,\n" % n for n in range(MANY)) + "A,5,Gr\u00fc\u00dfe\n".encode()
    sync_id = desk.sync(pack(b"sku,quantity,note\n" + rows), encoding="cp1252")
    assert desk.ask("SELECT note FROM sync_items WHERE sku = 'A'") == [("Gr\u00fc\u00dfe",)]
    assert [w for w in desk.job(sync_id)["warnings"] if "UTF-8" in w and "cp1252" in w]


def test_a_byte_order_mark_of_utf8_is_believed_and_told(desk: Desk) -> None:
    sync_id = desk.sync(b"\xef\xbb\xbfsku,quantity,note\nA,5,\xc3\xbc\nB,6,\xfc\n", encoding="cp1252")
    assert fates(desk, sync_id) == ["A 5", "ENCODING"]
    assert [w for w in desk.job(sync_id)["warnings"] if "byte order mark" in w]


@pytest.mark.parametrize("encoding", ["shift_jis", "cp932"])
def test_what_is_called_shift_jis_is_read_as_windows_writes_it(desk: Desk, encoding: str) -> None:
    notes = ("\u68da\u2460\u9ad9\u8868\u30dd", "\u8868", "\u30dd\u30b9\u30c8")
    text = "".join(f"{sku},{n},{note}\r\n" for n, (sku, note) in enumerate(zip("ABC", notes, strict=True)))
    assert synced(desk, ("sku,quantity,note\r\n" + text).encode("cp932"), encoding=encoding) == ["A 0", "B 1", "C 2"]
    assert {note for (note,) in desk.ask("SELECT note FROM sync_items")} == set(notes)


def test_an_error_of_an_encoding_names_the_one_that_is_probably_meant(desk: Desk) -> None:
    content = b"sku,quantity,note\nA,5,Gr\xfc\xdfe\n" + "B,6,\u30dd\u30b9\u30c8\nC,7,".encode("cp932")
    content += "\u0441\u043a\u043b\u0430\u0434".encode("cp1251") + b"\n"
    told = messages(desk, desk.sync(content))
    assert [name in text for name, text in zip(("cp1252", "cp932", "cp1251"), told, strict=True)] == [True] * 3
    assert ErrorCode.ENCODING.hint in told[0]
