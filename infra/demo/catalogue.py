"""The catalogue of the demo: three warehouses, their bins, and numbered products."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.commands.base import Command
from schemas.commands.catalogue import CreateLocation, UpsertProduct, UpsertWarehouse
from schemas.identifiers import AccountId
from schemas.states import Slotting

ACCOUNT: Final = AccountId("acme")
MAIN: Final = "main"
"""Dynamic slotting: the uploads go here."""
RESERVE: Final = "reserve"
"""Dynamic slotting, too, and still empty."""
SHOP: Final = "shop"
"""Static slotting: stock without bins."""
BINS: Final = 200
SHOP_ONLY_SKU: Final = "SHOP-ONLY"
"""A product that `main` must not hold."""


@dataclass(frozen=True)
class Size:
    """How large the demo is. `seed` decides every quantity and the order of the rows."""

    rows: int = 200_000
    products: int = 20_000
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.products <= self.rows <= self.products * BINS:
            raise ValueError(f"rows must be between the number of products and {BINS} times that")


def sku(number: int) -> str:
    """Products are numbered from 1."""
    return f"SKU-{number:06d}"


def bin_id(number: int) -> str:
    """How commands name a bin; bins are numbered from 0."""
    return f"bin-{number:03d}"


def bin_name(number: int) -> str:
    """How uploads name it: what stands on the shelf."""
    return f"{'ABCD'[number // 50]}-{number // 5 % 10:02d}-{number % 5 + 1}"


def warehouses() -> list[Command]:
    """To be carried out before the rest."""
    slottings = {MAIN: Slotting.DYNAMIC, RESERVE: Slotting.DYNAMIC, SHOP: Slotting.STATIC}
    return [
        UpsertWarehouse(account_id=ACCOUNT, warehouse_id=warehouse, name=warehouse.capitalize(), slotting=slotting)
        for warehouse, slotting in slottings.items()
    ]


def bins_and_products(size: Size) -> Iterator[Command]:
    """The bins of both dynamic warehouses, and all products."""
    for warehouse in (MAIN, RESERVE):
        for n in range(BINS):
            yield CreateLocation(
                account_id=ACCOUNT, warehouse_id=warehouse, location_id=bin_id(n), name=bin_name(n), zone=bin_name(n)[0]
            )
    for n in range(1, size.products + 1):
        yield UpsertProduct(account_id=ACCOUNT, sku=sku(n), name=f"Product {n}")
    yield UpsertProduct(account_id=ACCOUNT, sku=SHOP_ONLY_SKU, name="Sold in the shop only", warehouse_ids=(SHOP,))
