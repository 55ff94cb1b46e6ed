"""Products, their vendors and their lots."""

from collections.abc import Sequence
from datetime import date

import psycopg

from pipeline.commands.catalogue.kinds import of_kind
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid, TryLater
from pipeline.store import catalogue as store
from pipeline.store.catalogue import LotKey, Product, ProductKey, VendorKey
from pipeline.store.commands import Outcome
from schemas.commands.catalogue import UpsertLot, UpsertProduct, UpsertVendor
from schemas.errors import ErrorCode


def upsert_vendors(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Create vendors; the last name stands."""
    orders = of_kind(received, UpsertVendor)
    if orders:
        store.upsert_vendors(connection, {VendorKey(c.owner, c.vendor_id): c.name for _, c in orders})
    return [delivery.applied() for delivery, _ in orders]


def upsert_products(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Create and change products. Of several commands for one the last stands, with what earlier ones said besides."""
    orders = of_kind(received, UpsertProduct)
    if not orders:
        return []
    tracked = store.lot_tracking(connection, {ProductKey(c.owner, c.sku) for _, c in orders})
    vendors = {VendorKey(c.owner, v.vendor_id) for _, c in orders for v in c.vendors or ()}
    known = store.known_vendors(connection, vendors) if vendors else set()
    outcomes: list[Outcome] = []
    products: dict[ProductKey, Product] = {}
    for delivery, command in orders:
        if refusal := _refusal(command, tracked, known):
            outcomes.append(delivery.rejected(refusal))
        else:
            key = ProductKey(command.owner, command.sku)
            tracked.setdefault(key, bool(command.lot_tracked))
            products[key] = _changed(products.get(key), command, lot_tracked=tracked[key])
            outcomes.append(delivery.applied())
    if products and store.upsert_products(connection, list(products.values())) < len(products):
        raise TryLater("another worker created the same product with another lot tracking")
    store.replace_product_vendors(connection, products.values())
    return outcomes


def upsert_lots(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> list[Outcome]:
    """Create lots of products that are tracked by lot; the last expiry that is said stands."""
    orders = of_kind(received, UpsertLot)
    if not orders:
        return []
    tracked = store.lot_tracking(connection, {ProductKey(c.owner, c.sku) for _, c in orders})
    outcomes: list[Outcome] = []
    lots: dict[LotKey, date | None] = {}
    for delivery, command in orders:
        lot_tracked = tracked.get(ProductKey(command.owner, command.sku))
        if lot_tracked is None:
            outcomes.append(delivery.rejected(Invalid(ErrorCode.UNKNOWN_SKU, command.sku)))
        elif not lot_tracked:
            outcomes.append(delivery.rejected(Invalid(ErrorCode.LOT_NOT_ALLOWED, command.sku)))
        else:
            key = LotKey(command.owner, command.sku, command.lot_id)
            lots[key] = command.expires_on or lots.get(key)
            outcomes.append(delivery.applied())
    if lots:
        store.upsert_lots(connection, lots)
    return outcomes


def _refusal(command: UpsertProduct, tracked: dict[ProductKey, bool], known_vendors: set[VendorKey]) -> Invalid | None:
    is_tracked = tracked.get(ProductKey(command.owner, command.sku))
    if None not in {is_tracked, command.lot_tracked} and is_tracked != command.lot_tracked:
        return Invalid(ErrorCode.LOT_TRACKING_IS_FIXED, command.sku)
    unknown = [v.vendor_id for v in command.vendors or () if VendorKey(command.owner, v.vendor_id) not in known_vendors]
    if unknown:
        return Invalid(ErrorCode.UNKNOWN_VENDOR, ", ".join(unknown))
    return None


def _changed(before: Product | None, command: UpsertProduct, *, lot_tracked: bool) -> Product:
    """What the product is to become, after what earlier commands of the batch made of it."""
    name = command.name or (before.name if before else None)
    vendors = before.vendors if before else None
    if command.vendors is not None:
        vendors = {vendor.vendor_id: vendor.vendor_sku for vendor in command.vendors}
    return Product(ProductKey(command.owner, command.sku), name, command.warehouse_ids, lot_tracked, vendors)
