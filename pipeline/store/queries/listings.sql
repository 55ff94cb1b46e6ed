-- name: warehouses
-- A page of an account's warehouses by id, after an id.
SELECT warehouse_id, name, slotting, allow_negative, location_layout, max_zeroed_percent, max_missing_percent,
       created_at, updated_at
FROM warehouses
WHERE account_id = %(account_id)s AND warehouse_id > %(after_warehouse_id)s::text
ORDER BY warehouse_id
LIMIT %(limit)s

-- name: locations
-- A page of an account's locations in key order, after a key, each with the units on hand in it.
-- The sums are looked up in one object: while a new table has no statistics yet, a join would compare all with all.
WITH held AS MATERIALIZED (
    SELECT jsonb_object_agg(warehouse_id || '/' || location_id, on_hand) AS units
    FROM (
        SELECT warehouse_id, location_id, sum(on_hand) AS on_hand
        FROM levels
        WHERE account_id = %(account_id)s
            AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
            AND (%(location_id)s::text IS NULL OR location_id = %(location_id)s)
        GROUP BY warehouse_id, location_id
    ) AS sums
)
SELECT warehouse_id, location_id, name, zone, type, pickable, sellable,
       coalesce(((SELECT units FROM held) ->> (warehouse_id || '/' || location_id))::bigint, 0) AS on_hand,
       created_at, updated_at
FROM locations
WHERE account_id = %(account_id)s
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(location_id)s::text IS NULL OR location_id = %(location_id)s)
    AND (warehouse_id, location_id) > (%(after_warehouse_id)s::text, %(after_location_id)s::text)
ORDER BY warehouse_id, location_id
LIMIT %(limit)s

-- name: products
-- A page of an account's products by SKU, after a SKU. warehouse_ids NULL: available in every warehouse.
SELECT p.sku, p.name, p.lot_tracked, p.warehouse_ids,
       coalesce(
           (SELECT json_agg(
                json_build_object('vendor_id', s.vendor_id, 'name', v.name, 'vendor_sku', s.vendor_sku)
                ORDER BY s.vendor_id)
            FROM product_vendors AS s
            JOIN vendors AS v USING (account_id, vendor_id)
            WHERE s.account_id = p.account_id AND s.sku = p.sku),
           '[]') AS vendors,
       p.created_at, p.updated_at
FROM products AS p
WHERE p.account_id = %(account_id)s
    AND (%(sku)s::text IS NULL OR p.sku = %(sku)s)
    AND (%(warehouse_id)s::text IS NULL OR p.warehouse_ids IS NULL OR %(warehouse_id)s = ANY (p.warehouse_ids))
    AND p.sku > %(after_sku)s::text
ORDER BY p.sku
LIMIT %(limit)s

-- name: lots
-- A page of an account's lots by SKU and lot, after a key, each with the units on hand of it in all warehouses.
SELECT t.sku, t.lot_id, t.expires_on,
       (SELECT coalesce(sum(l.on_hand), 0)::bigint
        FROM warehouses AS w -- they lead to the levels by their key
        JOIN levels AS l ON l.account_id = w.account_id AND l.warehouse_id = w.warehouse_id
        WHERE w.account_id = t.account_id AND l.sku = t.sku AND l.lot_id = t.lot_id) AS on_hand,
       t.created_at, t.updated_at
FROM lots AS t
WHERE t.account_id = %(account_id)s
    AND (%(sku)s::text IS NULL OR t.sku = %(sku)s)
    AND (t.sku, t.lot_id) > (%(after_sku)s::text, %(after_lot_id)s::text)
ORDER BY t.sku, t.lot_id
LIMIT %(limit)s

-- name: schedules
-- A page of an account's scheduled changes by the time they are due, after a key. Overdue: still pending after that time.
SELECT *
FROM (
    SELECT schedule_id, due_at, status, status = 'pending' AND due_at < now() AS overdue, warehouse_id, sku, location_id,
           nullif(lot_id, '') AS lot_id, quantity, reason, note, document, created_at, updated_at
    FROM schedules
    WHERE account_id = %(account_id)s
) AS s
WHERE (%(status)s::text IS NULL OR status = %(status)s)
    AND (NOT %(overdue)s OR overdue)
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR sku = %(sku)s)
    AND (due_at, schedule_id) > (%(after_due_at)s::timestamptz, %(after_schedule_id)s::text)
ORDER BY due_at, schedule_id
LIMIT %(limit)s

-- name: transfers
-- A page of the lines of an account's transfers between warehouses by id and line, after a key. `open` is on its way.
SELECT transfer_id, l.line, t.from_warehouse_id, t.to_warehouse_id, l.location_id, l.sku, nullif(l.lot_id, '') AS lot_id,
       l.quantity, l.received, l.lost, l.quantity - l.received - l.lost AS open, t.document, t.created_at, t.updated_at
FROM transfers AS t
JOIN transfer_lines AS l USING (account_id, transfer_id)
WHERE account_id = %(account_id)s
    AND (%(transfer_id)s::text IS NULL OR transfer_id = %(transfer_id)s)
    AND (NOT %(open)s OR l.received + l.lost < l.quantity)
    AND (transfer_id, l.line) > (%(after_transfer_id)s::text, %(after_line)s::integer)
ORDER BY transfer_id, l.line
LIMIT %(limit)s

-- name: channels
-- A page of the channel locations that an account has linked, after a key.
SELECT channel, external_location_id, warehouse_id, master, created_at, updated_at
FROM channel_locations
WHERE account_id = %(account_id)s
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (channel, external_location_id) > (%(after_channel)s::text, %(after_external_location_id)s::text)
ORDER BY channel, external_location_id
LIMIT %(limit)s

-- name: reasons
-- A page of the reasons that an account has registered, after a code.
SELECT code, description, created_at, updated_at
FROM reasons
WHERE account_id = %(account_id)s AND code > %(after_code)s::text
ORDER BY code
LIMIT %(limit)s

-- name: links
-- A page of an account's links in both directions, after a key: the providers that may act for it, and the customers that
-- it may act for.
SELECT *
FROM (
    SELECT 'provider' AS role, provider_account_id AS linked_account_id, scope, created_at, updated_at
    FROM account_links
    WHERE account_id = %(account_id)s
    UNION ALL
    SELECT 'customer', account_id, scope, created_at, updated_at
    FROM account_links
    WHERE provider_account_id = %(account_id)s
) AS link
WHERE (%(linked_account_id)s::text IS NULL OR linked_account_id = %(linked_account_id)s)
    AND (role, linked_account_id) > (%(after_role)s::text, %(after_linked_account_id)s::text)
ORDER BY role, linked_account_id
LIMIT %(limit)s

-- name: skipped_uploads
-- A page of objects that started no sync, the latest first, after one of them.
SELECT last_seen_at, account_id, bucket, key, reason, detail, seen_count, first_seen_at, etag
FROM skipped_uploads
WHERE (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
    AND (last_seen_at, bucket, key, reason)
        < (%(after_last_seen_at)s::timestamptz, %(after_bucket)s::text, %(after_key)s::text, %(after_reason)s::text)
ORDER BY last_seen_at DESC, bucket DESC, key DESC, reason DESC
LIMIT %(limit)s
