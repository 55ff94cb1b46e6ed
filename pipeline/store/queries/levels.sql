-- Lists of values come as one text, joined by the control character 31, which no id and no SKU can hold: the client
-- writes and the server reads that many times faster than an array parameter. An empty text is an empty list; where an
-- empty value is allowed (lot_id), it is a list of one empty value.

-- name: places_of_levels
-- What the catalogue says of each asked key, whether its level exists or not: whether its warehouse, product, lot and
-- location exist and go together.
SELECT
    k.n, w.slotting, w.allow_negative, p.sku IS NOT NULL AS product_exists,
    p.warehouse_ids IS NULL OR k.warehouse_id = ANY(p.warehouse_ids) AS product_in_warehouse,
    p.lot_tracked, lot.lot_id IS NOT NULL AS lot_exists,
    loc.location_id IS NOT NULL AS location_exists, loc.sellable, l.level_id IS NOT NULL AS level_exists
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(warehouse_ids)s, chr(31)),
    string_to_array(%(skus)s, chr(31)), string_to_array(%(location_ids)s, chr(31)),
    CASE %(lot_ids)s WHEN '' THEN ARRAY[''] ELSE string_to_array(%(lot_ids)s, chr(31)) END)
    WITH ORDINALITY AS k (account_id, warehouse_id, sku, location_id, lot_id, n)
LEFT JOIN warehouses AS w ON w.account_id = k.account_id AND w.warehouse_id = k.warehouse_id
LEFT JOIN products AS p ON p.account_id = k.account_id AND p.sku = k.sku
LEFT JOIN lots AS lot
    ON p.lot_tracked AND lot.account_id = k.account_id AND lot.sku = k.sku AND lot.lot_id = k.lot_id
LEFT JOIN locations AS loc
    ON loc.account_id = k.account_id AND loc.warehouse_id = k.warehouse_id AND loc.location_id = k.location_id
LEFT JOIN levels AS l
    ON l.account_id = k.account_id AND l.warehouse_id = k.warehouse_id AND l.sku = k.sku AND l.location_id = k.location_id
    AND l.lot_id = k.lot_id
ORDER BY k.n

-- name: create_levels
-- Creates the missing ones of some levels, empty, in key order so that two transactions cannot wait for each other.
INSERT INTO levels (account_id, warehouse_id, sku, location_id, lot_id)
SELECT *
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(warehouse_ids)s, chr(31)),
    string_to_array(%(skus)s, chr(31)), string_to_array(%(location_ids)s, chr(31)),
    CASE %(lot_ids)s WHEN '' THEN ARRAY[''] ELSE string_to_array(%(lot_ids)s, chr(31)) END)
    AS k (account_id, warehouse_id, sku, location_id, lot_id)
ORDER BY account_id COLLATE "C", warehouse_id COLLATE "C", sku COLLATE "C", location_id COLLATE "C", lot_id COLLATE "C"
ON CONFLICT DO NOTHING

-- name: open_levels
-- Reads some levels with what the catalogue says of them, and holds them until the transaction ends; every writer locks
-- in the order of level_id. A level that does not exist is not in the answer.
SELECT
    l.account_id, l.warehouse_id, l.sku, l.location_id, l.lot_id, l.level_id, l.version, l.available, l.committed,
    l.reserved, l.damaged, l.safety_stock, l.quality_control, l.incoming,
    w.slotting, w.allow_negative, p.sku IS NOT NULL AS product_exists,
    p.warehouse_ids IS NULL OR l.warehouse_id = ANY(p.warehouse_ids) AS product_in_warehouse,
    p.lot_tracked, lot.lot_id IS NOT NULL AS lot_exists,
    loc.location_id IS NOT NULL AS location_exists, loc.sellable, true AS level_exists
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(warehouse_ids)s, chr(31)),
    string_to_array(%(skus)s, chr(31)), string_to_array(%(location_ids)s, chr(31)),
    CASE %(lot_ids)s WHEN '' THEN ARRAY[''] ELSE string_to_array(%(lot_ids)s, chr(31)) END)
    AS k (account_id, warehouse_id, sku, location_id, lot_id)
JOIN levels AS l USING (account_id, warehouse_id, sku, location_id, lot_id)
LEFT JOIN warehouses AS w ON w.account_id = l.account_id AND w.warehouse_id = l.warehouse_id
LEFT JOIN products AS p ON p.account_id = l.account_id AND p.sku = l.sku
LEFT JOIN lots AS lot
    ON p.lot_tracked AND lot.account_id = l.account_id AND lot.sku = l.sku AND lot.lot_id = l.lot_id
LEFT JOIN locations AS loc
    ON loc.account_id = l.account_id AND loc.warehouse_id = l.warehouse_id AND loc.location_id = l.location_id
ORDER BY l.level_id
FOR UPDATE OF l

-- name: levels_of_products
-- The keys of all levels that some products have in some warehouses.
SELECT l.account_id, l.warehouse_id, l.sku, l.location_id, l.lot_id
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(warehouse_ids)s, chr(31)),
    string_to_array(%(skus)s, chr(31))) AS k (account_id, warehouse_id, sku)
JOIN levels AS l USING (account_id, warehouse_id, sku)

-- name: levels_of_locations
-- The keys of all levels in some locations.
SELECT l.account_id, l.warehouse_id, l.sku, l.location_id, l.lot_id
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(warehouse_ids)s, chr(31)),
    string_to_array(%(location_ids)s, chr(31))) AS k (account_id, warehouse_id, location_id)
JOIN levels AS l USING (account_id, warehouse_id, location_id)

-- name: update_levels
-- Writes the new quantities of levels that this transaction holds.
UPDATE levels AS l
SET version = new.version, available = new.available, committed = new.committed, reserved = new.reserved,
    damaged = new.damaged, safety_stock = new.safety_stock, quality_control = new.quality_control,
    incoming = new.incoming, updated_at = now()
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(level_id)s, chr(31))::bigint[],
    string_to_array(%(version)s, chr(31))::bigint[], string_to_array(%(available)s, chr(31))::bigint[],
    string_to_array(%(committed)s, chr(31))::bigint[], string_to_array(%(reserved)s, chr(31))::bigint[],
    string_to_array(%(damaged)s, chr(31))::bigint[], string_to_array(%(safety_stock)s, chr(31))::bigint[],
    string_to_array(%(quality_control)s, chr(31))::bigint[], string_to_array(%(incoming)s, chr(31))::bigint[])
    AS new (account_id, level_id, version, available, committed, reserved, damaged, safety_stock, quality_control, incoming)
WHERE l.account_id = new.account_id AND l.level_id = new.level_id

-- name: copy_change_log
-- Appends to the ledger.
COPY change_log (
    account_id, level_id, version, state, delta, after, batch_id, recorded_at, reason, note, document, actor,
    provider_account_id, origin, command_id, command_source
) FROM STDIN
