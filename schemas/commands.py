"""Commands: orders that upstream systems give, each the data of one CloudEvent whose `type` is the command's name.

The CloudEvents `id` is the command id: the same id is carried out at most once for an account.
"""

from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from schemas.identifiers import (
    AccountIdField,
    LocationIdField,
    LocationName,
    PositiveQuantity,
    Quantity,
    SkuField,
    Text,
    WarehouseIdField,
)
from schemas.states import Slotting


class Command(BaseModel):
    """What every command says. Unknown fields are refused: a misspelt one must not silently mean nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    TYPE: ClassVar[str]

    account_id: AccountIdField
    actor: Text | None = None


class UpsertWarehouse(Command):
    """Create a warehouse, or change its name and rules. Its slotting stays what it was created with."""

    TYPE = "warehouse.upsert"

    warehouse_id: WarehouseIdField
    name: Text
    slotting: Slotting = Slotting.DYNAMIC
    allow_negative: bool = False


class UpsertProduct(Command):
    """Create a product or change it. `warehouse_ids` None: available in every warehouse of the account."""

    TYPE = "product.upsert"

    sku: SkuField
    name: Text | None = None
    warehouse_ids: tuple[WarehouseIdField, ...] | None = None


class CreateLocation(Command):
    """Create a bin of a warehouse with dynamic slotting. Uploads name it by `name`, commands by `location_id`."""

    TYPE = "location.create"

    warehouse_id: WarehouseIdField
    location_id: LocationIdField
    name: LocationName
    zone: Text | None = None
    type: Text | None = None
    pickable: bool = True
    sellable: bool = True


class InventoryCommand(Command):
    """What every change of stock says. No location: the warehouse's unassigned bin."""

    warehouse_id: WarehouseIdField
    sku: SkuField
    location_id: LocationIdField | None = None
    reason: Text | None = None


class AddInventory(InventoryCommand):
    """Add `quantity` units to what is available."""

    TYPE = "inventory.add"

    quantity: PositiveQuantity


class RemoveInventory(InventoryCommand):
    """Take `quantity` units from what is available."""

    TYPE = "inventory.remove"

    quantity: PositiveQuantity


class ReplaceInventory(InventoryCommand):
    """The location was counted and holds `quantity` units: on_hand becomes it, the difference goes to available."""

    TYPE = "inventory.replace"

    quantity: Quantity


CatalogueCommand = UpsertWarehouse | UpsertProduct | CreateLocation
StockCommand = AddInventory | RemoveInventory | ReplaceInventory
AnyCommand = CatalogueCommand | StockCommand

COMMANDS: Final[dict[str, type[AnyCommand]]] = {
    command.TYPE: command
    for command in (UpsertWarehouse, UpsertProduct, CreateLocation, AddInventory, RemoveInventory, ReplaceInventory)
}
"""Every command by its CloudEvents type."""
