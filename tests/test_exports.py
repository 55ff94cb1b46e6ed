"""The exports of other systems: each is known by its header, and means what it means there."""

from pathlib import Path

import pytest

from pipeline.errors import Invalid
from pipeline.uploads.column_names import columns_of
from pipeline.uploads.exports import EXPORTS
from pipeline.uploads.meanings import plain_name
from schemas.errors import ErrorCode

_SHOPIFY = (
    "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,SKU,HS Code,COO"
)
HEADERS = {
    "Shopify inventory": (
        f"{_SHOPIFY},Location,Bin name,Incoming (not editable),Unavailable (not editable),Committed (not editable),"
        "Available (not editable),On hand (current),On hand (new)",
        {"SKU": "sku", "Location": "warehouse", "Bin name": "location", "On hand (new)": "quantity"},
    ),
    "Shopify inventory, a column for each location": (
        f"{_SHOPIFY},Main,East depot",
        {"SKU": "sku", "Main": "quantity"},
    ),
    "Shopify products": (
        "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,"
        "Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,"
        "Image Src,Status",
        {"Variant SKU": "sku", "Variant Inventory Qty": "quantity"},
    ),
    "Shopify products, new names": (
        "Title,URL handle,Description,Vendor,Product category,Type,Tags,Status,SKU,Barcode,Option1 name,Option1 value,"
        "Price,Inventory tracker,Inventory quantity",
        {"SKU": "sku", "Inventory quantity": "quantity"},
    ),
    "WooCommerce products": (
        'ID,Type,SKU,"GTIN, UPC, EAN, or ISBN",Name,Published,In stock?,Stock,Backorders allowed?,Parent',
        {"SKU": "sku", "Stock": "quantity"},
    ),
    "Amazon listings": (
        "item-name,item-description,listing-id,seller-sku,price,quantity,open-date,item-is-marketplace,product-id-type,"
        "item-note,item-condition,asin1,product-id,add-delete,pending-quantity,fulfillment-channel,status",
        {"seller-sku": "sku", "quantity": "quantity"},
    ),
    "Amazon inventory loader, or price and quantity": (
        "sku,product-id,product-id-type,price,item-condition,quantity,add-delete,fulfillment-center-id",
        {"sku": "sku", "quantity": "quantity"},
    ),
    "Square item library": (
        "Reference Handle,Token,Item Name,Customer-facing Name,Variation Name,Unit and Precision,SKU,Item Type,"
        "Archived,Sellable,Stockable,Enabled Main,Current Quantity Main,New Quantity Main,Stock Alert Enabled Main,"
        "Current Quantity East depot,New Quantity East depot",
        {"SKU": "sku", "New Quantity Main": "quantity"},
    ),
    "ShipStation inventory": (
        "sku,on_hand,allocated,available,average_cost,inventory_warehouse_id,inventory_location_id",
        {
            "sku": "sku", "on_hand": "quantity", "inventory_warehouse_id": "warehouse",
            "inventory_location_id": "location",
        },
    ),
    "Odoo stock": (
        "Product/Internal Reference,Product,Location,Lot/Serial Number,Package,Owner,Quantity,Reserved Quantity",
        {
            "Product/Internal Reference": "sku", "Location": "location", "Lot/Serial Number": "lot",
            "Owner": "customer_account_id", "Quantity": "quantity",
        },
    ),
    "ERPNext stock reconciliation": (
        "Item Code,Item Name,Item Group,Warehouse,Quantity,Valuation Rate,Current Qty,Batch No",
        {"Item Code": "sku", "Warehouse": "warehouse", "Quantity": "quantity", "Batch No": "lot"},
    ),
    "ERPNext bin": (
        "ID,Warehouse,Item Code,Reserved Quantity,Actual Quantity,Projected Qty",
        {"Item Code": "sku", "Warehouse": "warehouse", "Actual Quantity": "quantity"},
    ),
    "Magento stock sources": (
        "source_code,sku,status,quantity",
        {"source_code": "warehouse", "sku": "sku", "quantity": "quantity"},
    ),
    "InvenTree stock items": (
        "pk,part,part_detail.name,part_detail.IPN,quantity,batch,location,location_detail.name,location_detail.pathstring,"
        "status,SKU",
        {"part_detail.IPN": "sku", "quantity": "quantity", "batch": "lot", "location_detail.name": "location"},
    ),
}  # fmt: skip


def names_of(header: str) -> list[str]:
    return [name.strip('"') for name in header.replace("GTIN, UPC, EAN, or ISBN", "GTIN").split(",")]


def test_every_export_has_a_header_here() -> None:
    assert list(HEADERS) == [export.name for export in EXPORTS]


@pytest.mark.parametrize("name", HEADERS)
def test_an_export_is_known_by_its_header_and_read_as_it_means_it(name: str) -> None:
    header, meaning = HEADERS[name]
    names = names_of(header)
    found = columns_of(names, warehouse_names=("main", "Main"))
    assert found.reading.export == name
    assert dict(zip(names, found.columns, strict=True)) == dict.fromkeys(names) | meaning
    assert found.reading.watched == ()
    assert found.warnings[0].startswith(f"read as {name}: ")


@pytest.mark.parametrize("name", HEADERS)
def test_what_the_request_says_wins_over_the_export(name: str) -> None:
    names = [*names_of(HEADERS[name][0]), "My number", "My count"]
    found = columns_of(names, {"My number": "sku", "My count": "quantity"}, warehouse_names=("main", "Main"))
    assert found.reading.export == name
    assert found.columns[-2:] == ("sku", "quantity")
    assert found.columns.count("sku") == found.columns.count("quantity") == 1


@pytest.mark.parametrize("name", HEADERS)
def test_what_an_export_does_not_know_is_watched_as_in_any_other_file(name: str) -> None:
    names = [*names_of(HEADERS[name][0]), "Shelf"]
    found = columns_of(names, warehouse_names=("main", "Main"))
    assert found.reading.watched == (len(names) - 1,)


@pytest.mark.parametrize("header", ["sku,quantity", "Handle,Title,SKU,Option1 Value,Quantity", "item,stock"])
def test_a_file_of_ones_own_is_no_export(header: str) -> None:
    try:
        assert columns_of(header.split(",")).reading.export is None
    except Invalid as refused:
        assert refused.code is ErrorCode.HEADER_COLUMN_MISSING


@pytest.mark.parametrize("name", ["Shopify inventory, a column for each location", "Square item library"])
def test_a_column_for_each_site_and_none_for_the_warehouse_is_an_error_with_the_options(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        columns_of(names_of(HEADERS[name][0]), warehouse_names=("west", "West"))
    assert refused.value.code is ErrorCode.HEADER_COLUMN_MISSING
    assert "East depot=quantity'" in str(refused.value)
    assert "'west' or 'West'" in str(refused.value)


def test_current_quantities_are_taken_where_the_export_has_no_new_ones() -> None:
    names = [name for name in names_of(HEADERS["Shopify inventory"][0]) if name != "On hand (new)"]
    found = columns_of(names)
    assert found.columns[names.index("On hand (current)")] == "quantity"


def described() -> list[str]:
    """The lines of the docs about each export."""
    lines = []
    for export in EXPORTS:
        lines += [f"### {export.name}", ""]
        known = " and ".join(" or ".join(f"`{name}`" for name in group) for group in export.signature)
        more = f", and columns called {' or '.join(f'`{t}`' for t in export.by_site)}" if export.by_site else ""
        lines += [f"Known by {known}{more.replace('`{}`', 'as the locations')}. [Source]({export.source})", ""]
        lines += ["| column | is read from |", "|---|---|"]
        lines += [f"| `{column}` | {', else '.join(f'`{name}`' for name in names)} |"
                  for column, names in export.columns.items()]  # fmt: skip
        if export.by_site:
            templates = ", else ".join(f"`{t.format('the warehouse')}`" for t in export.by_site)
            lines += [f"| `quantity` | {templates}, by the warehouse's id or name |"]
        left = " or ".join(f"`{word}`" if word else "empty" for word in export.left)
        lines += ["", *([f"A quantity that is {left} leaves the stock as it is."] if left else [])]
        lines += [f"So does a row whose `{export.tracked_by}` is empty."] if export.tracked_by else []
        lines += [export.advice] if export.advice else []
        lines += [""] if lines[-1] else []
    return lines


def test_the_docs_say_how_each_export_is_read() -> None:
    docs = (Path(__file__).parent.parent / "docs" / "files-from-other-systems.md").read_text()
    assert "\n".join(described()).strip() in docs


def test_names_in_the_table_are_different_ones() -> None:
    for export in EXPORTS:
        for names in export.columns.values():
            assert len({plain_name(name) for name in names}) == len(names), export.name
