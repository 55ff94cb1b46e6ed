"""The header line of an upload: which spellings are understood, and what is said about the ones that are not."""

import pytest

from pipeline.errors import Invalid
from pipeline.uploads.header import read_header
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


def test_the_size_is_where_the_first_record_begins() -> None:
    start = b"\xef\xbb\xbfsku,quantity\r\nA,1\r\n"
    assert start[read_header(start).size :] == b"A,1\r\n"


def test_columns_that_are_not_known_are_ignored_with_a_warning_that_names_them() -> None:
    header = read_header(b"sku,colour,quantity,\n")
    assert header.columns == ("sku", None, "quantity", None)
    [warning] = header.warnings
    assert "colour" in warning
    assert "(no name)" in warning


@pytest.mark.parametrize("start", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\r\n\t"])
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


@pytest.mark.parametrize("line", [b"sku,quantity,sku\n", b"sku,quantity,qty\n", b"#SKU,product_sku,quantity\n"])
def test_a_column_named_twice_is_refused_also_under_another_name(line: bytes) -> None:
    error = refusal(line)
    assert error.code is ErrorCode.HEADER_COLUMN_TWICE
    assert "twice" in error.detail


@pytest.mark.parametrize(
    "start",
    [
        b"sku,quantit\xe9\nA,1\n",
        "sku,quantity\nA,1\n".encode("utf-16"),
        b"\x89PNG\r\n\x1a\n",
        b"sku,quantity\rA,1\rB,2",
        b"s" * 70_000 + b"\n",
    ],
    ids=["latin-1", "utf-16", "png", "CR only", "no line end"],
)
def test_a_first_line_that_is_not_text_is_no_csv(start: bytes) -> None:
    assert refusal(start).code is ErrorCode.FILE_NOT_CSV
