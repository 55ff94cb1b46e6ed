"""Batches in which the order of the commands matters: what one relies on, a later one changes."""

from typing import Any, Final

from tests.model.account import Delivery

Order = tuple[str, dict[str, Any]]

_HERE: Final = {"warehouse_id": "dyn", "sku": "A"}
_BIN: Final = {"warehouse_id": "dyn", "location_id": "b1"}
_NEW: Final = {"warehouse_id": "dyn", "sku": "N"}
_MASTER: Final = {"channel": "shop", "external_location_id": "x1"}
_OTHER: Final = {"channel": "mart", "external_location_id": "x1"}
_SHIPPED: Final[Order] = (
    "transfer.shipped",
    {"transfer_id": "t", "from_warehouse_id": "dyn", "to_warehouse_id": "neg", "lines": [{"sku": "B", "quantity": 5}]},
)
_DEBT: Final[Order] = ("inventory.remove", {"warehouse_id": "neg", "sku": "B", "quantity": 7})
_SOLID: Final[Order] = ("warehouse.upsert", {"warehouse_id": "neg", "name": "neg", "allow_negative": False})
_CLOSED: Final[Order] = ("location.update", {**_BIN, "sellable": False})
_GONE: Final[Order] = ("location.delete", {**_BIN, "remove_inventory": True})
_ARRIVED: Final[Order] = ("transfer.received", {"transfer_id": "t"})


def _counts(location: dict[str, Any], available: int, sku: str = "A") -> Order:
    return "channel.counts", {**location, "counts": [{"sku": sku, "available": available}]}


def _order(event: str, document: str, *quantities: int) -> Order:
    lines = [{"sku": "A", "location_id": "b1", "quantity": quantity} for quantity in quantities]
    return f"order.{event}", {"warehouse_id": "dyn", "document": document, "lines": lines}


def _sold_in(*warehouses: str, sku: str = "A") -> Order:
    return "product.upsert", {"sku": sku, "warehouse_ids": list(warehouses)}


_BATCHES: Final[dict[str, list[list[Order]]]] = {
    "a removal, and then its product leaves the warehouse": [
        [("inventory.remove", {**_HERE, "quantity": 1}), _sold_in("sta")]
    ],
    "stock of a product before it is created, and after": [
        [("inventory.add", {**_NEW, "quantity": 1}), ("product.upsert", {"sku": "N"}),
         ("inventory.add", {**_NEW, "quantity": 1})]
    ],
    "a bin is deleted, created and filled": [
        [_GONE, ("location.create", {**_BIN, "name": "name of b1"}),
         ("inventory.add", {**_HERE, "location_id": "b1", "quantity": 1})]
    ],
    "a bin is deleted, and another one gets its name": [
        [_GONE, ("location.create", {**_BIN, "location_id": "b9", "name": "name of b1"})]
    ],
    "a bin is deleted, and then closed for sale": [[_GONE, _CLOSED]],
    "a bin is kept from being deleted by an order until it is cancelled": [
        [_order("allocated", "S-1", 2), _GONE, _order("cancelled", "S-1", 2), _GONE,
         ("location.create", {**_BIN, "name": "name of b1"})]
    ],
    "orders are allocated, shipped and cancelled, some of them twice and some too early": [
        [_order("shipped", "S-1", 1), _order("allocated", "S-1", 3), _order("allocated", "S-2", 2),
         _order("cancelled", "S-1", 2), _order("cancelled", "S-1", 2), _order("shipped", "S-1", 1),
         _order("cancelled", "S-1", 1), _order("shipped", "S-2", 2), _order("cancelled", "S-2", 2)],
        [_order("allocated", "S-1", 1), _order("shipped", "S-1", 1, 1), _order("shipped", "S-1", 1)],
    ],
    "a count of the warehouse, and then a bin is closed for sale": [
        [("inventory.set", {**_HERE, "state": "available", "quantity": 3, "whole_warehouse": True}), _CLOSED]
    ],
    "a channel's count, and then a bin is closed for sale": [[_counts(_MASTER, 2), _CLOSED]],
    "a channel's count, and then its product leaves": [[_counts(_MASTER, 2), _sold_in("sta")]],
    "a channel's count, and then its location goes to another warehouse": [
        [_counts(_MASTER, 2), ("channel.unlink", _MASTER), ("channel.link", {**_MASTER, "warehouse_id": "neg"}),
         _counts(_MASTER, 2)]
    ],
    "a debt is made, and then none is allowed": [[_DEBT, _SOLID]],
    "a debt is allowed, made, and then none is allowed": [
        [("warehouse.upsert", {"warehouse_id": "dyn", "name": "dyn", "allow_negative": True}),
         ("inventory.remove", {**_HERE, "quantity": 99}),
         ("warehouse.upsert", {"warehouse_id": "dyn", "name": "dyn", "allow_negative": False})]
    ],
    "a debt is paid by goods that arrive, and then none is allowed": [[_SHIPPED, _DEBT], [_ARRIVED, _SOLID]],
    "a debt is paid by a channel's count, and then none is allowed": [
        [("channel.link", {**_OTHER, "warehouse_id": "neg"}), _DEBT], [_counts(_OTHER, 9, "B"), _SOLID]
    ],
    "goods arrive in another bin, and then their product leaves": [
        [_SHIPPED],
        [("transfer.received", {"transfer_id": "t", "lines": [{"sku": "B", "quantity": 1, "location_id": "n1"}]}),
         _sold_in("dyn", sku="B")],
    ],
    "a product leaves, and then goods arrive that were on their way": [
        [_SHIPPED], [_sold_in("dyn", sku="B"), _ARRIVED]
    ],
    "a bin is kept from being deleted by a schedule that is cancelled": [
        [("inventory.schedule", {**_HERE, "location_id": "b1", "quantity": 1, "due_at": "2101-01-01T09:00:00Z",
                                 "schedule_id": "s"}), _GONE],
        [("inventory.cancel-schedule", {"schedule_id": "s"}), _GONE,
         ("location.create", {**_BIN, "name": "name of b1"})],
    ],
    "more levels than a result lists": [
        [("channel.counts", {**_MASTER, "counts": [{"sku": f"N{n}", "available": 1} for n in range(600)]})]
    ],
}  # fmt: skip


def _numbered(batches: list[list[Order]]) -> list[list[Delivery]]:
    return [[Delivery(f"{b}-{n}", *order) for n, order in enumerate(batch)] for b, batch in enumerate(batches)]


_ONE: Final = Delivery("one", "inventory.add", {**_HERE, "quantity": 1})
_TOO_MANY: Final = Delivery("two", "inventory.remove", {**_HERE, "quantity": 999})

BATCHES: Final[dict[str, list[list[Delivery]]]] = {
    **{name: _numbered(batches) for name, batches in _BATCHES.items()},
    "repeats in one batch": [[_ONE, _TOO_MANY, _ONE, _ONE, _TOO_MANY, _ONE._replace(data={**_HERE, "quantity": 2})]],
    "repeats on both sides of a change": [[_ONE, _numbered([[_sold_in("sta")]])[0][0], _ONE, _TOO_MANY, _TOO_MANY]],
}
"""By what happens: the batches one after the other."""
