-- name: levels
-- A page of an account's levels in key order, after a key.
SELECT warehouse_id, sku, location_id, lot_id, version, on_hand, available, committed, reserved, damaged, safety_stock,
       quality_control, incoming, updated_at
FROM levels
WHERE account_id = %(account_id)s
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR sku = %(sku)s)
    AND (%(location_id)s::text IS NULL OR location_id = %(location_id)s)
    AND (%(lot_id)s::text IS NULL OR lot_id = %(lot_id)s)
    AND (warehouse_id, sku, location_id, lot_id)
        > (%(after_warehouse_id)s::text, %(after_sku)s::text, %(after_location_id)s::text, %(after_lot_id)s::text)
ORDER BY warehouse_id, sku, location_id, lot_id
LIMIT %(limit)s

-- name: sync_jobs
-- An account's syncs, newest first, or the one of an id.
SELECT sync_id, warehouse_id, url, user_id, status, total_count, success_count, error_count, aborted_count,
       success_count + error_count + aborted_count AS finished_count, blank_count, chunk_count, chunks_done, warnings,
       error_code, error, abort_reason, created_at, updated_at, finished_at
FROM sync_jobs
WHERE account_id = %(account_id)s
    AND (%(sync_id)s::uuid IS NULL OR sync_id = %(sync_id)s)
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY created_at DESC, sync_id
LIMIT %(limit)s

-- name: sync_errors
-- How many rows of a sync have each error code; a row with two codes counts under both.
SELECT found.code, count(*) AS rows
FROM sync_items AS i
CROSS JOIN LATERAL (SELECT DISTINCT error ->> 'code' AS code FROM jsonb_array_elements(i.errors) AS error) AS found
WHERE i.account_id = %(account_id)s AND i.sync_id = %(sync_id)s AND i.status = 'error'
GROUP BY found.code
ORDER BY rows DESC, found.code

-- name: sync_items
-- A page of a sync's rows in file order, after a row.
SELECT i.row, i.sku, i.quantity, i.action, i.reason, i.location, i.status, i.version,
       coalesce(i.errors, '[]') AS errors, i.created_at
FROM sync_items AS i
WHERE i.account_id = %(account_id)s AND i.sync_id = %(sync_id)s
    AND (%(status)s::text IS NULL OR i.status = %(status)s)
    AND (%(sku)s::text IS NULL OR i.sku = %(sku)s)
    AND (%(code)s::text IS NULL OR i.errors @> jsonb_build_array(jsonb_build_object('code', %(code)s::text)))
    AND i.row > %(after_row)s
ORDER BY i.row
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
