"""The lists of the command line: what each shows, page by page; and that no view shows what is another account's."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.settings import Settings
from infra.cli import app
from pipeline import listings
from pipeline.store.database import Database
from schemas.errors import ErrorCode
from schemas.reasons import Reason

LISTS = (
    "warehouses",
    "locations",
    "products",
    "lots",
    "schedules",
    "transfers",
    "allocations",
    "channels",
    "reasons",
    "links",
)
VIEWS = (*LISTS, "levels", "log")

# Both accounts have the same of everything, under ids that begin with the account's.
_FILL = """
    INSERT INTO warehouses (account_id, warehouse_id, name, slotting, location_layout, max_zeroed_percent)
    SELECT a, a || w.id, w.name, w.slotting, w.layout, w.zeroed
    FROM {a}, (VALUES ('-w1', 'One', 'dynamic', 'area - bin', 20), ('-w2', 'Two', 'static', NULL, NULL))
        AS w (id, name, slotting, layout, zeroed);
    INSERT INTO locations (account_id, warehouse_id, location_id, name, zone, type, pickable, sellable)
    SELECT a, a || '-w1', l.* FROM {a}, (VALUES ('b1', 'A-01', 'A', 'bin', true, true),
                                                ('b2', 'A-02', NULL, NULL, true, false),
                                                ('unassigned', 'unassigned', NULL, NULL, true, true)) AS l;
    INSERT INTO products (account_id, sku, name, warehouse_ids, lot_tracked)
    SELECT a, a || p.sku, p.name, CASE WHEN p.bound THEN ARRAY[a || '-w1'] END, p.lots
    FROM {a}, (VALUES ('-P1', 'Tea', false, true), ('-P2', NULL, true, false)) AS p (sku, name, bound, lots);
    INSERT INTO vendors (account_id, vendor_id, name)
    SELECT a, a || v, 'Vendor' FROM {a}, unnest(ARRAY['-v1', '-v2']) AS v;
    INSERT INTO product_vendors (account_id, sku, vendor_id, vendor_sku)
    SELECT a, a || '-P1', a || v.id, v.sku FROM {a}, (VALUES ('-v1', 'V-100'), ('-v2', NULL)) AS v (id, sku);
    INSERT INTO lots (account_id, sku, lot_id, expires_on)
    SELECT a, a || '-P1', a || t.id, t.day::date FROM {a}, (VALUES ('-L1', '2027-01-31'), ('-L2', NULL)) AS t (id, day);
    INSERT INTO levels (account_id, warehouse_id, sku, location_id, lot_id, version, available, damaged, incoming)
    SELECT a, a || '-w1', a || l.sku, l.bin, CASE l.lot WHEN '' THEN '' ELSE a || l.lot END, 1, l.n, 1, 9
    FROM {a}, (VALUES ('-P1', 'b1', '-L1', 5), ('-P1', 'b2', '-L1', 2), ('-P2', 'b1', '', 10)) AS l (sku, bin, lot, n);
    INSERT INTO change_log (account_id, level_id, version, state, delta, after, batch_id, recorded_at, command_id)
    SELECT account_id, level_id, 1, 'available', available, available, 1, now(), account_id || '-c1' FROM levels;
    INSERT INTO schedules (account_id, schedule_id, warehouse_id, sku, location_id, lot_id, quantity, due_at, status)
    SELECT a, a || s.id, a || '-w1', a || '-P2', 'b1', '', 9, now() + make_interval(days => s.days), s.status
    FROM {a}, (VALUES ('-late', -1, 'pending'), ('-next', 1, 'pending'), ('-done', -3, 'applied'),
                      ('-not', 2, 'cancelled')) AS s (id, days, status);
    INSERT INTO transfers (account_id, transfer_id, from_warehouse_id, to_warehouse_id, document)
    SELECT a, a || '-t1', a || '-w1', a || '-w2', 'PO-1' FROM {a};
    INSERT INTO transfer_lines (account_id, transfer_id, line, sku, lot_id, location_id, quantity, received, lost)
    SELECT a, a || '-t1', t.line, a || '-P2', '', 'unassigned', 10, t.received, t.lost
    FROM {a}, (VALUES (1, 4, 1), (2, 9, 1)) AS t (line, received, lost);
    INSERT INTO allocations (account_id, document, level_id, quantity, created_at)
    SELECT account_id, account_id || o.document, level_id, o.quantity, now() - make_interval(days => o.days)
    FROM levels, (VALUES ('-SO-2', 2, 1), ('-SO-1', 1, 3)) AS o (document, quantity, days)
    WHERE location_id = 'b1';
    INSERT INTO channel_locations (account_id, channel, external_location_id, warehouse_id, master)
    SELECT a, a || c.channel, c.id, a || '-w1', c.master
    FROM {a}, (VALUES ('-shop', '101', true), ('-shop', '102', false)) AS c (channel, id, master);
    INSERT INTO reasons (account_id, code, description)
    SELECT a, a || r, 'Ours' FROM {a}, unnest(ARRAY['-staff', '-theft']) AS r;
    INSERT INTO account_links (account_id, provider_account_id, scope)
    SELECT a, a || p.id, p.scope FROM {a}, (VALUES ('-3pl', 'write'), ('-auditor', 'read')) AS p (id, scope);
    INSERT INTO account_links (account_id, provider_account_id, scope) SELECT a || '-customer', a, 'read' FROM {a};
""".replace("{a}", "unnest(ARRAY['acme', 'rival']) AS a")


@pytest.fixture(autouse=True)
def filled(settings: Settings, database: Database) -> None:
    """Accounts acme and rival; the settings of the command line point to their database."""
    with database.transaction() as connection:
        connection.execute(_FILL)


def onhand(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def rows(name: str, *options: str, account: str = "acme") -> list[dict[str, Any]]:
    result = onhand(name, "--account", account, "--json", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def column(name: str, of: str, *options: str) -> list[Any]:
    return [row[of] for row in rows(name, *options)]


def test_each_view_shows_what_is_the_accounts_and_nothing_of_another() -> None:
    for name in VIEWS:
        own, others = rows(name), rows(name, account="rival")
        assert len(own) == len(others) >= 2, name
        assert "rival" not in json.dumps(own), name
        assert "rival" in json.dumps(others), name


@pytest.mark.parametrize("provider", ["acme-3pl", "acme-auditor"])
def test_a_provider_sees_what_a_customer_sees_that_has_linked_it(provider: str) -> None:
    for name in VIEWS:
        # Of links it sees its own only: who else works for the customer is the customer's.
        own = [row for row in rows(name) if name != "links" or row["linked_account_id"] == provider]
        assert rows(name, "--customer-account", "acme", account=provider) == own != [], name


@pytest.mark.parametrize(
    ("account", "customer"),
    [
        ("rival", "acme"),  # no link at all
        ("acme", "acme-3pl"),  # a link in the other direction
        ("rival-3pl", "acme"),  # a link with somebody else
        ("acme-3pl", "nobody"),  # no such account
    ],
)
def test_without_a_link_each_view_is_forbidden(account: str, customer: str) -> None:
    for name in VIEWS:
        result = onhand(name, "--account", account, "--customer-account", customer, "--json")
        assert (result.exit_code, result.stdout) == (1, ""), name
        assert ErrorCode.FORBIDDEN_ACCOUNT.meaning.removesuffix(".") in result.stderr, name


def test_pages_of_one_row_give_the_same_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: rows(name) for name in LISTS}
    single = {name: replace(order, page=1) for name, order in listings._ORDERS.items()}
    monkeypatch.setattr(listings, "_ORDERS", single)
    for name in LISTS:
        assert rows(name) == whole[name]
        assert rows(name, "--limit", "2") == whole[name][:2]


def test_warehouses_have_their_rules() -> None:
    names = ("warehouse_id", "name", "slotting", "allow_negative", "location_layout", "max_zeroed_percent",
             "max_missing_percent")  # fmt: skip
    assert [tuple(row[name] for name in names) for row in rows("warehouses")] == [
        ("acme-w1", "One", "dynamic", False, "area - bin", 20, None),
        ("acme-w2", "Two", "static", False, None, None, None),
    ]


def test_locations_have_their_attributes_and_the_units_on_hand() -> None:
    found = [{name: row[name] for name in row if not name.endswith("_at")} for row in rows("locations")]
    of = {"warehouse_id": "acme-w1", "zone": None, "type": None, "pickable": True, "sellable": True}
    assert found == [
        {**of, "location_id": "b1", "name": "A-01", "zone": "A", "type": "bin", "on_hand": 17},
        {**of, "location_id": "b2", "name": "A-02", "sellable": False, "on_hand": 3},
        {**of, "location_id": "unassigned", "name": "unassigned", "on_hand": 0},
    ]
    assert all(row["created_at"] and row["updated_at"] for row in rows("locations"))
    assert column("locations", "location_id", "--location", "b2") == ["b2"]
    assert column("locations", "location_id", "--warehouse", "rival-w1") == []


def test_products_have_their_vendors_and_warehouses() -> None:
    tea, other = rows("products")
    assert (tea["sku"], tea["name"], tea["lot_tracked"], tea["warehouse_ids"]) == ("acme-P1", "Tea", True, None)
    assert tea["vendors"] == [
        {"vendor_id": "acme-v1", "name": "Vendor", "vendor_sku": "V-100"},
        {"vendor_id": "acme-v2", "name": "Vendor", "vendor_sku": None},
    ]
    assert (other["warehouse_ids"], other["vendors"]) == (["acme-w1"], [])
    assert column("products", "sku", "--sku", "acme-P2") == ["acme-P2"]
    assert column("products", "sku", "--warehouse", "acme-w2") == ["acme-P1"]
    table = onhand("products", "--account", "acme").stdout
    assert "acme-v1, acme-v2" in table
    assert "all" in table


def test_lots_have_their_expiry_and_the_units_on_hand_everywhere() -> None:
    found = [(lot["sku"], lot["lot_id"], lot["expires_on"], lot["on_hand"]) for lot in rows("lots")]
    assert found == [("acme-P1", "acme-L1", "2027-01-31", 9), ("acme-P1", "acme-L2", None, 0)]
    assert rows("lots", "--sku", "acme-P2") == []


def test_schedules_come_by_due_time_and_say_which_are_overdue() -> None:
    assert column("schedules", "schedule_id") == ["acme-done", "acme-late", "acme-next", "acme-not"]
    assert column("schedules", "schedule_id", "--status", "pending") == ["acme-late", "acme-next"]
    assert column("schedules", "schedule_id", "--status", "overdue") == ["acme-late"]
    assert column("schedules", "schedule_id", "--status", "applied") == ["acme-done"]
    assert column("schedules", "schedule_id", "--status", "cancelled") == ["acme-not"]
    assert column("schedules", "overdue") == [False, True, False, False]
    assert rows("schedules", "--sku", "acme-P1") == rows("schedules", "--warehouse", "rival-w1") == []
    [late] = rows("schedules", "--status", "overdue")
    assert (late["quantity"], late["location_id"], late["lot_id"], late["status"]) == (9, "b1", None, "pending")
    assert datetime.fromisoformat(late["due_at"]) < datetime.now(UTC) - timedelta(hours=23)
    shown = onhand("schedules", "--account", "acme").stdout.splitlines()
    assert [line.split()[0] for line in shown if "overdue" in line] == ["acme-late"]


def test_transfers_say_what_is_still_on_its_way() -> None:
    found = [(t["line"], t["quantity"], t["received"], t["lost"], t["open"]) for t in rows("transfers")]
    assert found == [(1, 10, 4, 1, 5), (2, 10, 9, 1, 0)]
    assert column("transfers", "line", "--open") == [1]
    assert column("transfers", "line", "--transfer", "acme-t1") == [1, 2]
    assert rows("transfers", "--transfer", "rival-t1") == []
    assert rows("transfers")[0]["document"] == "PO-1"


def test_allocations_say_which_order_has_how_many_units_where_and_since_when() -> None:
    found = [(a["document"], a["sku"], a["lot_id"], a["location_id"], a["quantity"]) for a in rows("allocations")]
    assert found == [
        ("acme-SO-1", "acme-P1", "acme-L1", "b1", 1), ("acme-SO-1", "acme-P2", None, "b1", 1),
        ("acme-SO-2", "acme-P1", "acme-L1", "b1", 2), ("acme-SO-2", "acme-P2", None, "b1", 2),
    ]  # fmt: skip
    assert column("allocations", "quantity", "--document", "acme-SO-2") == [2, 2]
    assert column("allocations", "sku", "--document", "acme-SO-1", "--sku", "acme-P2") == ["acme-P2"]
    assert len(rows("allocations", "--warehouse", "acme-w1")) == 4
    assert rows("allocations", "--warehouse", "acme-w2") == rows("allocations", "--document", "rival-SO-1") == []
    assert datetime.fromisoformat(rows("allocations")[0]["since"]) < datetime.now(UTC) - timedelta(days=2)
    table = onhand("allocations", "--account", "acme").stdout.splitlines()
    assert table[0].split() == ["document", "warehouse_id", "sku", "location_id", "lot_id", "quantity", "since"]


def test_channels_name_their_warehouse_and_the_master() -> None:
    found = [(c["channel"], c["external_location_id"], c["warehouse_id"], c["master"]) for c in rows("channels")]
    assert found == [("acme-shop", "101", "acme-w1", True), ("acme-shop", "102", "acme-w1", False)]
    assert rows("channels", "--warehouse", "acme-w2") == []
    table = onhand("channels", "--account", "acme").stdout
    assert [line.split()[-1] for line in table.splitlines()] == ["master", "yes", "no"]


def test_reasons_are_those_of_every_account_and_its_own() -> None:
    found = {reason["code"]: reason["built_in"] for reason in rows("reasons")}
    assert found == {**dict.fromkeys(map(str, Reason), True), "acme-staff": False, "acme-theft": False}
    assert all(reason["description"] for reason in rows("reasons"))


def test_links_show_both_directions() -> None:
    found = [(link["role"], link["linked_account_id"], link["scope"]) for link in rows("links")]
    assert found == [
        ("customer", "acme-customer", "read"),
        ("provider", "acme-3pl", "write"),
        ("provider", "acme-auditor", "read"),
    ]
