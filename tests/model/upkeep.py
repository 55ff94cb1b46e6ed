"""Commands about the catalogue, drawn by chance: the world changes under the stock's feet."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.model.small_world import BINS, CHANNELS, seldom
from tests.model.world import UNASSIGNED

Draw = Callable[[Random, str], dict[str, Any]]


def _location(chance: Random, kind: str) -> dict[str, Any]:
    at = chance.choice(["sta", "gone"]) if seldom(chance) else chance.choice(["dyn", "neg"])
    names = ["b4", *BINS.get(at, ())]
    if kind == "location.create":
        name = chance.choice(names)
        return {
            "warehouse_id": at,
            "location_id": name,
            "name": chance.choice(["name of {}", "row - {}"]).format(name),
            "sellable": chance.random() < 0.5,
        }
    name = UNASSIGNED if seldom(chance) else chance.choice(names)
    return {"warehouse_id": at, "location_id": name, "remove_inventory": chance.random() < 0.7}


def _changed_location(chance: Random, _: str) -> dict[str, Any]:
    at = chance.choice([*BINS, "gone"])
    name = chance.choice([*BINS.get(at, ()), "b4", UNASSIGNED])
    said = {"zone": "north"} if seldom(chance, 4) else {"sellable": chance.random() < 0.5}
    return {"warehouse_id": at, "location_id": name, **said}


def _warehouse(chance: Random, _: str) -> dict[str, Any]:
    """Mostly about negative stock."""
    name = chance.choice(list(BINS))
    said: dict[str, Any] = {"warehouse_id": name, "name": f"{name} again"}
    wanted = chance.choice([True, False, False, None])
    said |= {} if wanted is None else {"allow_negative": wanted}
    if seldom(chance, 4):
        said["slotting"] = chance.choice(["static", "dynamic", None])
    if seldom(chance, 3):
        said["location_layout"] = chance.choice(["row - bin", "", None])
    return said


def _product(chance: Random, _: str) -> dict[str, Any]:
    """Mostly about where it is sold."""
    where = chance.choice([None, None, ["dyn"], ["dyn", "sta"], ["sta", "neg"], []])
    tracked = {"lot_tracked": chance.random() < 0.5} if seldom(chance, 4) else {}
    return {"sku": chance.choice(["A", "B", "L", "ONLY"]), "warehouse_ids": where, **tracked}


def _channel_location(chance: Random) -> dict[str, Any]:
    channel, location = chance.choice(CHANNELS)
    return {"channel": channel, "external_location_id": location}


def _link(chance: Random, _: str) -> dict[str, Any]:
    at = "gone" if seldom(chance) else chance.choice(list(BINS))
    return {**_channel_location(chance), "warehouse_id": at, "master": chance.random() < 0.5}


def _unlink(chance: Random, _: str) -> dict[str, Any]:
    return _channel_location(chance)


def _counts(chance: Random, _: str) -> dict[str, Any]:
    location = _channel_location(chance)
    new = f"NEW {location['channel']} {chance.choice([1, 2])}"  # no other channel has one of the name
    skus = chance.choices(["A", "B", "L", "ONLY", new], [4, 4, 1, 1, 2], k=chance.choice([1, 1, 2, 4]))
    return {**location, "counts": [{"sku": sku, "available": chance.randint(0, 30)} for sku in skus]}


LOCATIONS: dict[str, Draw] = {"location.create": _location, "location.delete": _location, "channel.counts": _counts}
"""What comes as often as changes of stock."""
UPKEEP: dict[str, Draw] = {
    "location.update": _changed_location,
    "warehouse.upsert": _warehouse,
    "product.upsert": _product,
    "channel.link": _link,
    "channel.unlink": _unlink,
}
RARE = [*UPKEEP, "warehouse.upsert", "location.update", "channel.link"]
"""What comes seldom."""


def trust(chance: Random) -> tuple[str, dict[str, Any]]:
    """What an account tells of its provider, without that one's id."""
    if seldom(chance, 3):
        return "account.unlink", {}
    return "account.link", chance.choice([{}, {"scope": "write"}, {"scope": "write"}, {"scope": "read"}])
