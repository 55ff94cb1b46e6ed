-- name: create_stage
-- The tables of this connection through which a chunk goes; each is empty at the start of a transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS stage (
    row integer, sku text COLLATE "C", quantity text, action text, reason text, location text COLLATE "C",
    target bigint, errors jsonb
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS resolved (
    row integer, sku text COLLATE "C", quantity text, action text, reason text, location text, target bigint,
    errors jsonb, location_id text COLLATE "C", level_id bigint
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS changed (
    row integer, reason text, level_id bigint, version bigint, delta bigint, after bigint
) ON COMMIT DELETE ROWS;

-- name: copy_stage
-- The validated rows of a chunk.
COPY stage (row, sku, quantity, action, reason, location, target, errors) FROM STDIN (FORMAT csv)

-- name: resolve
-- Finds each row's product, location and level, and adds what the catalogue has against the row to its errors.
-- OFFSET 0 makes each look-up a step of its own, by the whole key: planned together with the others it can become a scan
-- of the account's rows for every row, where the statistics of a table that is just being filled call it small.
INSERT INTO resolved
SELECT
    s.row, s.sku, s.quantity, s.action, s.reason, s.location, s.target,
    CASE WHEN fault.sku IS NULL AND fault.location IS NULL THEN s.errors ELSE
        coalesce(s.errors, '[]'::jsonb)
        || CASE WHEN fault.sku IS NULL THEN '[]'::jsonb
           ELSE jsonb_build_array(jsonb_build_object('code', fault.sku, 'field', 'sku', 'value', left(s.sku, 200))) END
        || CASE WHEN fault.location IS NULL THEN '[]'::jsonb
           ELSE jsonb_build_array(
               jsonb_build_object('code', fault.location, 'field', 'location', 'value', left(s.location, 200))) END
    END,
    place.location_id, l.level_id
FROM stage AS s
JOIN warehouses AS w ON w.account_id = %(account_id)s AND w.warehouse_id = %(warehouse_id)s
LEFT JOIN LATERAL (
    SELECT sku, warehouse_ids, lot_tracked FROM products WHERE account_id = w.account_id AND sku = s.sku OFFSET 0
) AS p ON true
LEFT JOIN LATERAL (
    SELECT location_id FROM locations
    WHERE account_id = w.account_id AND warehouse_id = w.warehouse_id AND name = s.location OFFSET 0
) AS loc ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.location = '' THEN %(unassigned)s ELSE loc.location_id END AS location_id
) AS place
LEFT JOIN LATERAL (
    SELECT level_id FROM levels
    WHERE account_id = w.account_id AND warehouse_id = w.warehouse_id AND sku = s.sku
      AND location_id = place.location_id AND lot_id = '' OFFSET 0
) AS l ON true
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN s.sku = '' THEN NULL
            WHEN p.sku IS NULL THEN 'UNKNOWN_SKU'
            WHEN NOT coalesce(w.warehouse_id = ANY(p.warehouse_ids), true) THEN 'SKU_NOT_IN_WAREHOUSE'
            WHEN p.lot_tracked THEN 'LOT_REQUIRED'
        END AS sku,
        CASE
            WHEN s.location = '' OR loc.location_id = %(unassigned)s THEN NULL
            WHEN w.slotting = 'static' THEN 'LOCATION_NOT_ALLOWED'
            WHEN loc.location_id IS NULL THEN 'UNKNOWN_LOCATION'
        END AS location
) AS fault

-- name: create_levels
-- Creates the levels that the good rows lack, empty, in key order as every writer does.
INSERT INTO levels (account_id, warehouse_id, sku, location_id, lot_id)
SELECT %(account_id)s, %(warehouse_id)s, sku, location_id, ''
FROM resolved
WHERE errors IS NULL AND level_id IS NULL
ORDER BY sku, location_id
ON CONFLICT DO NOTHING

-- name: find_created_levels
-- Completes the rows whose level this transaction, or another one just now, has created.
UPDATE resolved SET level_id = (
    SELECT l.level_id FROM levels AS l
    WHERE l.account_id = %(account_id)s AND l.warehouse_id = %(warehouse_id)s AND l.sku = resolved.sku
      AND l.location_id = resolved.location_id AND l.lot_id = '')
WHERE errors IS NULL AND level_id IS NULL

-- name: prefer_nested_loops
-- The next update locks the levels in the order of level_id, as every writer does, so that no two wait for each other. The
-- rows come sorted, and only a nested loop keeps that order.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;

-- name: allow_all_joins
-- The rest of the transaction may join as it likes.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;

-- name: update_levels
-- Brings each level that holds another quantity to the counted one, the difference on available. Where that would leave
-- available below zero, the level is only touched, with a delta of 0: the row is then an INSUFFICIENT_STOCK.
-- The account comes from the CTE, not as a constant, so that the whole key finds a level and not the account alone.
WITH target AS MATERIALIZED (
    SELECT w.account_id, r.row, r.reason, r.target, r.level_id, w.allow_negative
    FROM resolved AS r
    JOIN warehouses AS w ON w.account_id = %(account_id)s AND w.warehouse_id = %(warehouse_id)s
    WHERE r.errors IS NULL
    ORDER BY r.level_id
), updated AS (
    UPDATE levels AS l
    SET available = CASE
            WHEN target.allow_negative OR target.target > l.on_hand OR l.available + target.target >= l.on_hand
            THEN l.available + target.target - l.on_hand ELSE l.available END,
        version = CASE
            WHEN target.allow_negative OR target.target > l.on_hand OR l.available + target.target >= l.on_hand
            THEN l.version + 1 ELSE l.version END,
        updated_at = now()
    FROM target
    WHERE l.account_id = target.account_id AND l.level_id = target.level_id AND l.on_hand <> target.target
    RETURNING target.row, target.reason, new.level_id, new.version, new.available - old.available AS delta,
              new.available AS after
)
INSERT INTO changed SELECT * FROM updated

-- name: append_ledger
-- The ledger lines of the chunk.
INSERT INTO change_log
    (account_id, level_id, version, state, delta, after, batch_id, recorded_at, reason, actor, sync_id, sync_row)
SELECT %(account_id)s, level_id, version, 'available', delta, after, %(batch_id)s, %(recorded_at)s, nullif(reason, ''),
       %(actor)s, %(sync_id)s, row
FROM changed
WHERE delta <> 0

-- name: insert_items
-- The fate of each row of the chunk; returns how many had which.
WITH items AS (
    INSERT INTO sync_items
        (account_id, sync_id, row, status, sku, quantity, action, reason, location, level_id, version, errors)
    SELECT
        %(account_id)s, %(sync_id)s, r.row, CASE WHEN fate.errors IS NULL THEN 'success' ELSE 'error' END,
        r.sku, r.quantity, r.action, r.reason, r.location, c.level_id, CASE WHEN c.delta <> 0 THEN c.version END,
        fate.errors
    FROM resolved AS r
    LEFT JOIN changed AS c USING (row)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.delta = 0 THEN jsonb_build_array(
            jsonb_build_object('code', 'INSUFFICIENT_STOCK', 'field', 'quantity', 'value', r.quantity))
        ELSE r.errors END AS errors
    ) AS fate
    RETURNING status
)
SELECT count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'error') FROM items

-- name: insert_aborted_items
-- The rows of a chunk that the abort of its job came before; returns how many.
WITH items AS (
    INSERT INTO sync_items (account_id, sync_id, row, status, sku, quantity, action, reason, location)
    SELECT %(account_id)s, %(sync_id)s, row, 'aborted', sku, quantity, action, reason, location
    FROM stage
    RETURNING 1
)
SELECT count(*) FROM items
