-- name: create_job
-- Notes a request; nothing happens when the snapshot is known.
INSERT INTO snapshot_jobs (account_id, snapshot_id, warehouse_id, has_inventory, updated_from, object_key)
VALUES (%(account_id)s, %(snapshot_id)s, %(warehouse_id)s, %(has_inventory)s, %(updated_from)s,
    %(object_key)s)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: start_job
-- Starts a job, or starts one over whose worker was lost.
UPDATE snapshot_jobs
SET status = 'processing', updated_at = now()
WHERE account_id = %(account_id)s AND snapshot_id = %(snapshot_id)s AND status IN ('pending', 'processing')
RETURNING *;

-- name: complete_job
-- Ends a job that has not been aborted with its document.
UPDATE snapshot_jobs
SET status = 'success', product_count = %(product_count)s, level_count = %(level_count)s, size_bytes = %(size_bytes)s,
    snapshot_url = %(snapshot_url)s, expires_at = %(expires_at)s, updated_at = now(), finished_at = now()
WHERE account_id = %(account_id)s AND snapshot_id = %(snapshot_id)s AND status = 'processing'
RETURNING *;

-- name: fail_job
-- Ends a job that has not been aborted with an error.
UPDATE snapshot_jobs
SET status = 'error', error_code = %(error_code)s, error = %(error)s, updated_at = now(), finished_at = now()
WHERE account_id = %(account_id)s AND snapshot_id = %(snapshot_id)s AND status = 'processing'
RETURNING *;

-- name: abort_job
-- Aborts a job that has not finished.
UPDATE snapshot_jobs
SET status = 'aborted', abort_reason = %(reason)s, updated_at = now(), finished_at = now()
WHERE account_id = %(account_id)s AND snapshot_id = %(snapshot_id)s AND status IN ('pending', 'processing')
RETURNING *;

-- name: find_job
-- A job as it is now.
SELECT * FROM snapshot_jobs WHERE account_id = %(account_id)s AND snapshot_id = %(snapshot_id)s;

-- name: begin_reading
-- The document is one consistent read, whatever commits meanwhile.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: lock_document
-- One writer for a document, until the transaction ends; a worker that is lost loses the lock with its connection.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(account_id)s || '/' || %(snapshot_id)s::text, 0));

-- name: taken_at
-- The instant of the read: all that was committed before it is in the document.
SELECT transaction_timestamp();

-- name: products
-- A line `"sku":{…}` of the document and its number of levels for each product; the JSON is put together as text,
-- because PostgreSQL's JSON functions take twice as long. A level whose location was deleted is empty and has no line
-- (name and line are NULL, which the aggregates pass over); that it was emptied counts as a change of the product.
SELECT
    to_json(p.sku) || ':{"name":' || coalesce(to_json(p.name)::text, 'null')
        || CASE WHEN p.lot_tracked THEN ',"lot_tracked":true,"vendors":[' ELSE ',"lot_tracked":false,"vendors":[' END
        || coalesce(v.vendors, '') || '],"warehouses":{' || coalesce(s.warehouses, '') || '}}',
    coalesce(s.level_count, 0)
FROM products AS p
LEFT JOIN (
    SELECT w.sku, string_agg(w.line, ',' ORDER BY w.warehouse_id) AS warehouses, sum(w.level_count)::bigint AS level_count,
        bool_or(w.has_inventory) AS has_inventory, max(w.updated_at) AS updated_at
    FROM (
        SELECT l.sku, l.warehouse_id, count(n.name) AS level_count,
            bool_or(l.on_hand > 0) AS has_inventory, max(l.updated_at) AS updated_at,
            to_json(l.warehouse_id) || ':{"on_hand":' || sum(l.on_hand) || ',"available":' || sum(l.available)
                || ',"locations":[' || string_agg(
                    '{"location_id":' || to_json(l.location_id) || ',"name":' || to_json(n.name)
                    || CASE WHEN l.lot_id = '' THEN ',"lot_id":null,"expires_on":null'
                       ELSE ',"lot_id":' || to_json(l.lot_id)
                           || ',"expires_on":' || coalesce(to_json(o.expires_on)::text, 'null') END
                    || ',"version":' || l.version || ',"on_hand":' || l.on_hand || ',"available":' || l.available
                    || ',"committed":' || l.committed || ',"reserved":' || l.reserved || ',"damaged":' || l.damaged
                    || ',"safety_stock":' || l.safety_stock || ',"quality_control":' || l.quality_control
                    || ',"incoming":' || l.incoming || '}',
                    ',' ORDER BY l.location_id, l.lot_id
                ) || ']}' AS line
        FROM levels AS l
        LEFT JOIN locations AS n USING (account_id, warehouse_id, location_id)
        LEFT JOIN lots AS o USING (account_id, sku, lot_id)
        WHERE l.account_id = %(account_id)s
            AND (%(warehouse_id)s::text IS NULL OR l.warehouse_id = %(warehouse_id)s)
        GROUP BY l.sku, l.warehouse_id
    ) AS w
    GROUP BY w.sku
) AS s ON s.sku = p.sku
LEFT JOIN (
    SELECT pv.sku, string_agg(
        '{"vendor_id":' || to_json(pv.vendor_id) || ',"name":' || to_json(n.name)
        || ',"vendor_sku":' || coalesce(to_json(pv.vendor_sku)::text, 'null') || '}',
        ',' ORDER BY pv.vendor_id
    ) AS vendors
    FROM product_vendors AS pv
    JOIN vendors AS n USING (account_id, vendor_id)
    WHERE pv.account_id = %(account_id)s
    GROUP BY pv.sku
) AS v ON v.sku = p.sku
WHERE p.account_id = %(account_id)s
    AND (s.has_inventory OR NOT %(has_inventory)s)
    AND (s.updated_at >= %(updated_from)s OR %(updated_from)s::timestamptz IS NULL)
    AND (
        s.sku IS NOT NULL
        OR %(warehouse_id)s::text IS NULL OR p.warehouse_ids IS NULL OR %(warehouse_id)s = ANY (p.warehouse_ids)
    )
ORDER BY p.sku;
