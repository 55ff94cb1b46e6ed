"""Locations on the real store: creating, changing and renaming bins, and what their names must be."""

import pytest

from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from tests.support.giving import give, give_meanwhile, new, rows


def create(location_id: str, name: str, **data: object) -> ReceivedCommand:
    """location.create in warehouse w1."""
    return new("location.create", **{"warehouse_id": "w1", "location_id": location_id, "name": name, **data})


def update(location_id: str, **data: object) -> ReceivedCommand:
    """location.update in warehouse w1."""
    return new("location.update", **{"warehouse_id": "w1", "location_id": location_id, **data})


def rename(location_id: str, name: str, **data: object) -> ReceivedCommand:
    """location.rename in warehouse w1."""
    return new("location.rename", **{"warehouse_id": "w1", "location_id": location_id, "name": name, **data})


def names(database: Database, account_id: str = "acme") -> dict[str, str]:
    """Location id → name of the bins of warehouse w1."""
    query = """SELECT location_id, name FROM locations
               WHERE account_id = %s AND warehouse_id = 'w1' AND location_id <> 'unassigned'"""
    return dict(rows(database, query, account_id))


@pytest.fixture
def shop(database: Database) -> Database:
    """A dynamic warehouse w1 with bins b1 named A and b2 named B, and a static one w2."""
    outcomes = give(
        database,
        new("warehouse.upsert", warehouse_id="w1", name="One"),
        new("warehouse.upsert", warehouse_id="w2", name="Two", slotting="static"),
        create("b1", "A", zone="cold", type="shelf", pickable=False, sellable=False),
        create("b2", "B"),
    )
    assert outcomes == ["applied"] * 4
    return database


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (create("b3", "C", warehouse_id="w9"), "UNKNOWN_WAREHOUSE"),
        (update("b1", zone="z", warehouse_id="w9"), "UNKNOWN_WAREHOUSE"),
        (rename("b1", "C", warehouse_id="w9"), "UNKNOWN_WAREHOUSE"),
        (create("b3", "C", warehouse_id="w2"), "LOCATION_NOT_ALLOWED"),
        (rename("b1", "C", warehouse_id="w2"), "LOCATION_NOT_ALLOWED"),
        (update("b1", zone="z", warehouse_id="w2"), "UNKNOWN_LOCATION"),
        (create("b1", "C"), "LOCATION_EXISTS"),
        (create("b3", "A"), "LOCATION_EXISTS"),
        (create("unassigned", "C"), "LOCATION_EXISTS"),
        (create("b3", "unassigned"), "LOCATION_EXISTS"),
        (rename("b1", "B"), "LOCATION_EXISTS"),
        (rename("b1", "unassigned"), "LOCATION_EXISTS"),
        (update("b9", zone="z"), "UNKNOWN_LOCATION"),
        (rename("b9", "C"), "UNKNOWN_LOCATION"),
        (rename("unassigned", "C"), "LOCATION_IS_BUILT_IN"),
        (rename("unassigned", "C", warehouse_id="w2"), "LOCATION_IS_BUILT_IN"),
    ],
)
def test_what_breaks_a_rule_is_rejected_and_has_no_effect(shop: Database, command: ReceivedCommand, code: str) -> None:
    before = rows(shop, "SELECT * FROM locations ORDER BY 1, 2, 3")
    assert give(shop, command) == [code]
    assert rows(shop, "SELECT * FROM locations ORDER BY 1, 2, 3") == before


def test_an_update_changes_what_it_gives_and_nothing_else(shop: Database) -> None:
    read = "SELECT name, zone, type, pickable, sellable FROM locations WHERE location_id = 'b1'"
    assert rows(shop, read) == [("A", "cold", "shelf", False, False)]
    assert give(shop, update("b1", zone="warm", sellable=True), update("b1", pickable=True)) == ["applied"] * 2
    assert rows(shop, read) == [("A", "warm", "shelf", True, True)]
    assert give(shop, update("b1", type="bin", pickable=False), update("b1")) == ["applied"] * 2
    assert rows(shop, read) == [("A", "warm", "bin", False, True)]


@pytest.mark.parametrize("warehouse_id", ["w1", "w2"])
def test_the_unassigned_bin_can_be_described_though_not_renamed(shop: Database, warehouse_id: str) -> None:
    assert give(shop, update("unassigned", zone="dock", pickable=False, warehouse_id=warehouse_id)) == ["applied"]
    closed = update("unassigned", sellable=False, warehouse_id=warehouse_id)
    assert give(shop, closed) == ["LOCATION_IS_BUILT_IN"]
    read = "SELECT name, zone, pickable, sellable FROM locations WHERE warehouse_id = %s AND location_id = 'unassigned'"
    assert rows(shop, read, warehouse_id) == [("unassigned", "dock", False, True)]


def test_a_location_that_is_created_changed_and_renamed_in_one_batch_is_what_the_last_says(shop: Database) -> None:
    batch = [create("b3", "C"), update("b3", zone="z"), rename("b3", "D"), create("b4", "C"), update("b3", type="t")]
    assert give(shop, *batch) == ["applied"] * 5
    assert names(shop) == {"b1": "A", "b2": "B", "b3": "D", "b4": "C"}
    assert rows(shop, "SELECT zone, type FROM locations WHERE location_id = 'b3'") == [("z", "t")]


def test_names_can_be_swapped_and_passed_on_within_one_batch(shop: Database) -> None:
    swap = [rename("b1", "T"), rename("b2", "A"), rename("b1", "B")]
    assert give(shop, *swap) == ["applied"] * 3
    assert names(shop) == {"b1": "B", "b2": "A"}
    assert give(shop, rename("b1", "C"), create("b3", "B"), rename("b2", "A")) == ["applied"] * 3
    assert names(shop) == {"b1": "C", "b2": "A", "b3": "B"}


def test_a_rejected_command_takes_no_name_and_gives_none_away(shop: Database) -> None:
    batch = [rename("b1", "B"), create("b1", "C"), create("b3", "C"), create("b4", "A"), rename("b9", "E")]
    assert give(shop, *batch) == [
        "LOCATION_EXISTS", "LOCATION_EXISTS", "applied", "LOCATION_EXISTS", "UNKNOWN_LOCATION"
    ]  # fmt: skip
    assert names(shop) == {"b1": "A", "b2": "B", "b3": "C"}


def test_a_name_is_taken_in_its_warehouse_only(shop: Database) -> None:
    third = new("warehouse.upsert", warehouse_id="w3", name="Three")
    assert give(shop, third, create("b1", "A", warehouse_id="w3")) == ["applied"] * 2


def test_another_accounts_warehouses_and_locations_are_unknown(shop: Database) -> None:
    theirs = [create("b3", "C"), update("b1", zone="z"), rename("b1", "C")]
    foreign = [new(d.command.TYPE, **{**d.command.model_dump(exclude_none=True), "account_id": "x"}) for d in theirs]
    assert give(shop, *foreign) == ["UNKNOWN_WAREHOUSE"] * 3
    own = new("warehouse.upsert", warehouse_id="w1", name="Theirs", account_id="x")
    foreign = [new(d.command.TYPE, **{**d.command.model_dump(exclude_none=True), "account_id": "x"}) for d in theirs]
    assert give(shop, own, *foreign) == ["applied", "applied", "UNKNOWN_LOCATION", "UNKNOWN_LOCATION"]
    assert names(shop) == {"b1": "A", "b2": "B"}
    assert names(shop, "x") == {"b3": "C"}


# Layouts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "follows"),
    [
        ("A1 - 12 - B2 - 24", True),
        ("A-1 - 1/2 - B 2 - \u00e9", True),
        ("A1 - 12 - B2", False),
        ("A1 - 12 - B2 - 24 - 3", False),
        ("A1-12-B2-24", False),
        ("A1 -  - B2 - 24", False),
        ("A1 -  12 - B2 - 24", False),
        ("A1 - 12\u00a0 - B2 - 24", False),
        ("- 12 - B2 - 24", False),
    ],
)
def test_names_follow_the_layout_of_the_warehouse(shop: Database, name: str, follows: bool) -> None:
    layout = new("warehouse.upsert", warehouse_id="w1", name="One", location_layout="area - unit - shelf - bin")
    expected = "applied" if follows else "LOCATION_NAME_LAYOUT"
    assert give(shop, layout, create("b3", name)) == ["applied", expected]
    assert give(shop, rename("b1", name + "x" if follows else name)) == [expected]
    assert ("b3" in names(shop)) is follows


def test_a_layout_binds_new_names_only_and_can_be_taken_away(shop: Database) -> None:
    give(shop, new("warehouse.upsert", warehouse_id="w1", name="One", location_layout="area - bin"))
    assert names(shop)["b1"] == "A"
    assert give(shop, update("b1", zone="z"), rename("b1", "X")) == ["applied", "LOCATION_NAME_LAYOUT"]
    give(shop, new("warehouse.upsert", warehouse_id="w1", name="One", location_layout=""))
    assert give(shop, rename("b1", "X")) == ["applied"]


# Two at once ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (create("b3", "C"), create("b3", "D"), "LOCATION_EXISTS"),
        (create("b3", "C"), create("b4", "C"), "LOCATION_EXISTS"),
        (create("b3", "C"), rename("b1", "C"), "LOCATION_EXISTS"),
        (rename("b1", "C"), create("b3", "C"), "LOCATION_EXISTS"),
        (rename("b1", "C"), create("b3", "A"), "applied"),
        (create("b3", "C"), rename("b3", "D"), "applied"),
        (
            new("warehouse.upsert", warehouse_id="w1", name="One", location_layout="area - bin"),
            create("b3", "C"),
            "LOCATION_NAME_LAYOUT",
        ),
    ],
)
def test_the_second_of_two_at_once_sees_what_the_first_did(
    shop: Database, first: ReceivedCommand, second: ReceivedCommand, outcome: str
) -> None:
    assert give_meanwhile(shop, first, second) == outcome


def test_two_updates_of_one_location_at_once_are_both_kept(shop: Database) -> None:
    assert give_meanwhile(shop, update("b1", zone="warm"), update("b1", type="bin")) == "applied"
    assert rows(shop, "SELECT zone, type FROM locations WHERE location_id = 'b1'") == [("warm", "bin")]
