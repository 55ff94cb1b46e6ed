"""The header line of an upload: which spellings are understood, and what is said about the ones that are not."""

import dataclasses
import json

import pytest

from pipeline.errors import Invalid
from pipeline.uploads.header import HEADER_BYTES, Header, read_header
from schemas.errors import ErrorCode


def refusal(start: bytes) -> Invalid:
    with pytest.raises(Invalid) as refused:
        read_header(start)
    return refused.value


@pytest.mark.parametrize(
    "line",
    [
        b"sku,quantity\n",
        b"#sku,quantity\n",
        b"# SKU , Quantity\n",
        b"\xef\xbb\xbfsku,quantity\n",
        b"\xef\xbb\xbf#SKU,QUANTITY\r\n",
        "\u00a0sku\u00a0,\u00a0quantity\u00a0\n".encode(),
        b'"sku","quantity"\n',
        b"\tsku , quantity \r\n",
        b"sku,qty\n",
        b"Product SKU,On Hand\n",
        b"product_sku,on_hand\n",
        "product\u00a0sku,on  hand\n".encode(),
        b"sku,quantity",
        b"sku,quantity\r",
        b'"Product\nSKU",quantity\n',
        b"\r\n , ,\n\nsku,quantity\n",
        b"\xef\xbb\xbf\n;;\r\xc2\xa0\r\nsku,quantity\r\n",
    ],
)
def test_the_ways_in_which_people_write_sku_and_quantity_are_one(line: bytes) -> None:
    header = read_header(line)
    assert header.columns == ("sku", "quantity")
    assert header.size == len(line)
    assert header.warnings == ()


@pytest.mark.parametrize("name", ["location", "Location Name", "location_name", "bin", "BIN "])
def test_a_location_has_several_names(name: str) -> None:
    assert read_header(f"quantity,{name},sku\n".encode()).columns == ("quantity", "location", "sku")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header_and_an_unusual_one_is_told(delimiter: str) -> None:
    header = read_header(delimiter.join(("sku", "quantity", "reason")).encode() + b"\nA;1,2|3")
    assert (header.columns, header.delimiter) == (("sku", "quantity", "reason"), delimiter)
    assert bool(header.warnings) == (delimiter != ",")


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        (b"\xef\xbb\xbfsku,quantity\r\n", 1),
        (b"sku,quantity\r", 1),
        (b"\n\r\n\r,,\nsku,quantity\n", 5),
        (b'sku,"quantity","two\r\nlines\r"\n', 3),
    ],
)
def test_size_and_lines_say_where_the_first_record_begins(header: bytes, lines: int) -> None:
    found = read_header(header + b"A,1\r\n")
    assert (found.size, found.lines) == (len(header), lines)


def test_names_are_kept_as_they_stand_in_the_file() -> None:
    header = read_header('x"y;#SKU ;"Qty";"Größe ""EU"""\n'.encode())
    assert header.names == ('x"y', "#SKU ", "Qty", 'Größe "EU"')
    assert header.columns == (None, "sku", "quantity", None)


def test_a_delimiter_within_quotes_does_not_count() -> None:
    header = read_header(b'sku;quantity;"a, b, c, d";note\n')
    assert header.delimiter == ";"


def test_all_columns_have_names_of_their_own() -> None:
    names = "customer account id,To Location,lot number,comment,expected_quantity,expected version,sku,on hand"
    assert read_header(names.encode()).columns == (
        "customer_account_id", "to_location", "lot", "note", "expected_quantity", "expected_version", "sku", "quantity",
    )  # fmt: skip


def test_own_names_are_compared_like_others_and_win() -> None:
    own = {"Artikel Nr": "sku", "bin": "note", "Available": "quantity"}
    header = read_header(b"#ARTIKEL_NR,available,on_hand,bin,quantity\n", own)
    assert header.columns == ("sku", "quantity", None, "note", None)
    assert header.warnings == ("ignored columns: on_hand, quantity",)


def test_two_own_names_of_one_column_are_twice() -> None:
    with pytest.raises(Invalid) as refused:
        read_header(b"art,item,quantity\n", {"art": "sku", "item": "sku"})
    assert refused.value.code is ErrorCode.HEADER_COLUMN_TWICE


def test_a_mended_file_of_rejects_is_known_by_its_two_columns_which_are_no_reason_to_warn() -> None:
    header = read_header(b"sku,quantity,'=x,error_codes,error_messages\n")
    assert header.from_rejects
    assert header.columns == ("sku", "quantity", None, None, None)
    assert header.warnings == ("ignored columns: '=x",)
    assert read_header(b"sku,quantity,error_codes\n").warnings == ("ignored columns: error_codes",)


def test_a_header_survives_the_round_trip_through_json() -> None:
    header = read_header(b"sku;quantity;colour;error_codes;error_messages\n")
    assert Header.from_json(json.loads(json.dumps(dataclasses.asdict(header)))) == header


def test_columns_that_are_not_known_are_ignored_with_a_warning_that_names_them() -> None:
    header = read_header(b"sku,colour,quantity,\n")
    assert header.columns == ("sku", None, "quantity", None)
    [warning] = header.warnings
    assert "colour" in warning
    assert "(no name)" in warning


@pytest.mark.parametrize("start", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\r\n\t", b",,,\n;\n"])
def test_a_file_without_any_text_is_empty(start: bytes) -> None:
    assert refusal(start).code is ErrorCode.FILE_EMPTY


@pytest.mark.parametrize(
    ("start", "missing"),
    [(b"sku\nA\n", "quantity"), (b"quantity,bin\n1,b\n", "sku"), (b"A,5\nB,6\n", "sku, quantity")],
)
def test_a_missing_column_is_named_together_with_what_was_found(start: bytes, missing: str) -> None:
    error = refusal(start)
    assert error.code is ErrorCode.HEADER_COLUMN_MISSING
    assert f"missing {missing}; found {start.splitlines()[0].decode().replace(',', ', ')}" in str(error)


@pytest.mark.parametrize(
    "line",
    [b"sku,quantity,sku\n", b"sku,quantity,qty\n", b"#SKU,product_sku,quantity\n", b"sku,quantity,Bin,location\n"],
)
def test_a_column_named_twice_is_refused_also_under_another_name(line: bytes) -> None:
    error = refusal(line)
    assert error.code is ErrorCode.HEADER_COLUMN_TWICE
    assert "twice" in error.detail
    assert "found" in error.detail
    assert "expected" in error.detail


def test_columns_without_a_name_are_not_twice() -> None:
    assert read_header(b"sku,quantity,, ,\n").columns == ("sku", "quantity", None, None, None)


@pytest.mark.parametrize(
    "start",
    [
        b"sku,quantit\xe9\nA,1\n",
        "sku,quantity\nA,1\n".encode("utf-16"),
        b"\x89PNG\r\n\x1a\n",
        b"s" * 70_000 + b"\n",
        b"sku,quantity" + b"," * 70_000,
        b'sku,quantity,"open\nA,1\n',
        b'sku,quantity,"x"y\nA,1\n',
        b"\n" * HEADER_BYTES,
    ],
    ids=["latin-1", "utf-16", "png", "too long", "no line end", "open quote", "misplaced quote", "only blank lines"],
)
def test_a_first_line_that_is_not_text_is_no_csv(start: bytes) -> None:
    assert refusal(start).code is ErrorCode.FILE_NOT_CSV


def test_a_header_has_at_most_500_columns() -> None:
    assert len(read_header(b"sku,quantity" + b"," * 498 + b"\n").columns) == 500
    with pytest.raises(Invalid, match="found 501 columns in the header; expected at most 500") as refused:
        read_header(b"sku,quantity" + b"," * 499 + b"\n")
    assert refused.value.code is ErrorCode.FILE_NOT_CSV
