"""Commands drawn by chance for the model's account: mostly sensible, some wrong in each way there is."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from tests.model.small_world import (
    BINS,
    DOCUMENTS,
    GOODS,
    HOURS,
    REASONS,
    SCHEDULES,
    TRANSFERS,
    goods,
    guards,
    instant,
    place,
    seldom,
    there,
    units,
    warehouse,
)
from tests.model.upkeep import LOCATIONS, RARE, UPKEEP
from tests.model.world import STATES, UNASSIGNED


def _counted(chance: Random) -> dict[str, Any]:
    line = {**place(chance), **guards(chance), "quantity": units(chance, 0)}
    if seldom(chance, 4):
        line.pop("location_id", None)
        line.pop("expected_version", None)
        line |= {
            "whole_warehouse": True,
            "includes_non_sellable": chance.random() < 0.5,
            "quantity": chance.randint(0, 60),
        }
    return line


def _moved(chance: Random) -> dict[str, Any]:
    usual = ["available", "available", "reserved", "damaged", "safety_stock", "quality_control"]
    states = {name: chance.choice(STATES if seldom(chance) else usual) for name in ("from_state", "to_state")}
    return {**place(chance), **guards(chance), **states, "quantity": units(chance)}


def _transferred(chance: Random) -> dict[str, Any]:
    ends = {f"{end}_warehouse_id": warehouse(chance) for end in ("from", "to")}
    return {
        **goods(chance), **guards(chance), **ends, "quantity": units(chance),
        **there(chance, ends["from_warehouse_id"], "from_location_id"),
        **there(chance, ends["to_warehouse_id"], "to_location_id"),
        **({"state": chance.choice(STATES)} if seldom(chance, 5) else {}),
    }  # fmt: skip


def _adjusted(chance: Random) -> dict[str, Any]:
    usual = ("available", "damaged", "reserved")
    return {
        **place(chance), **guards(chance), "delta": units(chance) * chance.choice([1, 1, -1]),
        "state": chance.choice(STATES if seldom(chance) else usual),
    }  # fmt: skip


def _scheduled(chance: Random) -> dict[str, Any]:
    name = {"schedule_id": chance.choice(SCHEDULES)} if chance.random() < 0.6 else {}
    due_at = instant(chance.randint(0, HOURS))
    return {**place(chance), **guards(chance), "quantity": units(chance), "due_at": due_at, **name}


def _moved_in_stock(chance: Random) -> dict[str, Any]:
    return {**place(chance), **guards(chance), "quantity": units(chance)}


STOCK: dict[str, Callable[[Random], dict[str, Any]]] = {
    "inventory.add": _moved_in_stock,
    "inventory.remove": _moved_in_stock,
    "inventory.replace": _counted,
    "inventory.set": lambda chance: {**_counted(chance), "state": chance.choice(["available", "on_hand"])},
    "inventory.adjust": _adjusted,
    "inventory.move": _moved,
    "inventory.transfer": _transferred,
    "inventory.schedule": _scheduled,
}
"""Lines of the commands that can have one or several."""


def _units_there(chance: Random, at: str) -> dict[str, Any]:
    return {**goods(chance), **there(chance, at), "quantity": units(chance)}


def _carried(chance: Random, at: str) -> dict[str, Any]:
    target = there(chance, at).get("location_id", UNASSIGNED)
    source = there(chance, at, "from_location_id")
    return {**goods(chance), **source, "to_location_id": target, "quantity": units(chance)}


LINE: dict[str, Callable[[Random, str], dict[str, Any]]] = {
    **dict.fromkeys(("purchase_order.received", "order.allocated", "order.shipped", "order.cancelled"), _units_there),
    **dict.fromkeys(("putaway.completed", "replenishment.completed"), _carried),
    "purchase_order.adjusted": lambda chance, at: {
        **goods(chance), **there(chance, at),
        **chance.choice([{"delta": 3}, {"delta": -2}, {"damaged": 2}, {"delta": 4, "damaged": 1}]),
    },
    "return.processed": lambda chance, at: {
        **_units_there(chance, at), **chance.choice([{}, {"state": "damaged"}, {"state": "quality_control"}]),
    },
    "cycle_count.completed": lambda chance, at: {
        **goods(chance), **there(chance, at), **guards(chance), "counted": units(chance, 0),
    },
}  # fmt: skip
"""Lines of the workflows of one warehouse."""


def _lines(chance: Random, line: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """One line or several; only the first one has guards, since the contract does not say what the others see."""
    found = [line() for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    for later in found[1:]:
        later.pop("expected_quantity", None)
        later.pop("expected_version", None)
    return found


def _stock(chance: Random, kind: str) -> dict[str, Any]:
    extra = {"reason": chance.choice([*REASONS, *REASONS, "nope"])} if seldom(chance, 3) else {}
    extra |= chance.choice([{}, {"document": "D-1", "note": "by hand", "actor": "clerk"}])
    lines = _lines(chance, lambda: STOCK[kind](chance))
    return {**extra, **(lines[0] if len(lines) == 1 else {"lines": lines})}


def _workflow(chance: Random, kind: str) -> dict[str, Any]:
    at = warehouse(chance)
    extra = {"allocated": chance.random() < 0.5} if kind == "order.shipped" else {}
    document = chance.choice(DOCUMENTS)
    return {"warehouse_id": at, "document": document, **extra, "lines": _lines(chance, lambda: LINE[kind](chance, at))}


def _shipped(chance: Random, _: str) -> dict[str, Any]:
    source, target = chance.sample(list(BINS), 2)
    lines = [
        {**goods(chance), "quantity": units(chance), **there(chance, source, "from_location_id"),
         **there(chance, target, "to_location_id")}
        for _ in range(chance.choice([1, 2, 3]))
    ]  # fmt: skip
    once = {(line["sku"], line.get("lot_id")): line for line in lines}
    return {
        "transfer_id": chance.choice(TRANSFERS), "document": "D-3", "from_warehouse_id": source,
        "to_warehouse_id": target, "lines": list(once.values()),
    }  # fmt: skip


def _received(chance: Random, _: str) -> dict[str, Any]:
    data: dict[str, Any] = {"transfer_id": chance.choice(TRANSFERS)}
    if chance.random() < 0.7:
        at = chance.choice(list(BINS))
        data["lines"] = [{**chance.choice(GOODS), "quantity": chance.randint(1, 3), **there(chance, at)}]
    return {**data, **({"complete": True} if chance.random() < 0.3 else {})}


def _cancelled(chance: Random, _: str) -> dict[str, Any]:
    return {"schedule_id": chance.choice(SCHEDULES)}


_KINDS: dict[str, Callable[[Random, str], dict[str, Any]]] = {
    **dict.fromkeys(STOCK, _stock), **dict.fromkeys(LINE, _workflow), **LOCATIONS,
    "inventory.cancel-schedule": _cancelled, "transfer.shipped": _shipped, "transfer.received": _received,
}  # fmt: skip
_FREQUENT = ["purchase_order.received", "transfer.shipped", "transfer.received", "transfer.received"]


def order(chance: Random) -> tuple[str, dict[str, Any]]:
    """The type and the data of a command, without its account."""
    kind = chance.choice(RARE if seldom(chance, 10) else [*_KINDS, *_FREQUENT])
    return kind, (_KINDS | UPKEEP)[kind](chance, kind)


def respelt(data: dict[str, Any]) -> dict[str, Any]:
    """The same in other words: another time zone, and null for what is not said."""
    lines = {"lines": [_in_another_zone(line) for line in data["lines"]]} if "lines" in data else {}
    return {"actor": None, **_in_another_zone(data), **lines}


def _in_another_zone(data: dict[str, Any]) -> dict[str, Any]:
    if "due_at" not in data:
        return data
    zone = timezone(timedelta(hours=5, minutes=30))
    return {**data, "due_at": datetime.fromisoformat(data["due_at"]).astimezone(zone).isoformat()}
