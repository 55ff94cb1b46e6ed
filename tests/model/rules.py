"""What each command does to the model's world, by the docstrings of schemas/commands."""

from collections.abc import Mapping

from tests.model.catalogue import (
    create_location,
    link_account,
    link_channel,
    unlink_account,
    unlink_channel,
    update_location,
    upsert_product,
    upsert_warehouse,
)
from tests.model.sent import Carry, Data, Sent
from tests.model.world import (
    MOVABLE,
    STATES,
    UNASSIGNED,
    Key,
    Level,
    Product,
    Refused,
    Schedule,
    Shipment,
    Step,
    World,
)


def add(world: World, sent: Sent, line: Data) -> None:
    key = sent.place(line)
    world.check(key)
    world.guard(key, "available", line)
    world.change(key, sent.reason, sent.document, available=line["quantity"])


def remove(world: World, sent: Sent, line: Data) -> None:
    key = sent.place(line)
    world.check(key)
    world.guard(key, "available", line)
    world.change(key, sent.reason, sent.document, available=-line["quantity"])


def set_quantity(world: World, sent: Sent, line: Data) -> None:
    """Replace, set and cycle count: a state, or all of them together, becomes a quantity; available makes up for it."""
    state = line.get("state", "on_hand")
    key = sent.place(line)
    world.check(key)
    quantity = line["counted"] if "counted" in line else line["quantity"]
    if line.get("whole_warehouse"):
        _set_warehouse(world, sent, line, key, state)
    else:
        world.guard(key, state, line)
        world.change(key, sent.reason, sent.document, available=quantity - world.level(key).of(state))


def _set_warehouse(world: World, sent: Sent, line: Data, key: Key, state: str) -> None:
    if world.faults(key):
        return
    everywhere = line.get("includes_non_sellable")
    keys = [
        key._replace(location=location)
        for (warehouse, location), sellable in sorted(world.sellable.items())
        if warehouse == key.warehouse and (sellable or everywhere)
    ]
    keys.sort(key=lambda each: (each.location != UNASSIGNED, each.location))
    total = sum(world.level(each).of(state) for each in keys)
    if line.get("expected_quantity") not in {None, total}:
        raise Refused("STALE_QUANTITY")
    missing = line["quantity"] - total
    deltas = dict.fromkeys(keys, 0)
    for each in keys if missing < 0 else ():
        taken = min(-missing, max(world.level(each).of("available"), 0))
        deltas[each] -= taken
        missing += taken
    deltas[key] += missing  # more goes to the unassigned bin, and it owes what no bin had
    for each, delta in deltas.items():
        world.change(each, sent.reason, sent.document, available=delta)


def count_by_channel(world: World, sent: Sent, data: Data) -> None:
    """Counts of products that the warehouse cannot take are left out; the master's may be new."""
    link = world.channels.get((data["channel"], data["external_location_id"]))
    if link is None:
        raise Refused("UNKNOWN_CHANNEL_LOCATION")
    for count in data["counts"]:
        key = Key(link.warehouse, count["sku"], UNASSIGNED, "")
        if link.master:
            world.products.setdefault(key.sku, Product())
        if not world.faults(key):
            _set_warehouse(world, sent, {"quantity": count["available"]}, key, "available")


def adjust(world: World, sent: Sent, line: Data) -> None:
    key, state = sent.place(line), line.get("state", "available")
    world.check(key)
    if state not in MOVABLE:
        raise Refused("STATE_NOT_ADJUSTABLE")
    world.guard(key, state, line)
    world.change(key, sent.reason, sent.document, **{state: line["delta"]})


def move(world: World, sent: Sent, line: Data) -> None:
    key, source, target = sent.place(line), line["from_state"], line["to_state"]
    world.check(key)
    if source not in MOVABLE or target not in MOVABLE or source == target:
        raise Refused("MOVE_NOT_ALLOWED")
    world.guard(key, source, line)
    world.change(key, sent.reason, sent.document, **{source: -line["quantity"], target: line["quantity"]})


def transfer(world: World, sent: Sent, line: Data) -> None:
    """Transfer between places; putaway and replenishment are that within one warehouse."""
    inside = "warehouse_id" in sent.data
    source = sent.place(line, "warehouse_id" if inside else "from_warehouse_id", "from_location_id")
    target = sent.place(line, "warehouse_id" if inside else "to_warehouse_id", "to_location_id")
    state = line.get("state", "available")
    world.check(source, target)
    if source == target:
        world.codes.add("SAME_LOCATION")
    if state not in MOVABLE:
        world.codes |= {"STATE_NOT_ADJUSTABLE", "MOVE_NOT_ALLOWED"}  # neither word fits better than the other
    world.guard(source, state, line)
    world.change(source, sent.reason, sent.document, **{state: -line["quantity"]})
    world.change(target, sent.reason, sent.document, **{state: line["quantity"]})


def schedule(world: World, sent: Sent, line: Data) -> None:
    key, lines = sent.place(line), sent.data.get("lines")
    number = f"{sent.schedule_id}:{lines.index(line) + 1}" if lines else sent.schedule_id
    name = line.get("schedule_id") or number
    world.check(key)
    if name in world.schedules:
        world.codes.add("SCHEDULE_EXISTS")
    world.guard(key, "incoming", line)
    world.schedules[name] = Schedule(key, line["quantity"], line["due_at"])
    world.change(key, sent.reason, sent.document, incoming=line["quantity"])


def cancel_schedule(world: World, sent: Sent, line: Data) -> None:
    found = world.schedules.get(line["schedule_id"])
    if found is None:
        raise Refused("UNKNOWN_SCHEDULE")
    if found.status != "pending":
        raise Refused("SCHEDULE_CLOSED")
    world.schedules[line["schedule_id"]] = found._replace(status="cancelled")
    world.change(found.key, sent.reason, sent.document, incoming=-found.quantity)


def apply_due(world: World, now: str) -> dict[str, Step]:
    """What the scheduler does: the step of each schedule that is due, by its id."""
    done: dict[str, Step] = {}
    for name, found in sorted(world.schedules.items()):
        if found.status == "pending" and found.due_at <= now:
            world.schedules[name] = found._replace(status="applied")
            world.change(found.key, "", "", incoming=-found.quantity, available=found.quantity)
            done[name] = world.steps[-1]
    return done


def adjust_purchase(world: World, sent: Sent, line: Data) -> None:
    key, damaged = sent.place(line), line.get("damaged", 0)
    world.check(key)
    world.change(key, "correction", sent.document, available=line.get("delta", 0))
    world.change(key, "damaged", sent.document, available=-damaged, damaged=damaged)


def allocate(world: World, sent: Sent, line: Data) -> None:
    key, units = sent.place(line), line["quantity"]
    world.check(key)
    world.change(key, sent.reason, sent.document, available=-units, committed=units)
    world.allocate(key, sent.document, units)


def ship(world: World, sent: Sent, line: Data) -> None:
    key = sent.place(line)
    world.check(key)
    state = "committed" if sent.data.get("allocated", True) else "available"
    if state == "committed":
        world.allocate(key, sent.document, -line["quantity"])
    world.change(key, sent.reason, sent.document, **{state: -line["quantity"]})


def cancel_order(world: World, sent: Sent, line: Data) -> None:
    key, units = sent.place(line), line["quantity"]
    world.check(key)
    world.allocate(key, sent.document, -units)
    world.change(key, sent.reason, sent.document, committed=-units, available=units)


def take_back(world: World, sent: Sent, line: Data) -> None:
    key, state = sent.place(line), line.get("state", "available")
    world.check(key)
    reason = {"available": "restock"}.get(state, state)
    world.change(key, reason, sent.document, **{state: line["quantity"]})


def ship_transfer(world: World, sent: Sent, line: Data) -> None:
    source = sent.place(line, "from_warehouse_id", "from_location_id")
    target = sent.place(line, "to_warehouse_id", "to_location_id")
    world.check(source, target)
    world.change(source, sent.reason, sent.document, available=-line["quantity"])
    world.change(target, sent.reason, sent.document, incoming=line["quantity"])
    name = sent.data["transfer_id"]
    world.transfers[name] = (*world.transfers.get(name, ()), Shipment(target, line["quantity"]))


def receive_transfer(world: World, sent: Sent, data: Data) -> None:
    """Here a line of the message is one SKU (and lot) of the transfer: the tests ship none of them twice."""
    shipments = world.transfers.get(data["transfer_id"])
    if shipments is None:
        raise Refused("UNKNOWN_TRANSFER")
    if not any(shipment.open for shipment in shipments):
        raise Refused("TRANSFER_CLOSED")
    lines = data.get("lines")
    if lines is None:
        lines = [
            {"sku": s.key.sku, "lot_id": s.key.lot, "location_id": s.key.location, "quantity": s.open}
            for s in shipments if s.open
        ]  # fmt: skip
    left = {(s.key.sku, s.key.lot): s for s in shipments}
    for line in lines:
        _receive(world, sent, line, left)
    for name, shipment in left.items():
        if data.get("complete"):
            world.change(shipment.key, "shrinkage", sent.document, incoming=-shipment.open)
            left[name] = shipment._replace(open=0)
    world.transfers[data["transfer_id"]] = tuple(left.values())


def _receive(world: World, sent: Sent, line: Data, left: dict[tuple[str, str], Shipment]) -> None:
    name, units = (line["sku"], line.get("lot_id") or ""), line["quantity"]
    shipment = left.get(name)
    expected = shipment.key if shipment else next(iter(left.values())).key
    arrived = Key(expected.warehouse, name[0], line.get("location_id") or expected.location, name[1])
    if arrived != expected:  # what was announced may always arrive where it was
        world.check(arrived)
    if shipment is None or shipment.open < units:
        raise Refused("TRANSFER_EXCEEDED")
    if arrived == expected:
        world.change(expected, sent.reason, sent.document, incoming=-units, available=units)
    else:
        world.change(expected, sent.reason, sent.document, incoming=-units)
        world.change(arrived, sent.reason, sent.document, available=units)
    left[expected.sku, expected.lot] = shipment._replace(open=shipment.open - units)


def delete_location(world: World, sent: Sent, data: Data) -> None:
    place = (data["warehouse_id"], data["location_id"])
    warehouse = world.warehouses.get(place[0])
    if warehouse is None:
        raise Refused("UNKNOWN_WAREHOUSE")
    if place[1] == UNASSIGNED:
        raise Refused("LOCATION_IS_BUILT_IN")
    if place not in world.sellable:
        raise Refused("UNKNOWN_LOCATION", *(["LOCATION_NOT_ALLOWED"] if warehouse.static else []))
    held = {key: level for key, level in world.levels.items() if (key.warehouse, key.location) == place}
    stocked = {key: level for key, level in held.items() if any(map(level.of, STATES))}
    if any(level.of("incoming") or level.of("committed") for level in held.values()) or (
        stocked and not data.get("remove_inventory")
    ):
        raise Refused("LOCATION_NOT_EMPTY")
    for key, level in stocked.items():
        # Taking out what is there is no question of stock: also a debt goes.
        world.levels[key] = Level(level.version + 1, {})
        taken = {state: -level.of(state) for state in STATES if level.of(state)}
        world.steps.append(Step(key, level.version + 1, taken, sent.reason, ""))
    del world.sellable[place]


RULES: Mapping[str, tuple[Carry, str | None]] = {
    "inventory.add": (add, ""),
    "inventory.remove": (remove, ""),
    "inventory.replace": (set_quantity, ""),
    "inventory.set": (set_quantity, ""),
    "inventory.adjust": (adjust, ""),
    "inventory.move": (move, ""),
    "inventory.transfer": (transfer, ""),
    "inventory.schedule": (schedule, ""),
    "inventory.cancel-schedule": (cancel_schedule, ""),
    "purchase_order.received": (add, "received"),
    "purchase_order.adjusted": (adjust_purchase, ""),
    "order.allocated": (allocate, "reservation_created"),
    "order.shipped": (ship, "shipped"),
    "order.cancelled": (cancel_order, "reservation_deleted"),
    "return.processed": (take_back, ""),
    "cycle_count.completed": (set_quantity, "cycle_count_available"),
    "putaway.completed": (transfer, "movement_received"),
    "replenishment.completed": (transfer, "movement_received"),
    "transfer.shipped": (ship_transfer, "movement_created"),
    "transfer.received": (receive_transfer, "movement_received"),
    "channel.counts": (count_by_channel, None),
    "location.delete": (delete_location, ""),
    "location.create": (create_location, None),
    "location.update": (update_location, None),
    "warehouse.upsert": (upsert_warehouse, None),
    "product.upsert": (upsert_product, None),
    "channel.link": (link_channel, None),
    "channel.unlink": (unlink_channel, None),
    "account.link": (link_account, None),
    "account.unlink": (unlink_account, None),
}
"""What carries a command out, and the reason that its contract names."""
