"""The snapshot document: an account's stock at one instant, as products → warehouses → locations."""

from datetime import datetime
from uuid import UUID

from schemas.events import Fact


class LocationStock(Fact):
    """One level: all its states, in units."""

    location_id: str
    name: str
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


class ProductStock(Fact):
    """A product and its stock by warehouse id."""

    name: str | None
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
