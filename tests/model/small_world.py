"""The world that the model's account begins with, and places and quantities drawn by chance from it."""

from random import Random
from typing import Any

from tests.model.world import UNASSIGNED, Link, Product, Warehouse, World

BINS = {"dyn": ("b1", "b2", "b3"), "neg": ("n1",), "sta": ()}
REASONS = ("correction", "damaged", "restock", "own")
CHANNELS = [("shop", "x1"), ("mart", "x1"), ("mart2", "x1")]
SCHEDULES = [f"s{n}" for n in range(8)]
TRANSFERS = [f"t{n}" for n in range(6)]
DOCUMENTS = ["D-0", "D-0", "D-1", "D-2"]
"""Of orders: most is committed to the first one."""
HOURS = 12


def small_world() -> World:
    """A dynamic warehouse with three bins (b3 is not for sale), a static one, and one that allows negative stock."""
    places = {(warehouse, place): place != "b3" for warehouse, bins in BINS.items() for place in (*bins, UNASSIGNED)}
    return World(
        warehouses={"dyn": Warehouse(), "sta": Warehouse(static=True), "neg": Warehouse(negative=True)},
        sellable=places,
        products={
            "A": Product(), "B": Product(), "L": Product(lots=frozenset({"l1", "l2"})),
            "ONLY": Product(warehouses=frozenset({"dyn"})),
        },
        reasons=set(REASONS),
        channels={CHANNELS[0]: Link("dyn", master=True)},
        scope="write",
    )  # fmt: skip


def instant(hours: int) -> str:
    """An instant of the tests' far future; instants compare as text."""
    return f"2101-01-01T{hours:02}:00:00Z"


def catalogue(provider: str) -> list[tuple[str, dict[str, Any]]]:
    """The small world as commands."""
    world = small_world()
    return [
        *(("warehouse.upsert", {"warehouse_id": name, "name": name, "allow_negative": rules.negative,
                                "slotting": "static" if rules.static else "dynamic"})
          for name, rules in world.warehouses.items()),
        *(("product.upsert", {"sku": sku, "lot_tracked": product.lots is not None,
                              "warehouse_ids": sorted(product.warehouses) if product.warehouses else None})
          for sku, product in world.products.items()),
        *(("lot.upsert", {"sku": sku, "lot_id": lot})
          for sku, product in world.products.items() for lot in sorted(product.lots or ())),
        ("reason.upsert", {"code": "own", "description": "The account's own."}),
        *(("location.create", {"warehouse_id": warehouse, "location_id": place, "name": f"name of {place}",
                               "sellable": sellable})
          for (warehouse, place), sellable in world.sellable.items() if place != UNASSIGNED),
        *(("channel.link", {"channel": channel, "external_location_id": location, "warehouse_id": link.warehouse,
                            "master": link.master})
          for (channel, location), link in world.channels.items()),
        ("account.link", {"provider_account_id": provider, "scope": world.scope}),
    ]  # fmt: skip


def opening_stock() -> list[tuple[str, dict[str, Any]]]:
    """Some of everything in every place; some of it is committed, but for b1 and b3, which can be emptied."""
    found: list[tuple[str, dict[str, Any]]] = []
    for warehouse_id, bins in BINS.items():
        places: list[dict[str, Any]] = [{}, *({"location_id": name} for name in bins)]
        lines = [{**what, **place, "quantity": 9} for what in GOODS for place in places]
        whole = {"warehouse_id": warehouse_id, "document": "D-0"}
        found.append(("purchase_order.received", {**whole, "lines": lines}))
        free = ("b1", "b3")
        promised = [{**line, "quantity": 4} for line in lines if line.get("location_id") not in free]
        found.append(("order.allocated", {**whole, "lines": promised}))
    return found


GOODS: list[dict[str, Any]] = [{"sku": "A"}, {"sku": "B"}, {"sku": "L", "lot_id": "l1"}, {"sku": "L", "lot_id": "l2"}]
_ODD_GOODS: list[dict[str, Any]] = [
    {"sku": "ONLY"}, {"sku": "GONE"}, {"sku": "L"}, {"sku": "L", "lot_id": "l9"}, {"sku": "A", "lot_id": "l1"},
]  # fmt: skip


def seldom(chance: Random, one_in: int = 20) -> bool:
    """True once in so many times."""
    return chance.randrange(one_in) == 0


def goods(chance: Random) -> dict[str, Any]:
    """A SKU, with a lot where it needs one; seldom one that does not go."""
    return chance.choice(_ODD_GOODS if seldom(chance) else GOODS)


def warehouse(chance: Random) -> str:
    """A warehouse, seldom one that there is not."""
    return "gone" if seldom(chance, 40) else chance.choice(["dyn", "dyn", "sta", "neg"])


def there(chance: Random, warehouse_id: str, name: str = "location_id") -> dict[str, Any]:
    """A location's field, left out for the unassigned bin; seldom one that the warehouse does not have."""
    known: list[str | None] = ["b4", "b1", UNASSIGNED] if seldom(chance) else [None, *BINS.get(warehouse_id, ())]
    found = chance.choice(known)
    return {name: found} if found else {}


def place(chance: Random) -> dict[str, Any]:
    """A level."""
    found = warehouse(chance)
    return {"warehouse_id": found, **goods(chance), **there(chance, found)}


def units(chance: Random, least: int = 1) -> int:
    """A quantity: small, so that stock runs out and guesses are right now and then."""
    return chance.randint(least, chance.choice([3, 6, 20]))


def guards(chance: Random) -> dict[str, Any]:
    """Seldom a belief about the level."""
    if not seldom(chance, 6):
        return {}
    if chance.random() < 0.5:
        return {"expected_quantity": chance.randint(-2, 9)}
    return {"expected_version": chance.randint(0, 4)}
