"""Who may act for whom: links between accounts on the real store, and what they open."""

import psycopg
import pytest

from pipeline.commands.access import authorize, require_read
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from tests.support.giving import give, new, rows

FORBIDDEN = ErrorCode.FORBIDDEN_ACCOUNT


def grant(customer: str = "acme", provider: str = "hub", **data: object) -> ReceivedCommand:
    """account.link."""
    return new("account.link", account_id=customer, provider_account_id=provider, **data)


def revoke(customer: str = "acme", provider: str = "hub") -> ReceivedCommand:
    """account.unlink."""
    return new("account.unlink", account_id=customer, provider_account_id=provider)


def act(customer: str | None = "acme", provider: str = "hub", **data: object) -> ReceivedCommand:
    """A product that a provider creates for a customer."""
    named = {"account_id": provider, "customer_account_id": customer, "sku": "A"}
    return new("product.upsert", **{**named, **data})


def owners(database: Database) -> list[str]:
    """Whose products there are."""
    return [account_id for (account_id,) in rows(database, "SELECT account_id FROM products ORDER BY 1")]


def may_read(database: Database, provider: str, customer: str) -> bool:
    """Whether a provider is shown a customer's stock."""
    with database.transaction() as connection:
        try:
            require_read(connection, provider, customer)
        except Invalid as refusal:
            assert refusal.code == FORBIDDEN
            return False
    return True


def test_a_provider_acts_in_the_account_of_a_customer_who_has_linked_it(database: Database) -> None:
    assert give(database, act()) == [FORBIDDEN]
    assert owners(database) == []
    assert give(database, grant()) == ["applied"]
    assert give(database, act()) == ["applied"]
    assert owners(database) == ["acme"]


def test_every_catalogue_command_of_a_provider_lands_in_the_customers_account(database: Database) -> None:
    for_customer = {"account_id": "hub", "customer_account_id": "acme"}
    batch = [
        new("vendor.upsert", vendor_id="v1", name="V", **for_customer),
        new("reason.upsert", code="sample", description="S", **for_customer),
        new("warehouse.upsert", warehouse_id="w1", name="One", **for_customer),
        new("product.upsert", sku="A", lot_tracked=True, vendors=[{"vendor_id": "v1"}], **for_customer),
        new("lot.upsert", sku="A", lot_id="l1", **for_customer),
        new("location.create", warehouse_id="w1", location_id="b1", name="A", **for_customer),
        new("location.update", warehouse_id="w1", location_id="b1", zone="z", **for_customer),
        new("location.rename", warehouse_id="w1", location_id="b1", name="B", **for_customer),
        new("channel.link", warehouse_id="w1", channel="c", external_location_id="e", master=True, **for_customer),
    ]
    tables = ("vendors", "reasons", "warehouses", "products", "product_vendors", "lots", "locations",
              "channel_locations")  # fmt: skip

    def written() -> set[tuple[str, str]]:
        return {
            (table, account_id)
            for table in tables
            for (account_id,) in rows(database, f"SELECT account_id FROM {table}")  # noqa: S608 - names from above
        }

    assert give(database, *batch) == [FORBIDDEN] * 9
    assert written() == set()
    give(database, grant())
    again = [new(d.command.TYPE, **d.command.model_dump(exclude_none=True)) for d in batch]
    assert give(database, *again) == ["applied"] * 9
    assert written() == {(table, "acme") for table in tables}
    asked = "SELECT account_id, messages -> 0 -> 'data' ->> 'account_id' FROM outbox WHERE messages IS NOT NULL"
    assert rows(database, asked) == [("acme", "acme")]


def test_the_result_belongs_to_the_sender_and_names_the_customer(database: Database) -> None:
    give(database, act())
    read = "SELECT account_id, customer_account_id, status, code FROM commands"
    assert rows(database, read) == [("hub", "acme", "rejected", FORBIDDEN)]
    assert rows(database, "SELECT account_id FROM outbox") == [("hub",)]


def test_a_link_gives_nothing_in_the_other_direction_nor_to_others(database: Database) -> None:
    give(database, grant("acme", "hub"))
    assert give(database, act("hub", "acme"), act("acme", "other"), act("other", "hub")) == [FORBIDDEN] * 3
    assert give(database, grant("hub", "third")) == ["applied"]
    assert give(database, act("acme", "third")) == [FORBIDDEN]  # what hub may do it cannot pass on
    assert owners(database) == []


def test_only_the_owner_can_give_a_link() -> None:
    with pytest.raises(ValueError, match="customer_account_id"):
        new("account.link", account_id="hub", customer_account_id="acme", provider_account_id="hub")
    with pytest.raises(ValueError, match="customer_account_id"):
        new("account.unlink", account_id="hub", customer_account_id="acme", provider_account_id="hub")


def test_unlink_takes_it_back_and_without_a_link_changes_nothing(database: Database) -> None:
    assert give(database, grant(), grant(provider="other"), act()) == ["applied"] * 3
    assert give(database, revoke(), revoke(provider="nobody")) == ["applied"] * 2
    assert give(database, act(sku="B"), act(provider="other", sku="C")) == [FORBIDDEN, "applied"]
    assert rows(database, "SELECT provider_account_id FROM account_links") == [("other",)]


def test_the_scope_read_shows_and_does_not_write(database: Database) -> None:
    assert give(database, grant(scope="read"), act()) == ["applied", FORBIDDEN]
    assert give(database, act()) == [FORBIDDEN]
    assert may_read(database, "hub", "acme")
    assert give(database, grant(scope="write"), act()) == ["applied"] * 2
    assert may_read(database, "hub", "acme")
    assert give(database, grant(scope="read"), act(sku="B")) == ["applied", FORBIDDEN]


def test_nobody_but_the_customer_and_its_providers_may_read(database: Database) -> None:
    give(database, grant())
    assert may_read(database, "acme", "acme")
    assert may_read(database, "hub", "acme")
    assert not may_read(database, "acme", "hub")
    assert not may_read(database, "other", "acme")
    assert not may_read(database, "hub", "unknown")
    give(database, revoke())
    assert not may_read(database, "hub", "acme")


def test_an_unknown_customer_looks_like_one_that_has_not_linked(database: Database) -> None:
    give(database, new("account.upsert", name="Acme"), new("product.upsert", sku="X"))
    assert give(database, act("acme"), act("nobody")) == [FORBIDDEN] * 2
    said = rows(database, "SELECT customer_account_id, message, levels::text FROM commands WHERE account_id = 'hub'")
    answers = {customer: (message, levels) for customer, message, levels in said}
    assert answers["nobody"] == (answers["acme"][0].replace("acme", "nobody"), answers["acme"][1])


def test_links_and_unlinks_of_a_batch_count_in_their_order(database: Database) -> None:
    assert give(database, act(sku="A"), grant(), act(sku="B"), revoke(), act(sku="C")) == [
        FORBIDDEN, "applied", "applied", "applied", FORBIDDEN
    ]  # fmt: skip
    assert rows(database, "SELECT sku FROM products") == [("B",)]
    assert give(database, act()) == [FORBIDDEN]
    assert give(database, revoke(), grant(), act()) == ["applied"] * 3


def test_a_repeated_link_does_not_bring_back_what_was_taken(database: Database) -> None:
    first = grant()
    give(database, first)
    give(database, revoke())
    give(database, first, act())
    assert owners(database) == []
    assert rows(database, "SELECT count(*) FROM account_links") == [(0,)]


def test_a_rejected_command_hinders_neither_its_neighbours_nor_a_later_try_with_another_id(database: Database) -> None:
    own = act(None)
    assert give(database, act(), own) == [FORBIDDEN, "applied"]
    assert owners(database) == ["hub"]
    assert give(database, grant(), act()) == ["applied"] * 2
    assert owners(database) == ["acme", "hub"]


def test_stock_of_a_customer_who_has_not_linked_is_out_of_reach(database: Database) -> None:
    assert (
        give(database, new("warehouse.upsert", warehouse_id="w1", name="One"), act("acme", "acme")) == ["applied"] * 2
    )
    line = {"account_id": "hub", "customer_account_id": "acme", "warehouse_id": "w1", "sku": "A", "quantity": 5}
    assert give(database, new("inventory.add", **line)) == [FORBIDDEN]
    assert rows(database, "SELECT count(*) FROM levels") == [(0,)]
    give(database, grant())
    assert give(database, new("inventory.add", **line)) == ["applied"]
    assert rows(database, "SELECT account_id, available FROM levels") == [("acme", 5)]
    log = rows(database, "SELECT account_id, provider_account_id, delta FROM change_log")
    assert log == [("acme", "hub", 5)]


def test_who_acts_for_itself_costs_no_query() -> None:
    class NoConnection:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"asked the database: {name}")

    nobody: psycopg.Connection = NoConnection()  # type: ignore[assignment]
    received = [act(None), act("hub", "hub"), grant()]
    assert authorize(nobody, received) == (received, [])
    require_read(nobody, "acme", "acme")
