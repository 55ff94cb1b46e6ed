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


def test_a_file_whose_columns_are_aligned_with_blanks_is_told_which_separators_there_are() -> None:
    error = refusal(b"Stock  of  March\nSKU          Quantity    Bin\nA                   5    A-1\n")
    assert error.code is ErrorCode.HEADER_COLUMN_MISSING
    assert "line 2: found 'SKU          Quantity    Bin'; its columns are aligned with blanks" in error.detail
    assert "commas, semicolons or tabs" in error.detail
    assert "aligned" not in refusal(b"Stock  of  March\nArt,Menge 2\nA,5\n").detail


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


def test_a_header_has_at_most_500_names_in_as_many_columns_as_a_spreadsheet_has() -> None:
    assert len(read_header(b"sku,quantity" + b"," * 498 + b"\n").columns) == 500
    assert read_header(b"sku,,quantity" + b"," * 16_381 + b"\n").columns == ("sku", None, "quantity")
    assert read_header(b"sku," + b"," * 16_381 + b"quantity\n").columns[-1] == "quantity"
    many = b"".join(b",c%d" % n for n in range(499))
    for line in (b"sku,quantity" + many + b"\n", b"sku,quantity" + b"," * 16_383 + b"\n"):
        with pytest.raises(Invalid, match="expected at most 500 names in 16,384 columns") as refused:
            read_header(line)
        assert refused.value.code is ErrorCode.FILE_NOT_CSV


def test_ignored_columns_may_have_one_name() -> None:
    assert read_header(b"sku,quantity,Colour,colour\n").columns == ("sku", "quantity", None, None)


# Headers that do not stand alone on the first line --------------------------------------------------------------------

TITLES = {
    "none": b"",
    "a name": b"Stock report\n",
    "a name in all columns": b"Stock report,,,\n",
    "words with every separator": b"Stock, of; all\tshops | as of today\r\n",
    "a title in quotes over two lines": b'"Stock\nreport, today",,\n',
    "a quote that is not closed": b'"Stock report\n',
    "half a header": b"sku,amount\n",
    "the type that PowerShell writes": b"#TYPE Selected.System.Data.DataRow\r\n",
    "blank lines between": b"Stock\n\n;;;\n\nof today\n\n",
}


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 3], ids=["", "mark", "marks"])
def test_the_header_is_found_below_titles_with_any_separator(mark: bytes, title: bytes, delimiter: str) -> None:
    above = mark + title + delimiter.join(("SKU", "Bin", "On hand")).encode() + b"\n"
    header = read_header(above + delimiter.join(("A", "1,2", "5")).encode() + b"\n" + b"sku,quantity\n")
    assert (header.columns, header.delimiter) == (("sku", "location", "quantity"), delimiter)
    assert (header.size, header.lines) == (len(above), above.count(b"\n"))
    told = [warning for warning in header.warnings if f"on line {above.count(bytes([10]))}" in warning]
    assert bool(told) == bool(title)


def test_the_first_line_that_is_a_header_wins() -> None:
    assert read_header(b"sku,quantity,x\nsku,quantity,note\n").columns == ("sku", "quantity", None)
    assert read_header(b"art,sku,quantity\nsku,quantity\n", {"art": "note"}).columns == ("note", "sku", "quantity")
    with pytest.raises(Invalid, match="line 1"):
        read_header(b"sku,sku,quantity\nsku,quantity\n")


def test_a_header_below_64_lines_is_not_looked_for() -> None:
    assert read_header(b"x\n" * 63 + b"sku,quantity\n").lines == 64
    assert refusal(b"x\n" * 64 + b"sku,quantity\n").code is ErrorCode.HEADER_COLUMN_MISSING


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        (b"sep=;\r\n", ";"),
        (b"SEP=|\n", "|"),
        (b'"sep=,"\r\n', ","),
        (b"\xef\xbb\xbfsep=\t\n", "\t"),
        (b"sep=;;;\n\n", ";"),
    ],
)
def test_the_separator_that_the_first_line_names_is_taken(line: bytes, delimiter: str) -> None:
    start = line + delimiter.join(('"sku"', "quantity", "a,b;c|d,e".replace(delimiter, " "))).encode() + b"\n"
    header = read_header(start + b"A")
    assert (header.delimiter, header.columns) == (delimiter, ("sku", "quantity", None))
    assert (header.size, header.lines) == (len(start), start.count(b"\n"))
    assert not [warning for warning in header.warnings if "left out" in warning]


def test_a_separator_that_is_not_supported_is_named() -> None:
    error = refusal(b"sep=:\nsku:quantity\n")
    assert (error.code, "sep=:" in error.detail) == (ErrorCode.FILE_NOT_CSV, True)


@pytest.mark.parametrize(
    "line",
    [
        "s\u200bku,quan\u00adtity\n", "\ufeffsku,\u2060quantity\n", 'sku, "quantity"\n', ' "sku" ,quantity\n',
        "\uff53\uff4b\uff55,quantity\n", '\ufeff"sku",quantity\n',
    ],
)  # fmt: skip
def test_what_cannot_be_seen_in_a_name_and_its_unicode_form_do_not_matter(line: str) -> None:
    assert read_header(line.encode()).columns == ("sku", "quantity")


def test_own_names_are_found_in_another_unicode_form() -> None:
    assert read_header("Gro\u0308\u00dfe,sku\n".encode(), {"Gr\u00f6\u00dfe": "quantity"}).columns == (
        "quantity",
        "sku",
    )


def test_an_error_shows_all_names_the_line_the_separator_and_options_to_copy() -> None:
    names = [f"column number {n}" for n in range(100)] + ["Bestand", "Artikel-Nr", "odd\u200b\x07"]
    error = refusal(b"Lagerliste\n\nsku;amount\n" + ";".join(names).encode() + b"\n")
    assert "line 3, separated by ';'" in error.detail  # the line that comes nearest
    error = refusal(";".join(names).encode() + b"\n")
    assert all(name in str(error) for name in names[:-1])
    for words in (
        r"odd\u200b\x07",
        "line 1, separated by ';'",
        "--column 'Bestand=quantity'",
        "--column 'Artikel-Nr=sku'",
    ):
        assert words in str(error)


def test_a_file_whose_lines_stand_in_quotes_as_a_whole_is_called_that() -> None:
    error = refusal(b'"sku,quantity,location,note"\r\n"A,120,A-01,""aisle 3, left"""\r\n')
    assert error.code is ErrorCode.FILE_NOT_CSV
    assert "in quotes as a whole" in error.detail


def test_names_of_ignored_columns_may_be_in_another_encoding() -> None:
    assert read_header(b"sku;quantity;Gr\xf6\xdfe\n").columns == ("sku", "quantity", None)


def test_a_file_with_tabs_may_have_quotes_in_its_names() -> None:
    assert read_header(b'"Best" name\tsku\tquantity\n').columns == (None, "sku", "quantity")
