"""Commands that keep the catalogue: accounts, warehouses, locations, products, lots, vendors, reasons."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from schemas.commands.base import Command, Contract, Note, ReasonCode
from schemas.identifiers import (
    AccountIdField,
    DocumentId,
    LocationIdField,
    LocationName,
    LotIdField,
    SkuField,
    Text,
    WarehouseIdField,
)
from schemas.reasons import BUILT_IN
from schemas.states import Slotting
from schemas.uploads import ColumnMeaning, ColumnName, DecimalMark, Encoding, RowAction

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Scope(StrEnum):
    """What a linked provider may do with a customer's stock. WRITE includes READ."""

    READ = "read"
    WRITE = "write"


class UpsertAccount(Command):
    """Give an account its name. An account that has none exists as soon as it has a warehouse or a product.

    `upload_columns` says what the account's CSV files call the columns, as in {"Artikelnummer": "sku"}; "ignore" leaves
    a column out. None leaves that as it is, an empty one removes it.

    `upload_encoding`, `upload_decimal` and `upload_action` are for files whose request does not say so: those that are
    dropped into the bucket. None leaves them as they are, an empty text removes them.
    """

    TYPE = "account.upsert"

    customer_account_id: None = None
    name: Text
    upload_columns: Annotated[dict[ColumnName, ColumnMeaning], Field(max_length=50)] | None = None
    upload_encoding: Encoding | Literal[""] | None = None
    upload_decimal: DecimalMark | Literal[""] | None = None
    upload_action: RowAction | Literal[""] | None = None


class LinkAccount(Command):
    """The customer `account_id` lets the provider `provider_account_id` (a 3PL) act on its stock.

    Only the owner of the stock can give this. Sent again, it changes the scope.
    """

    TYPE = "account.link"

    customer_account_id: None = None
    provider_account_id: AccountIdField
    scope: Scope = Scope.WRITE

    @model_validator(mode="after")
    def _names_another(self) -> "LinkAccount":
        if self.provider_account_id == self.account_id:
            raise ValueError("provider_account_id is the account itself, which needs no link")
        return self


class UnlinkAccount(Command):
    """The customer takes the provider's rights back."""

    TYPE = "account.unlink"

    customer_account_id: None = None
    provider_account_id: AccountIdField


Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
LayoutName = Annotated[str, StringConstraints(max_length=100, pattern=r"^([A-Za-z0-9_]+( - [A-Za-z0-9_]+)*)?$")]


class UpsertWarehouse(Command):
    """Create a warehouse, or change its name and rules. Its slotting stays what it was created with.

    What is not given stays as it is; a new warehouse is dynamic, allows no negative stock and has no layout.
    `allow_negative` lets what is available fall below zero. `location_layout` names the parts of a location name, as in
    `area - unit - shelf - bin`; names of new locations must then have as many parts. An empty one removes it.
    `max_zeroed_percent` and `max_missing_percent` are the warehouse's own wipe guard: a CSV sync is held for approval
    that would empty more than this share of its levels with stock, or leaves out more than this share of its SKUs with
    stock. 100 holds none.
    """

    TYPE = "warehouse.upsert"

    warehouse_id: WarehouseIdField
    name: Text
    slotting: Slotting | None = None
    allow_negative: bool | None = None
    location_layout: LayoutName | None = None
    max_zeroed_percent: Percent | None = None
    max_missing_percent: Percent | None = None


class ProductVendor(Contract):
    """Who supplies a product, and under which number."""

    vendor_id: DocumentId
    vendor_sku: Text | None = None


class UpsertProduct(Command):
    """Create a product or change it. `warehouse_ids` None: available in every warehouse of the account.

    `name` and `vendors` None leave them as they are. Whether a product is tracked by lot stays as it was created; None:
    as it is, and not for a new one.
    """

    TYPE = "product.upsert"

    sku: SkuField
    name: Text | None = None
    warehouse_ids: tuple[WarehouseIdField, ...] | None = None
    lot_tracked: bool | None = None
    vendors: Annotated[tuple[ProductVendor, ...], Field(max_length=100)] | None = None

    @field_validator("vendors")
    @classmethod
    def _are_different(cls, vendors: tuple[ProductVendor, ...] | None) -> tuple[ProductVendor, ...] | None:
        if vendors and len({vendor.vendor_id for vendor in vendors}) < len(vendors):
            raise ValueError("names a vendor twice")
        return vendors


class UpsertVendor(Command):
    """Create a vendor or change its name."""

    TYPE = "vendor.upsert"

    vendor_id: DocumentId
    name: Text


def _is_written_as_date(value: object) -> object:
    """Numbers are refused: 20271231 would be read as seconds since 1970."""
    if not isinstance(value, date) and not (isinstance(value, str) and _DATE.fullmatch(value)):
        raise ValueError("must be a date as in 2027-12-31")
    return value


class UpsertLot(Command):
    """Create a lot of a product that is tracked by lot, or change its expiry; None leaves that as it is."""

    TYPE = "lot.upsert"

    sku: SkuField
    lot_id: LotIdField
    expires_on: Annotated[date, BeforeValidator(_is_written_as_date)] | None = None


class UpsertReason(Command):
    """Register a reason of the account's own for changes of stock."""

    TYPE = "reason.upsert"

    code: ReasonCode
    description: Note

    @field_validator("code")
    @classmethod
    def _is_not_built_in(cls, code: str) -> str:
        if code in BUILT_IN:
            raise ValueError("is a reason that every account has")
        return code


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


class UpdateLocation(Command):
    """Change what is given of a bin; the rest stays as it is. A name is changed by `location.rename`."""

    TYPE = "location.update"

    warehouse_id: WarehouseIdField
    location_id: LocationIdField
    zone: Text | None = None
    type: Text | None = None
    pickable: bool | None = None
    sellable: bool | None = None


class RenameLocation(Command):
    """Give a bin another name."""

    TYPE = "location.rename"

    warehouse_id: WarehouseIdField
    location_id: LocationIdField
    name: LocationName


class DeleteLocation(Command):
    """Delete a bin. One that holds stock is only deleted with `remove_inventory`, which takes the stock out first."""

    TYPE = "location.delete"

    warehouse_id: WarehouseIdField
    location_id: LocationIdField
    remove_inventory: bool = False
    reason: ReasonCode | None = None
    note: Note | None = None


CATALOGUE_COMMANDS: tuple[type[Command], ...] = (
    UpsertAccount, LinkAccount, UnlinkAccount, UpsertWarehouse, UpsertProduct, UpsertVendor, UpsertLot, UpsertReason,
    CreateLocation, UpdateLocation, RenameLocation, DeleteLocation,
)  # fmt: skip
