"""The exports of other systems: one table that says by which names each is known, and what its columns mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pipeline.uploads.meanings import CERTAIN, WATCHED, Sense, plain_name
from schemas.uploads import IGNORED, UploadColumn


@dataclass(frozen=True)
class Export:
    """A file as another system writes it.

    Args:
        name: what people call it.
        source: where its columns are described.
        signature: of each of these groups, one name must be in the header; none of `lacks` may be.
        columns: for each column of ours the names that mean it, the first one that is there before all others.
        ignored: other names of it that look as if they meant something to us, and do not.
        by_site: it has a column of quantities for each site: how those are named, `{}` being the site; the first one
            that is there before all others. With "{}" alone they are those that are not known by name.
        left: quantities, in lower case, by which a row leaves the stock as it is.
        tracked_by: a column that is empty where the system does not count the product: the row leaves the stock alone.
        advice: what people should know.
    """

    name: str
    source: str
    signature: tuple[tuple[str, ...], ...]
    columns: Mapping[UploadColumn, tuple[str, ...]]
    ignored: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    by_site: tuple[str, ...] = ()
    left: tuple[str, ...] = ("",)
    tracked_by: str | None = None
    advice: str = ""

    @cached_property
    def known(self) -> frozenset[str]:
        """The plain names that it gives a meaning, or none."""
        named = (name for names in (*self.columns.values(), self.ignored, *self.signature) for name in names)
        return frozenset(map(plain_name, (*named, self.tracked_by or "sku")))

    def is_in(self, names: Collection[str]) -> bool:
        """Whether a header with these plain names is one of it."""
        if any(plain_name(name) in names for name in self.lacks):
            return False
        if not all(any(plain_name(name) in names for name in group) for group in self.signature):
            return False
        return not self.by_site or bool(self.sites(tuple(names)))

    def sites(self, names: Sequence[str]) -> dict[int, tuple[int, str]]:
        """Which places hold quantities of a site: the rank of the column (0 is best), and the site's plain name."""
        found = {}
        for place, name in enumerate(names):
            for rank, template in enumerate(self.by_site):
                start = plain_name(template.replace("{}", ""))
                if name and name.startswith(start) and (start or (name not in self.known and _may_be_site(name))):
                    found[place] = (rank, name.removeprefix(start))
                    break
        return found


_OPTIONS: Final = tuple(f"Option{number} {what}" for number in (1, 2, 3) for what in ("Name", "Value", "Linked To"))
_NEW_QUANTITY: Final = (
    "Where its columns of new quantities are empty, nothing changes. To take what the system has now, map its column "
    "of current quantities to quantity."
)

EXPORTS: Final = (
    Export(
        name="Shopify inventory",
        source="https://help.shopify.com/en/manual/products/inventory/getting-started-with-inventory/inventory-csv",
        signature=(
            ("Handle",),
            ("SKU",),
            ("Location",),
            ("On hand (new)", "On hand (current)", "On hand", "Available (new)", "Available"),
        ),
        columns={
            UploadColumn.SKU: ("SKU",),
            UploadColumn.QUANTITY: ("On hand (new)", "On hand (current)", "On hand"),
            UploadColumn.WAREHOUSE: ("Location",),
            UploadColumn.LOCATION: ("Bin name",),
        },
        ignored=(
            *("Title", "HS Code", "COO", *_OPTIONS, "Incoming (not editable)", "Incoming", "Unavailable"),
            *("Unavailable (not editable)", "Committed (not editable)", "Committed", "Available (not editable)"),
            *("Available (new)", "Available"),
        ),
        left=("", "not stocked"),
        advice=_NEW_QUANTITY,
    ),
    Export(
        name="Shopify inventory, a column for each location",
        source="https://help.shopify.com/en/manual/products/inventory/getting-started-with-inventory/inventory-csv",
        signature=(("Handle",), ("Title",), ("SKU",), ("Option1 Name", "Option1 Value")),
        columns={UploadColumn.SKU: ("SKU",)},
        ignored=("HS Code", "COO", "Barcode", *_OPTIONS),
        lacks=("Location", "Quantity", "Qty", "On hand", "Available", "Variant SKU", "Variant Inventory Qty", "Vendor"),
        by_site=("{}",),
        left=("", "not stocked"),
    ),
    Export(
        name="Shopify products",
        source="https://help.shopify.com/en/manual/products/import-export/using-csv",
        signature=(("Handle",), ("Variant SKU",), ("Variant Inventory Qty",)),
        columns={
            UploadColumn.SKU: ("Variant SKU",),
            UploadColumn.QUANTITY: ("Variant Inventory Qty",),
        },
        ignored=("Title", "Type", "Custom Product Type", "Product Category", "Status", "Vendor", *_OPTIONS),
        tracked_by="Variant Inventory Tracker",
    ),
    Export(
        name="Shopify products, new names",
        source="https://help.shopify.com/en/manual/products/import-export/using-csv",
        signature=(("URL handle",), ("SKU",), ("Inventory quantity",)),
        columns={
            UploadColumn.SKU: ("SKU",),
            UploadColumn.QUANTITY: ("Inventory quantity",),
        },
        ignored=("Title", "Type", "Product category", "Status", "Vendor", *_OPTIONS),
        tracked_by="Inventory tracker",
    ),
    Export(
        name="WooCommerce products",
        source="https://github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema",
        signature=(("SKU",), ("Stock",), ("In stock?", "Backorders allowed?")),
        columns={
            UploadColumn.SKU: ("SKU",),
            UploadColumn.QUANTITY: ("Stock",),
        },
        ignored=("ID", "Type", "Name", "Published", "Parent", "Tax status", "Low stock amount", "Position"),
    ),
    Export(
        name="Amazon listings",
        source="https://developer-docs.amazon.com/sp-api/docs/report-type-values-inventory",
        signature=(("seller-sku",), ("quantity",), ("item-name", "asin1", "product-id", "price")),
        columns={
            UploadColumn.SKU: ("seller-sku",),
            UploadColumn.QUANTITY: ("quantity",),
        },
        ignored=(
            *("item-name", "item-condition", "item-note", "item-is-marketplace", "status", "add-delete"),
            *("fulfillment-channel", "pending-quantity", "merchant-shipping-group"),
        ),
        advice="Rows that Amazon fulfils have no quantity and leave the stock as it is.",
    ),
    Export(
        name="Amazon inventory loader, or price and quantity",
        source="https://sellercentral.amazon.com/help/hub/reference/external/G1641",
        signature=(
            ("sku",),
            ("quantity",),
            ("product-id-type", "asin", "minimum-seller-allowed-price", "fulfillment-channel", "fulfillment-center-id"),
        ),
        columns={
            UploadColumn.SKU: ("sku",),
            UploadColumn.QUANTITY: ("quantity",),
        },
        ignored=(
            *("item-condition", "item-note", "add-delete", "price", "fulfillment-channel", "fulfillment-center-id"),
            *("handling-time", "leadtime-to-ship", "business-price"),
        ),
        advice="Rows that Amazon fulfils have no quantity and leave the stock as it is.",
    ),
    Export(
        name="Square item library",
        source="https://squareup.com/help/us/en/article/5153-import-and-export-items",
        signature=(("Token",), ("Item Name",), ("Variation Name",), ("SKU",)),
        columns={UploadColumn.SKU: ("SKU",)},
        ignored=("Item Type", "Unit and Precision", "Reference Handle", "Archived", "Sellable", "Stockable"),
        by_site=("New Quantity {}", "Current Quantity {}"),
        advice=_NEW_QUANTITY,
    ),
    Export(
        name="ShipStation inventory",
        source="https://docs.shipstation.com/manage-inventory-levels",
        signature=(("sku",), ("on_hand",), ("allocated",), ("available",)),
        columns={
            UploadColumn.SKU: ("sku",),
            UploadColumn.QUANTITY: ("on_hand",),
            UploadColumn.WAREHOUSE: ("warehouse", "inventory_warehouse", "inventory_warehouse_id"),
            UploadColumn.LOCATION: ("location", "inventory_location", "inventory_location_id"),
        },
        ignored=("available", "allocated", "average_cost"),
        left=(),
    ),
    Export(
        name="Odoo stock",
        source="https://github.com/odoo/odoo/blob/master/addons/stock/models/stock_quant.py",
        signature=(
            ("Product/Internal Reference", "product_id/default_code"),
            (
                "Location",
                "Location/Complete Name",
                "Location/Full Location Name",
                "location_id",
                "location_id/complete_name",
            ),
            (
                *("Counted Quantity", "inventory_quantity", "Quantity", "Inventoried Quantity"),
                *("inventory_quantity_auto_apply", "On Hand Quantity"),
            ),
        ),
        columns={
            UploadColumn.SKU: ("Product/Internal Reference", "product_id/default_code"),
            UploadColumn.QUANTITY: (
                *("Counted Quantity", "inventory_quantity", "Quantity", "On Hand Quantity", "Inventoried Quantity"),
                "inventory_quantity_auto_apply",
            ),
            UploadColumn.LOCATION: (
                *("Location", "Location/Full Location Name", "Location/Complete Name", "location_id/complete_name"),
                "location_id",
            ),
            UploadColumn.LOT: (
                *("Lot/Serial Number", "Lot/Serial Number/Lot/Serial Number", "lot_id", "lot_id/name"),
                "Lot/Serial",
            ),
            UploadColumn.CUSTOMER_ACCOUNT_ID: ("Owner", "owner_id"),
            UploadColumn.WAREHOUSE: ("Warehouse", "warehouse_id"),
        },
        ignored=(
            *("Reserved Quantity", "reserved_quantity", "Available Quantity", "available_quantity", "Difference"),
            *("Package", "package_id", "Product", "product_id", "Company", "company_id", "Scheduled Date"),
        ),
    ),
    Export(
        name="ERPNext stock reconciliation",
        source="https://github.com/frappe/erpnext/blob/develop/erpnext/stock/doctype/stock_reconciliation_item/"
        "stock_reconciliation_item.json",
        signature=(
            ("Item Code", "Item Code (Items)"),
            ("Warehouse", "Warehouse (Items)"),
            ("Quantity", "Quantity (Items)", "Qty", "Qty (Items)"),
        ),
        columns={
            UploadColumn.SKU: ("Item Code", "Item Code (Items)"),
            UploadColumn.QUANTITY: ("Quantity", "Quantity (Items)", "Qty", "Qty (Items)"),
            UploadColumn.WAREHOUSE: ("Warehouse", "Warehouse (Items)"),
            UploadColumn.LOT: ("Batch No", "Batch No (Items)"),
        },
        ignored=(
            *("ID", "Company", "Purpose", "Item Name", "Item Name (Items)", "Item Group", "Current Qty"),
            *("Current Qty (Items)", "Quantity Difference", "Quantity Difference (Items)", "Valuation Rate"),
        ),
    ),
    Export(
        name="ERPNext bin",
        source="https://github.com/frappe/erpnext/blob/develop/erpnext/stock/doctype/bin/bin.json",
        signature=(("Item Code",), ("Warehouse",), ("Actual Quantity", "Actual Qty")),
        columns={
            UploadColumn.SKU: ("Item Code",),
            UploadColumn.QUANTITY: ("Actual Quantity", "Actual Qty"),
            UploadColumn.WAREHOUSE: ("Warehouse",),
        },
        ignored=("ID", "Reserved Quantity", "Ordered Quantity", "Projected Qty", "Planned Qty", "Valuation Rate"),
        left=(),
    ),
    Export(
        name="Magento stock sources",
        source="https://github.com/magento/inventory/tree/develop/InventoryImportExport",
        signature=(("source_code",), ("sku",), ("quantity",)),
        columns={
            UploadColumn.SKU: ("sku",),
            UploadColumn.QUANTITY: ("quantity",),
            UploadColumn.WAREHOUSE: ("source_code",),
        },
        ignored=("status", "source_name"),
    ),
    Export(
        name="InvenTree stock items",
        source="https://github.com/inventree/InvenTree/blob/master/src/backend/InvenTree/stock/serializers.py",
        signature=(
            ("part_detail.IPN", "Part IPN", "IPN"),
            ("quantity",),
            ("location", "location_detail.name", "Location Name"),
        ),
        columns={
            UploadColumn.SKU: ("part_detail.IPN", "Part IPN", "IPN"),
            UploadColumn.QUANTITY: ("quantity",),
            UploadColumn.LOCATION: ("location_detail.name", "Location Name"),
            UploadColumn.LOT: ("batch",),
        },
        ignored=(
            *("pk", "ID", "SKU", "location", "Location ID", "location_detail.pathstring", "Location Path"),
            *("supplier_part_detail.SKU", "part", "Part ID", "Part Name", "part_detail.name", "status"),
            "status_custom_key",
        ),
        left=(),
        advice="SKU is the supplier's number there; the part's own number is its IPN.",
    ),
)
"""The first one whose signature fits is it."""


def _may_be_site(name: str) -> bool:
    """Whether a plain name may be that of a site: `Store` may, and `Shelf` may not."""
    certain = CERTAIN.get(name, UploadColumn.WAREHOUSE)
    return certain is UploadColumn.WAREHOUSE and Sense.WAREHOUSE in WATCHED.get(name, (Sense.WAREHOUSE,))


_MARKS: Final = frozenset(plain_name(name) for export in EXPORTS for name in export.columns[UploadColumn.SKU])


def recognised(names: Sequence[str]) -> Export | None:
    """The export that a header with these plain names is one of."""
    there = frozenset(names)
    return next((export for export in EXPORTS if export.is_in(there)), None) if _MARKS & there else None


def columns_in(
    export: Export, names: Sequence[str], *, taken: Collection[str], warehouse_names: Collection[str]
) -> dict[int, str]:
    """What an export says of the columns of a header: place → a column of ours, or IGNORED.

    Args:
        export: what the header is one of.
        names: the header's plain names; "" where a column is spoken for already.
        taken: columns of ours that others mean.
        warehouse_names: what the request's warehouse is called.

    Raises:
        SiteMissing: it has a column for each site, and none for the warehouse.
    """
    found: dict[int, str] = {place: IGNORED for place, name in enumerate(names) if name in export.known}
    for column, candidates in export.columns.items():
        there = [names.index(name) for name in map(plain_name, candidates) if name in names]
        if there and column not in taken:
            found[there[0]] = column
    sites = export.sites(names)
    found |= dict.fromkeys(sites, IGNORED)
    if sites and UploadColumn.QUANTITY not in taken:
        called = {plain_name(name) for name in warehouse_names}
        own = [place for place in sorted(sites, key=sites.__getitem__) if sites[place][1] in called]
        if not own:
            raise SiteMissing(export, tuple(sites))
        found[own[0]] = UploadColumn.QUANTITY
    return found


class SiteMissing(Exception):  # noqa: N818 - it is an outcome, which the caller tells
    """An export has a column of quantities for each site, and none of them is called as the warehouse.

    `places`: where those columns are.
    """

    def __init__(self, export: Export, places: Sequence[int]) -> None:
        """What it is, and where the columns are."""
        super().__init__(export.name)
        self.export = export
        self.places = places
