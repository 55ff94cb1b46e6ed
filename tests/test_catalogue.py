"""The catalogue's commands on the real store: accounts, vendors, reasons, warehouses, products, lots."""

from datetime import date

import pytest
from pydantic import ValidationError

from pipeline.commands.received import ReceivedCommand
from pipeline.errors import TryLater
from pipeline.store.accounts import upload_settings
from pipeline.store.database import Database
from tests.support.giving import give, give_meanwhile, messages, new, rows


def warehouse(warehouse_id: str = "w1", **data: object) -> ReceivedCommand:
    """warehouse.upsert."""
    return new("warehouse.upsert", **{"warehouse_id": warehouse_id, "name": "One", **data})


def product(sku: str = "A", **data: object) -> ReceivedCommand:
    """product.upsert."""
    return new("product.upsert", sku=sku, **data)


def vendor(vendor_id: str, **data: object) -> ReceivedCommand:
    """vendor.upsert."""
    return new("vendor.upsert", **{"vendor_id": vendor_id, "name": vendor_id.upper(), **data})


def lot(lot_id: str = "l1", sku: str = "A", **data: object) -> ReceivedCommand:
    """lot.upsert."""
    return new("lot.upsert", sku=sku, lot_id=lot_id, **data)


def vendors_of(database: Database, sku: str = "A") -> dict[str, str | None]:
    """Vendor id → the vendor's SKU."""
    return dict(rows(database, "SELECT vendor_id, vendor_sku FROM product_vendors WHERE sku = %s", sku))


def products(database: Database) -> list[tuple[object, ...]]:
    """All products, in order."""
    return rows(database, "SELECT account_id, sku, name, warehouse_ids, lot_tracked FROM products ORDER BY 1, 2")


# Accounts, vendors and reasons ---------------------------------------------------------------------------------------


def test_of_several_names_the_last_one_stands_within_a_batch_and_across_batches(database: Database) -> None:
    for old, present in (("Old", "Acme"), ("Acme", "Acme Ltd")):
        assert (
            give(
                database,
                new("account.upsert", name=old),
                vendor("v1", name=old),
                new("reason.upsert", code="sample", description=old),
                new("account.upsert", name=present),
                vendor("v1", name=present),
                new("reason.upsert", code="sample", description=present),
            )
            == ["applied"] * 6
        )
        assert rows(database, "SELECT * FROM (SELECT account_id, name FROM accounts) AS a") == [("acme", present)]
        assert rows(database, "SELECT account_id, vendor_id, name FROM vendors") == [("acme", "v1", present)]
        assert rows(database, "SELECT account_id, code, description FROM reasons") == [("acme", "sample", present)]


def columns_of(database: Database, account_id: str = "acme") -> dict[str, str]:
    """What an account's files call the columns."""
    with database.transaction() as connection:
        return dict(upload_settings(connection, account_id).columns)


def account(**data: object) -> ReceivedCommand:
    """account.upsert."""
    return new("account.upsert", **{"name": "Acme", **data})


def test_what_an_accounts_files_call_the_columns_stays_until_it_is_said_again(database: Database) -> None:
    assert columns_of(database) == {}
    assert give(database, account()) == ["applied"]
    assert columns_of(database) == {}
    german = {"Artikelnummer": "sku", "Menge": "quantity", "Stück (é)": "quantity"}
    assert give(database, account(upload_columns=german)) == ["applied"]
    assert columns_of(database) == german
    assert give(database, account(name="Acme Ltd")) == ["applied"]
    assert columns_of(database) == german
    assert columns_of(database, "other") == {}
    assert give(database, account(upload_columns={"Platz": "location"})) == ["applied"]
    assert columns_of(database) == {"Platz": "location"}
    assert give(database, account(upload_columns={})) == ["applied"]
    assert columns_of(database) == {}
    assert rows(database, "SELECT name FROM accounts") == [("Acme",)]


def test_of_several_words_on_the_columns_in_a_batch_the_last_one_stands(database: Database) -> None:
    given = [account(upload_columns={"Nr": "sku"}), account(upload_columns={"Platz": "location"}), account(name="Last")]
    assert give(database, *given, account(account_id="other", upload_columns={"Lot": "lot"})) == ["applied"] * 4
    assert columns_of(database) == {"Platz": "location"}
    assert columns_of(database, "other") == {"Lot": "lot"}
    assert rows(database, "SELECT account_id, name FROM accounts ORDER BY 1") == [("acme", "Last"), ("other", "Acme")]


@pytest.mark.parametrize(
    "columns", [{"Menge": "amount"}, {"": "sku"}, {"x" * 256: "sku"}, {"a\x00b": "sku"}, {"a\nb": "sku"}, ["sku"],
                {f"c{n}": "sku" for n in range(51)}],
)  # fmt: skip
def test_columns_that_no_file_can_have_are_refused(columns: object) -> None:
    with pytest.raises(ValidationError, match="upload_columns"):
        account(upload_columns=columns)


def test_a_reason_that_everybody_has_cannot_be_registered() -> None:
    with pytest.raises(ValidationError, match="a reason that every account has"):
        new("reason.upsert", code="damaged", description="Broken")


# Warehouses ----------------------------------------------------------------------------------------------------------


def test_a_warehouse_is_created_with_its_unassigned_bin_and_then_changed(database: Database) -> None:
    assert give(database, warehouse(location_layout="area - bin", allow_negative=True)) == ["applied"]
    read = "SELECT warehouse_id, name, slotting, allow_negative, location_layout FROM warehouses"
    assert rows(database, read) == [("w1", "One", "dynamic", True, "area - bin")]
    assert rows(database, "SELECT warehouse_id, location_id, name FROM locations") == [
        ("w1", "unassigned", "unassigned")
    ]
    assert give(database, warehouse(name="First")) == ["applied"]
    assert rows(database, read) == [("w1", "First", "dynamic", True, "area - bin")]  # what is not said stays
    changes = warehouse(name="Second", allow_negative=False), warehouse(name="Third", location_layout="")
    assert give(database, *changes) == ["applied"] * 2
    assert rows(database, read) == [("w1", "Third", "dynamic", False, None)]


def test_the_wipe_guard_of_a_warehouse_stays_until_it_is_said_again(database: Database) -> None:
    read = "SELECT max_zeroed_percent, max_missing_percent FROM warehouses"
    assert give(database, warehouse()) == ["applied"]
    assert rows(database, read) == [(None, None)]
    assert give(database, warehouse(max_zeroed_percent=20)) == ["applied"]
    assert give(database, warehouse(max_missing_percent=0)) == ["applied"]
    assert rows(database, read) == [(20, 0)]
    assert give(database, warehouse(max_zeroed_percent=30), warehouse(name="Second")) == ["applied"] * 2
    assert give(database, warehouse(max_missing_percent=100)) == ["applied"]
    assert rows(database, read) == [(30, 100)]


@pytest.mark.parametrize("percent", [-1, 101, 5.5, "20", True])
def test_a_share_that_is_no_whole_number_of_percent_is_refused(percent: object) -> None:
    for name in ("max_zeroed_percent", "max_missing_percent"):
        with pytest.raises(ValidationError, match=name):
            warehouse("w1", **{name: percent})


def test_negative_stock_cannot_be_forbidden_while_there_is_some(database: Database) -> None:
    give(database, warehouse(allow_negative=True), new("product.upsert", sku="A"))
    stock = {"warehouse_id": "w1", "sku": "A"}
    give(database, new("inventory.remove", **stock, quantity=5))
    assert give(database, warehouse(allow_negative=False)) == ["NEGATIVE_STOCK_EXISTS"]
    give(database, new("inventory.replace", **stock, quantity=0))
    assert give(database, warehouse(allow_negative=False)) == ["applied"]
    assert give(database, new("inventory.remove", **stock, quantity=1)) == ["INSUFFICIENT_STOCK"]


def test_the_slotting_that_a_warehouse_was_created_with_stays_within_a_batch_too(database: Database) -> None:
    outcomes = give(database, warehouse(name="1"), warehouse(name="2", slotting="static"), warehouse(name="3"))
    assert outcomes == ["applied", "SLOTTING_IS_FIXED", "applied"]
    assert give(database, warehouse(name="4", slotting="static")) == ["SLOTTING_IS_FIXED"]
    assert rows(database, "SELECT name, slotting FROM warehouses") == [("3", "dynamic")]


def test_of_two_who_create_a_warehouse_at_once_the_second_is_told_what_the_first_fixed(database: Database) -> None:
    assert give_meanwhile(database, warehouse(name="1"), warehouse(name="2", slotting="static")) == "SLOTTING_IS_FIXED"
    assert give_meanwhile(database, warehouse(name="3"), warehouse(name="4")) == "applied"
    assert rows(database, "SELECT name, slotting FROM warehouses") == [("4", "dynamic")]


# Products ------------------------------------------------------------------------------------------------------------


def test_a_product_keeps_the_name_vendors_and_lot_tracking_that_a_command_does_not_give(database: Database) -> None:
    full = product(
        name="Anvil", warehouse_ids=["w1"], lot_tracked=True, vendors=[{"vendor_id": "v1", "vendor_sku": "77"}]
    )
    assert give(database, vendor("v1"), full) == ["applied", "applied"]
    assert products(database) == [("acme", "A", "Anvil", ["w1"], True)]
    assert give(database, product()) == ["applied"]
    assert products(database) == [("acme", "A", "Anvil", None, True)]
    assert vendors_of(database) == {"v1": "77"}


def test_several_commands_for_one_product_in_one_batch_end_as_they_would_in_several(database: Database) -> None:
    orders = [
        vendor("v1"),
        product(name="Anvil", vendors=[{"vendor_id": "v1"}]),
        product(warehouse_ids=["w2"], lot_tracked=False),
        product("B", name="Bolt", lot_tracked=True),
        product("B", vendors=[{"vendor_id": "v1", "vendor_sku": "b"}]),
    ]
    assert give(database, *orders) == ["applied"] * 5
    together = products(database), vendors_of(database), vendors_of(database, "B")
    assert together == (
        [("acme", "A", "Anvil", ["w2"], False), ("acme", "B", "Bolt", None, True)], {"v1": None}, {"v1": "b"}
    )  # fmt: skip
    for single in orders:
        again = new(single.command.TYPE, **{**single.command.model_dump(exclude_none=True), "account_id": "acme"})
        assert give(database, again) == ["applied"]
    assert (products(database), vendors_of(database), vendors_of(database, "B")) == together


def test_the_vendors_of_a_product_are_replaced_by_those_given_and_removed_by_none(database: Database) -> None:
    give(database, vendor("v1"), vendor("v2"), product(vendors=[{"vendor_id": "v1"}]))
    give(database, product(vendors=[{"vendor_id": "v2", "vendor_sku": "9"}]))
    assert vendors_of(database) == {"v2": "9"}
    give(database, product(vendors=[]))
    assert vendors_of(database) == {}


def test_an_unknown_vendor_rejects_the_product_and_leaves_its_neighbours_alone(database: Database) -> None:
    unknown = product(name="Anvil", vendors=[{"vendor_id": "v1"}, {"vendor_id": "v9"}])
    assert give(database, vendor("v1"), unknown, product("B")) == ["applied", "UNKNOWN_VENDOR", "applied"]
    assert [row[1] for row in products(database)] == ["B"]
    [message] = rows(database, "SELECT message FROM commands WHERE code = 'UNKNOWN_VENDOR'")
    assert "v9" in message[0]
    assert "v1" not in message[0]


def test_a_vendor_that_is_named_twice_is_no_valid_message() -> None:
    with pytest.raises(ValidationError, match="names a vendor twice"):
        product(vendors=[{"vendor_id": "v1"}, {"vendor_id": "v1", "vendor_sku": "x"}])


@pytest.mark.parametrize(("created", "later"), [(True, False), (False, True), (None, True)])
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_lot_tracking_stays_as_the_product_was_created(
    database: Database, created: bool | None, later: bool, in_one_batch: bool
) -> None:
    first, second = product(name="1", lot_tracked=created), product(name="2", lot_tracked=later)
    outcomes = give(database, first, second) if in_one_batch else give(database, first) + give(database, second)
    assert outcomes == ["applied", "LOT_TRACKING_IS_FIXED"]
    assert products(database) == [("acme", "A", "1", None, bool(created))]


def test_who_loses_a_race_for_a_product_with_another_lot_tracking_is_rejected_at_the_next_try(
    database: Database,
) -> None:
    second = product(name="2", lot_tracked=False)
    with pytest.raises(TryLater, match="lot tracking"):
        give_meanwhile(database, product(name="1", lot_tracked=True), second)
    assert give(database, second) == ["LOT_TRACKING_IS_FIXED"]
    assert products(database) == [("acme", "A", "1", None, True)]


def test_two_who_give_a_product_vendors_at_once_follow_each_other(database: Database) -> None:
    give(database, vendor("v1"), vendor("v2"))
    assert give_meanwhile(
        database, product(vendors=[{"vendor_id": "v1"}]), product(vendors=[{"vendor_id": "v2"}])
    ) == "applied"  # fmt: skip
    assert vendors_of(database) == {"v2": None}


# Lots ----------------------------------------------------------------------------------------------------------------


def test_a_lot_gets_an_expiry_that_only_another_date_changes(database: Database) -> None:
    read = "SELECT account_id, sku, lot_id, expires_on FROM lots"
    assert give(database, product(lot_tracked=True), lot()) == ["applied", "applied"]
    assert rows(database, read) == [("acme", "A", "l1", None)]
    assert give(database, lot(expires_on="2027-05-01"), lot()) == ["applied", "applied"]
    assert give(database, lot()) == ["applied"]
    assert rows(database, read) == [("acme", "A", "l1", date(2027, 5, 1))]
    assert give(database, lot(expires_on="2027-06-01")) == ["applied"]
    assert rows(database, read) == [("acme", "A", "l1", date(2027, 6, 1))]


def test_a_lot_needs_a_product_that_is_tracked_by_lot(database: Database) -> None:
    outcomes = give(database, lot(sku="NOPE"), product(), lot(), product("B", lot_tracked=True), lot(sku="B"))
    assert outcomes == ["UNKNOWN_SKU", "applied", "LOT_NOT_ALLOWED", "applied", "applied"]
    assert rows(database, "SELECT sku FROM lots") == [("B",)]


@pytest.mark.parametrize("wrong", [20271231, "20271231", "1735689600", 1.5, True, "2027-12-31T00:00:00", "2027-13-01"])
def test_an_expiry_that_is_not_written_as_a_date_is_no_valid_message(wrong: object) -> None:
    with pytest.raises(ValidationError, match="expires_on"):
        lot(expires_on=wrong)


# Accounts apart, and several commands in one batch -------------------------------------------------------------------


def test_what_another_account_has_is_unknown_and_the_same_ids_are_other_things(database: Database) -> None:
    tracked = product(lot_tracked=True, name="Theirs", account_id="other", vendors=[{"vendor_id": "v1"}])
    foreign = [
        warehouse(account_id="other", slotting="static"), vendor("v1", account_id="other"), tracked,
        lot(account_id="other", expires_on="2027-05-01"),
        new("reason.upsert", code="sample", description="Theirs", account_id="other"),
        new("account.upsert", name="Theirs", account_id="other"),
    ]  # fmt: skip
    assert give(database, *foreign) == ["applied"] * 6
    assert give(database, lot(), product("B", vendors=[{"vendor_id": "v1"}])) == ["UNKNOWN_SKU", "UNKNOWN_VENDOR"]
    own = [
        warehouse(), vendor("v1", name="Mine"), product(name="Mine", lot_tracked=False),
        new("reason.upsert", code="sample", description="Mine"), new("account.upsert", name="Mine"),
    ]  # fmt: skip
    assert give(database, *own) == ["applied"] * 5
    assert give(database, lot()) == ["LOT_NOT_ALLOWED"]
    for table, column, theirs in (
        ("warehouses", "slotting", "static"), ("vendors", "name", "V1"), ("products", "name", "Theirs"),
        ("reasons", "description", "Theirs"), ("accounts", "name", "Theirs"), ("lots", "expires_on", date(2027, 5, 1)),
        ("product_vendors", "vendor_id", "v1"),
    ):  # fmt: skip
        read = f"SELECT {column} FROM {table} WHERE account_id = 'other'"  # noqa: S608 - names from above
        assert rows(database, read) == [(theirs,)]


def test_what_a_batch_names_may_be_created_later_in_the_same_batch(database: Database) -> None:
    batch = [
        new("channel.link", channel="shop", external_location_id="e1", warehouse_id="w1"),
        new("location.create", warehouse_id="w1", location_id="b1", name="A-01"),
        lot(),
        product(lot_tracked=True, vendors=[{"vendor_id": "v1"}]),
        warehouse(),
        vendor("v1"),
    ]
    assert give(database, *batch) == ["applied"] * 6


def test_a_repeat_of_a_catalogue_command_does_not_bring_back_what_it_once_said(database: Database) -> None:
    first = warehouse(name="Old")
    give(database, first)
    give(database, warehouse(name="New"))
    give(database, first)
    assert rows(database, "SELECT name FROM warehouses") == [("New",)]
    assert [message["data"]["status"] for message in messages(database, "command-results")] == ["duplicate"]
