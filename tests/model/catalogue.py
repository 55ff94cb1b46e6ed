"""What the commands of the catalogue do to the model's world, by the docstrings of schemas/commands."""

from tests.model.sent import Data, Sent
from tests.model.world import UNASSIGNED, Link, Product, Refused, World


def create_location(world: World, sent: Sent, data: Data) -> None:
    warehouse, location = data["warehouse_id"], data["location_id"]
    if warehouse not in world.warehouses:
        raise Refused("UNKNOWN_WAREHOUSE")
    if world.warehouses[warehouse].static:
        raise Refused("LOCATION_NOT_ALLOWED")
    layout = world.warehouses[warehouse].layout
    if layout and layout.count(" - ") != data["name"].count(" - "):
        world.codes.add("LOCATION_NAME_LAYOUT")
    if (warehouse, location) in world.sellable:
        raise Refused("LOCATION_EXISTS")
    world.sellable[warehouse, location] = data.get("sellable", True)


def update_location(world: World, _: Sent, data: Data) -> None:
    place = data["warehouse_id"], data["location_id"]
    if place[0] not in world.warehouses:
        raise Refused("UNKNOWN_WAREHOUSE")
    if place not in world.sellable:
        raise Refused("UNKNOWN_LOCATION", *(["LOCATION_NOT_ALLOWED"] if world.warehouses[place[0]].static else []))
    if data.get("sellable") is False and place[1] == UNASSIGNED:
        raise Refused("LOCATION_IS_BUILT_IN")
    if data.get("sellable") is not None:
        world.sellable[place] = data["sellable"]


def upsert_warehouse(world: World, _: Sent, data: Data) -> None:
    """Of a warehouse that there is: the tests create none on the way."""
    name = data["warehouse_id"]
    rules, negative = world.warehouses[name], data.get("allow_negative")
    if data.get("slotting") not in {None, "static" if rules.static else "dynamic"}:
        world.codes.add("SLOTTING_IS_FIXED")
    debts = any(key.warehouse == name and level.of("available") < 0 for key, level in world.levels.items())
    if negative is False and rules.negative and debts:
        world.codes.add("NEGATIVE_STOCK_EXISTS")
    said = {"negative": negative, "layout": data.get("location_layout")}
    world.warehouses[name] = rules._replace(**{key: value for key, value in said.items() if value is not None})


def upsert_product(world: World, _: Sent, data: Data) -> None:
    names = data.get("warehouse_ids")
    product = world.products.get(data["sku"], Product())
    if data.get("lot_tracked") not in {None, product.lots is not None}:
        raise Refused("LOT_TRACKING_IS_FIXED")
    world.products[data["sku"]] = product._replace(warehouses=None if names is None else frozenset(names))


def link_channel(world: World, _: Sent, data: Data) -> None:
    location, warehouse = (data["channel"], data["external_location_id"]), data["warehouse_id"]
    present, master = world.channels.get(location), data.get("master", False)
    if warehouse not in world.warehouses:
        raise Refused("UNKNOWN_WAREHOUSE")
    if present and present.warehouse != warehouse:
        world.codes.add("CHANNEL_LOCATION_LINKED")
    if master and any(link.master for other, link in world.channels.items() if other != location):
        world.codes.add("MASTER_EXISTS")
    if master and not (present and present.master):
        world.requests = (*world.requests, (*location, warehouse))
    world.channels[location] = Link(warehouse, master)


def unlink_channel(world: World, _: Sent, data: Data) -> None:
    if world.channels.pop((data["channel"], data["external_location_id"]), None) is None:
        raise Refused("UNKNOWN_CHANNEL_LOCATION")


def link_account(world: World, _: Sent, data: Data) -> None:
    world.scope = data.get("scope", "write")


def unlink_account(world: World, _: Sent, data: Data) -> None:
    world.scope = None
