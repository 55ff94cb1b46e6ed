"""The snapshot document: an account's stock at one instant, as products → warehouses → locations and lots."""

from datetime import date, datetime
from uuid import UUID

from schemas.events import Fact


class LocationStock(Fact):
    """One level: all its states, in units. A location has one for each lot of a product that is tracked by lot."""

    location_id: str
    name: str
    lot_id: str | None
    expires_on: date | None
    version: int
    on_hand: int
    available: int
    committed: int
    reserved: int
    damaged: int
    safety_stock: int
    quality_control: int
    incoming: int


class WarehouseStock(Fact):
    """A product's stock in one warehouse."""

    on_hand: int
    available: int
    locations: tuple[LocationStock, ...]


class ProductVendor(Fact):
    """Who sells a product; `vendor_sku` is what the vendor calls it."""

    vendor_id: str
    name: str
    vendor_sku: str | None


class ProductStock(Fact):
    """A product and its stock by warehouse id."""

    name: str | None
    lot_tracked: bool
    vendors: tuple[ProductVendor, ...]
    warehouses: dict[str, WarehouseStock]


class Snapshot(Fact):
    """The whole document. `taken_at` is the instant of the one consistent read; products are keyed by SKU."""

    snapshot_id: UUID
    account_id: str
    warehouse_id: str | None
    has_inventory: bool
    updated_from: datetime | None
    taken_at: datetime
    products: dict[str, ProductStock]
