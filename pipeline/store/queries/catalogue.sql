-- name: warehouses
-- Some warehouses of any accounts.
SELECT w.account_id, w.warehouse_id, w.slotting, w.allow_negative
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS asked (account_id, warehouse_id)
JOIN warehouses AS w USING (account_id, warehouse_id)

-- name: upsert_warehouses
-- Creates or changes warehouses, in key order so that two transactions cannot wait for each other.
INSERT INTO warehouses (account_id, warehouse_id, name, slotting, allow_negative)
SELECT * FROM unnest(
    %(account_ids)s::text[], %(warehouse_ids)s::text[], %(names)s::text[], %(slottings)s::text[], %(allow_negatives)s::boolean[])
    AS new (account_id, warehouse_id, name, slotting, allow_negative)
ORDER BY account_id COLLATE "C", warehouse_id COLLATE "C"
ON CONFLICT (account_id, warehouse_id) DO UPDATE
    SET name = excluded.name, allow_negative = excluded.allow_negative, updated_at = now()

-- name: upsert_products
-- Creates or changes products, in key order.
INSERT INTO products (account_id, sku, name, warehouse_ids)
SELECT account_id, sku, name, CASE WHEN warehouse_ids IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(warehouse_ids)) END
FROM unnest(%(account_ids)s::text[], %(skus)s::text[], %(names)s::text[], %(warehouse_ids)s::json[])
    AS new (account_id, sku, name, warehouse_ids)
ORDER BY account_id COLLATE "C", sku COLLATE "C"
ON CONFLICT (account_id, sku) DO UPDATE
    SET name = coalesce(excluded.name, products.name), warehouse_ids = excluded.warehouse_ids, updated_at = now()

-- name: taken_locations
-- Which of these ids or names some warehouses have already.
SELECT l.account_id, l.warehouse_id, l.location_id, l.name
FROM (SELECT DISTINCT * FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS asked (account_id, warehouse_id)) AS asked
JOIN locations AS l USING (account_id, warehouse_id)
WHERE l.location_id = ANY(%(location_ids)s::text[]) OR l.name = ANY(%(names)s::text[])

-- name: insert_locations
-- Creates locations. One that exists raises a unique violation.
INSERT INTO locations (account_id, warehouse_id, location_id, name, zone, type, pickable, sellable)
SELECT * FROM unnest(
    %(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[], %(names)s::text[], %(zones)s::text[],
    %(types)s::text[], %(pickables)s::boolean[], %(sellables)s::boolean[])

-- name: insert_unassigned_locations
-- Gives each new warehouse its unassigned bin.
INSERT INTO locations (account_id, warehouse_id, location_id, name)
SELECT account_id, warehouse_id, %(unassigned)s, %(unassigned)s
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[]) AS new (account_id, warehouse_id)
ON CONFLICT DO NOTHING
