"""What the names of columns mean: read, watched or ignored, whoever writes them, and in which spelling."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Invalid
from pipeline.uploads.column_names import Reading, columns_of, own_names, require_names
from pipeline.uploads.header import read_header
from pipeline.uploads.meanings import NAMES, WATCHED, Sense, harmless_values, plain_name
from pipeline.uploads.watched import Seen
from schemas.errors import ErrorCode
from tests.support.csv_files import read

CERTAIN = [(name, names.column) for names in NAMES.values() for name in names.certain]
WATCHED_NAMES = [(name, sense) for sense, names in NAMES.items() for name in names.watched]
SPELLINGS = {
    "as it stands": lambda name: name,
    "capitals": str.upper,
    "titles": str.title,
    "underscores": lambda name: name.replace(" ", "_"),
    "hyphens": lambda name: name.replace(" ", "-"),
    "no blanks": lambda name: "".join(word.capitalize() for word in name.split()),
    "blanks around": lambda name: f"  {name.replace(' ', '  ')}\u00a0",
    "number sign and colon": lambda name: f"#{name}:",
    "decomposed": lambda name: name.replace("é", "e\u0301").replace("ö", "o\u0308"),
}


def refusal(*names: str, own: dict[str, str] | None = None) -> Invalid:
    with pytest.raises(Invalid) as refused:
        columns_of(names, own or {})
    return refused.value


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_certain_name_is_read_in_every_spelling(spelling: str) -> None:
    for name, column in CERTAIN:
        others = [needed for needed in ("sku", "quantity") if needed != column]
        found = columns_of([SPELLINGS[spelling](name), *others])
        assert found.columns[0] == column, name


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_watched_name_is_read_or_watched_in_every_spelling(spelling: str) -> None:
    for name, sense in WATCHED_NAMES:
        found = columns_of(["sku", "quantity", SPELLINGS[spelling](name)])
        assert found.columns[2] is not None or found.reading.watched == (2,), (name, sense)


def test_the_names_of_the_issue_are_watched() -> None:
    names = ["Bin Location", "Shelf", "Loc", "Site", "Customer", "Client", "owner", "Type", "UoM"]
    names += ["Condition", "Batch", "Expected Qty", "Lagerplatz", "Platz", "emplacement", "ubicación", "scaffale"]
    names += ["Lager", "Filiale", "entrepôt", "almacén", "magazzino", "Kunde", "Mandant", "Charge", "Einheit", "Soll"]
    found = columns_of(["sku", "quantity", *names])
    assert found.reading.watched == tuple(range(2, 2 + len(names)))


@pytest.mark.parametrize("name", ["Quantity (pcs)", "Qty [units]", "Quantity\n(pcs)", "Menge (Stück)"])
def test_a_name_with_a_remark_in_brackets_is_proposed(name: str) -> None:
    words = str(refusal("SKU", name))
    assert "perhaps --column" in words
    assert "=quantity'" in words


def test_where_units_come_from_is_watched() -> None:
    names = ["From", "Von", "De", "Source", "Origin"]
    assert columns_of(["sku", "quantity", *names]).reading.watched == tuple(range(2, 2 + len(names)))


@pytest.mark.parametrize(
    "name", ["Colour", "Price", "Supplier", "Delivery note", "Available", "Title", "Qty %", "Weight"]
)
def test_a_column_that_says_nothing_of_stock_is_ignored_and_not_watched(name: str) -> None:
    found = columns_of(["sku", "quantity", name])
    assert (found.columns[2], found.reading.watched) == (None, ())


def test_a_name_that_is_certain_is_never_watched_for_its_own_column() -> None:
    certain = {plain_name(name): column for name, column in CERTAIN}
    for name, senses in WATCHED.items():
        assert certain.get(name, name) not in {NAMES[sense].column for sense in senses}, name


def test_what_the_request_says_of_a_column_is_not_watched() -> None:
    names = ["sku", "quantity", "Bin Location", "Shelf", "Site"]
    assert columns_of(names, {"Bin Location": "location", "Site": "ignore"}).reading.watched == ()
    assert columns_of(names, {"Bin Location": "ignore"}).reading.watched == (3, 4)
    assert columns_of(names, {"Bin Location": "location"}).columns == ("sku", "quantity", "location", None, None)


def test_two_names_of_one_column_are_an_error_that_names_both_and_the_options() -> None:
    error = refusal("SKU", "Location", "Bin", "Quantity")
    assert error.code is ErrorCode.HEADER_COLUMN_TWICE
    for part in (
        "'Location' and 'Bin'",
        "--column 'Location=location'",
        "--column 'Bin=location'",
        "'Location=ignore'",
    ):
        assert part in str(error)


def test_the_request_chooses_one_of_two_names_of_a_column_and_the_other_is_left_out() -> None:
    found = columns_of(["SKU", "Location", "Bin", "Quantity"], {"Bin": "location"})
    assert (found.columns, found.reading.watched) == (("sku", None, "location", "quantity"), ())
    assert found.warnings == ("ignored columns: Location",)


def test_available_beside_on_hand_is_never_taken_for_the_quantity() -> None:
    assert columns_of(["sku", "Available", "On Hand"]).columns == ("sku", None, "quantity")
    assert refusal("sku", "Qty", "On Hand").code is ErrorCode.HEADER_COLUMN_TWICE
    error = refusal("sku", "Available", "Stock")
    assert error.code is ErrorCode.HEADER_COLUMN_MISSING
    assert "perhaps --column 'Available=quantity'; perhaps --column 'Stock=quantity'" in str(error)


def test_an_error_shows_all_names_and_control_characters_as_escapes() -> None:
    error = refusal("a\x07b", *(f"a rather long column name {number}" for number in range(60)))
    assert "a\\x07b" in str(error)
    assert "a rather long column name 59" in str(error)


def test_ignored_columns_may_have_one_name() -> None:
    assert columns_of(["sku", "quantity", "Colour", "colour"]).columns == ("sku", "quantity", None, None)


def test_a_name_that_the_request_gives_must_be_in_the_header() -> None:
    with pytest.raises(Invalid) as refused:
        require_names(["SKU", "Bin Location", "Qty"], {"Bin Locaton": "location", "qty": "quantity"})
    assert refused.value.code is ErrorCode.COLUMN_NOT_IN_HEADER
    assert "'Bin Locaton' (is 'Bin Location' meant?)" in str(refused.value)
    require_names(["SKU", "Bin  Location", "Qty"], {"bin_location": "location"})


def test_a_misspelt_name_of_a_required_column_is_told_with_what_is_missing() -> None:
    assert "'On hnd' (is 'On hd' meant?)" in str(refusal("sku", "On hd", own={"On hnd": "quantity"}))


def test_names_of_the_request_take_the_place_of_the_accounts() -> None:
    account = {"Menge": "quantity", "Ort": "location", "Farbe": "ignore"}
    assert own_names(account, {"Bestand": "quantity", "Notiz": "ignore"}) == {
        "Ort": "location", "Farbe": "ignore", "Bestand": "quantity", "Notiz": "ignore"}  # fmt: skip


def test_a_reading_survives_the_round_trip_through_json() -> None:
    reading = Reading((1, 2), "Shopify products", ("", "not stocked"), 3)
    assert Reading.from_json(json.loads(json.dumps(asdict(reading)))) == reading


VALUES = st.sampled_from(["", " ", "A-01", "each", "pcs", "box", "new", "used", "add", "simple", "0", "\u00a0"])


@given(
    st.sampled_from(WATCHED_NAMES),
    st.sampled_from(list(SPELLINGS.values())),
    st.lists(VALUES, max_size=12),
    st.sampled_from([",", ";", "\t"]),
    st.integers(8, 200),
)
def test_every_value_of_a_watched_column_is_seen_wherever_the_file_is_cut(
    named: tuple[str, Sense], spelling: object, values: list[str], separator: str, block_size: int
) -> None:
    name = '"' + spelling(named[0]) + '"'  # type: ignore[operator]
    header = read_header(separator.join(("sku", name, "quantity\n")).encode())
    rows = "".join(separator.join((f"S{number}", f'"{value}"', "1\n")) for number, value in enumerate(values))
    filled = [value.strip(" \u00a0") for value in values if value.strip(" \u00a0")]
    if header.columns[1] is not None:
        return  # it is read
    harmless = harmless_values(WATCHED[plain_name(header.names[1])])
    seen = read(rows.encode(), header=header, block_size=block_size).watched.get(1, Seen())
    assert seen.rows == sum(value not in harmless for value in filled)
    assert seen.harmless_rows == sum(value in harmless for value in filled)
    assert bool(seen.example) == bool(seen.rows)
