-- name: warehouses
-- Some warehouses of any accounts.
SELECT w.account_id, w.warehouse_id, w.slotting, w.allow_negative, w.location_layout, w.max_zeroed_percent,
       w.max_missing_percent
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS asked (account_id, warehouse_id)
JOIN warehouses AS w USING (account_id, warehouse_id)

-- name: warehouse_name
-- What people call a warehouse.
SELECT name FROM warehouses WHERE account_id = %(account_id)s AND warehouse_id = %(warehouse_id)s

-- name: similar_warehouse
-- The warehouse of an account whose id or name is nearly the same as a text; its id.
SELECT warehouse_id FROM warehouses
WHERE account_id = %(account_id)s AND fold_name(%(warehouse_id)s) IN (fold_name(warehouse_id), fold_name(name))
ORDER BY fold_name(warehouse_id) <> fold_name(%(warehouse_id)s), warehouse_id
LIMIT 1

-- name: guard_shares
-- The shares for the wipe guard of a warehouse, or of all of an account's.
SELECT CASE WHEN %(warehouse_id)s <> %(all)s THEN min(max_zeroed_percent) END, min(max_missing_percent)
FROM warehouses
WHERE account_id = %(account_id)s AND %(warehouse_id)s IN (warehouse_id, %(all)s)

-- name: create_warehouses
-- Creates the missing ones of some warehouses, in key order so that two transactions cannot wait for each other.
INSERT INTO warehouses (account_id, warehouse_id, name, slotting)
SELECT account_id, warehouse_id, name, coalesce(slotting, 'dynamic')
FROM unnest(
    %(account_ids)s::text[], %(warehouse_ids)s::text[], %(names)s::text[], %(slottings)s::text[])
    AS new (account_id, warehouse_id, name, slotting)
ORDER BY account_id COLLATE "C", warehouse_id COLLATE "C"
ON CONFLICT (account_id, warehouse_id) DO NOTHING

-- name: hold_warehouses
-- Holds some warehouses against others who change them or their locations, in key order. Foreign keys do not wait for it.
SELECT w.account_id, w.warehouse_id, w.slotting, w.allow_negative, w.location_layout, w.max_zeroed_percent,
       w.max_missing_percent
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS asked (account_id, warehouse_id)
JOIN warehouses AS w USING (account_id, warehouse_id)
ORDER BY w.account_id, w.warehouse_id
FOR NO KEY UPDATE OF w

-- name: negative_levels
-- The first few levels of some warehouses that have less than nothing available.
SELECT asked.account_id, asked.warehouse_id, l.sku, l.location_id, l.lot_id, l.available
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS asked (account_id, warehouse_id)
CROSS JOIN LATERAL (
    SELECT sku, location_id, lot_id, available FROM levels
    WHERE account_id = asked.account_id AND warehouse_id = asked.warehouse_id AND available < 0
    ORDER BY sku, location_id, lot_id
    LIMIT 4
) AS l

-- name: change_warehouses
-- Changes warehouses that the transaction holds; what is NULL stays, an empty layout goes.
UPDATE warehouses AS w
SET name = new.name, allow_negative = coalesce(new.allow_negative, w.allow_negative),
    location_layout = nullif(coalesce(new.location_layout, w.location_layout), ''),
    max_zeroed_percent = coalesce(new.max_zeroed_percent, w.max_zeroed_percent),
    max_missing_percent = coalesce(new.max_missing_percent, w.max_missing_percent), updated_at = now()
FROM unnest(
    %(account_ids)s::text[], %(warehouse_ids)s::text[], %(names)s::text[], %(allow_negatives)s::boolean[],
    %(location_layouts)s::text[], %(max_zeroed_percents)s::integer[], %(max_missing_percents)s::integer[])
    AS new (account_id, warehouse_id, name, allow_negative, location_layout, max_zeroed_percent, max_missing_percent)
WHERE w.account_id = new.account_id AND w.warehouse_id = new.warehouse_id

-- name: insert_unassigned_locations
-- Gives each new warehouse its unassigned bin.
INSERT INTO locations (account_id, warehouse_id, location_id, name)
SELECT account_id, warehouse_id, %(unassigned)s, %(unassigned)s
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS new (account_id, warehouse_id)
ON CONFLICT (account_id, warehouse_id, location_id) DO NOTHING

-- name: lot_tracking
-- Whether some products of any accounts are tracked by lot.
SELECT p.account_id, p.sku, p.lot_tracked
FROM unnest(%(account_ids)s::text[], %(skus)s::text[]) AS asked (account_id, sku)
JOIN products AS p USING (account_id, sku)

-- name: upsert_products
-- Creates or changes products, in key order; leaves out one whose lot tracking is another.
INSERT INTO products (account_id, sku, name, warehouse_ids, lot_tracked)
SELECT
    account_id, sku, name,
    CASE WHEN warehouse_ids IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(warehouse_ids)) END, lot_tracked
FROM unnest(
    %(account_ids)s::text[], %(skus)s::text[], %(names)s::text[], %(warehouse_ids)s::json[], %(lot_tracked)s::boolean[])
    AS new (account_id, sku, name, warehouse_ids, lot_tracked)
ORDER BY account_id COLLATE "C", sku COLLATE "C"
ON CONFLICT (account_id, sku) DO UPDATE
    SET name = coalesce(excluded.name, products.name), warehouse_ids = excluded.warehouse_ids, updated_at = now()
    WHERE products.lot_tracked = excluded.lot_tracked

-- name: delete_product_vendors
-- Takes all vendors from some products, which the transaction holds.
DELETE FROM product_vendors AS v
USING unnest(%(account_ids)s::text[], %(skus)s::text[]) AS asked (account_id, sku)
WHERE v.account_id = asked.account_id AND v.sku = asked.sku

-- name: insert_product_vendors
-- Gives vendors to products that have none.
INSERT INTO product_vendors (account_id, sku, vendor_id, vendor_sku)
SELECT * FROM unnest(%(account_ids)s::text[], %(skus)s::text[], %(vendor_ids)s::text[], %(vendor_skus)s::text[])
    AS new (account_id, sku, vendor_id, vendor_sku)

-- name: vendors
-- Which of some vendors of any accounts exist.
SELECT v.account_id, v.vendor_id
FROM unnest(%(account_ids)s::text[], %(vendor_ids)s::text[]) AS asked (account_id, vendor_id)
JOIN vendors AS v USING (account_id, vendor_id)

-- name: upsert_vendors
-- Creates or changes vendors, in key order.
INSERT INTO vendors (account_id, vendor_id, name)
SELECT * FROM unnest(%(account_ids)s::text[], %(vendor_ids)s::text[], %(names)s::text[])
    AS new (account_id, vendor_id, name)
ORDER BY account_id COLLATE "C", vendor_id COLLATE "C"
ON CONFLICT (account_id, vendor_id) DO UPDATE SET name = excluded.name, updated_at = now()

-- name: upsert_lots
-- Creates lots, or changes the expiry of those for which one is given, in key order.
INSERT INTO lots (account_id, sku, lot_id, expires_on)
SELECT * FROM unnest(%(account_ids)s::text[], %(skus)s::text[], %(lot_ids)s::text[], %(expiries)s::date[])
    AS new (account_id, sku, lot_id, expires_on)
ORDER BY account_id COLLATE "C", sku COLLATE "C", lot_id COLLATE "C"
ON CONFLICT (account_id, sku, lot_id) DO UPDATE
    SET expires_on = coalesce(excluded.expires_on, lots.expires_on), updated_at = now()

-- name: upsert_reasons
-- Registers reasons of accounts' own, or changes their descriptions, in key order.
INSERT INTO reasons (account_id, code, description)
SELECT * FROM unnest(%(account_ids)s::text[], %(codes)s::text[], %(descriptions)s::text[])
    AS new (account_id, code, description)
ORDER BY account_id COLLATE "C", code COLLATE "C"
ON CONFLICT (account_id, code) DO UPDATE SET description = excluded.description, updated_at = now()
