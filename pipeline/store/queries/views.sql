-- name: levels
-- A page of an account's levels in key order, after a key. Those that rows or commands in error have asked for, and that
-- were never changed, are left out.
SELECT warehouse_id, sku, location_id, lot_id, version, on_hand, available, committed, reserved, damaged, safety_stock,
       quality_control, incoming, updated_at
FROM levels
WHERE account_id = %(account_id)s AND version > 0
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR sku = %(sku)s)
    AND (%(location_id)s::text IS NULL OR location_id = %(location_id)s)
    AND (%(lot_id)s::text IS NULL OR lot_id = %(lot_id)s)
    AND (warehouse_id, sku, location_id, lot_id)
        > (%(after_warehouse_id)s::text, %(after_sku)s::text, %(after_location_id)s::text, %(after_lot_id)s::text)
ORDER BY warehouse_id, sku, location_id, lot_id
LIMIT %(limit)s

-- name: snapshot_jobs
-- An account's snapshots, newest first, or the one of an id.
SELECT snapshot_id, warehouse_id, has_inventory, updated_from, status, product_count, level_count, size_bytes,
       object_key, snapshot_url, expires_at, error_code, error, abort_reason, created_at, updated_at, finished_at
FROM snapshot_jobs
WHERE account_id = %(account_id)s
    AND (%(snapshot_id)s::uuid IS NULL OR snapshot_id = %(snapshot_id)s)
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY created_at DESC, snapshot_id
LIMIT %(limit)s
