-- The rows of a chunk on their way through five temporary tables of the connection, each empty when a transaction begins.
-- `resolved` has what was found out about each row. A row is good as long as it has no errors; one with merged_into is
-- good and has its quantity in another row.

-- name: create_stage
-- `stage`: the validated rows. `owners`: whose stock in which warehouse the rows are about, by what they have in
-- customer_account_id and warehouse; `fault` is what speaks against all rows that have this there.
-- `copies`: rows that another row names the same thing as. `changed`: what became of the levels; `fault` is what a level
-- has against its row (see sync_fault), and `found` what it has instead; `beside`: what it has on hand that is not
-- available; the to_ columns are of the other end of a move.
CREATE TEMPORARY TABLE IF NOT EXISTS stage (
    row integer, line bigint, byte_offset bigint, sku text COLLATE "C", quantity text, action text COLLATE "C",
    reason text DEFAULT '', location text COLLATE "C" DEFAULT '', to_location text COLLATE "C" DEFAULT '',
    lot text COLLATE "C" DEFAULT '', note text DEFAULT '', expected_quantity text DEFAULT '',
    expected_version text DEFAULT '', customer_account_id text COLLATE "C" DEFAULT '',
    warehouse text COLLATE "C" DEFAULT '', target bigint,
    wants_quantity bigint, wants_version bigint, errors jsonb
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS owners (
    customer text COLLATE "C", warehouse text COLLATE "C", account_id text COLLATE "C", allowed boolean,
    warehouse_id text COLLATE "C", static boolean, allow_negative boolean, fault text, field text, value text,
    suggestion text, found text
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS resolved (
    row integer, account_id text COLLATE "C", warehouse_id text COLLATE "C", location_id text COLLATE "C",
    to_location_id text COLLATE "C", level_id bigint, to_level_id bigint, action text COLLATE "C", quantity bigint, wants_quantity bigint,
    wants_version bigint, allow_negative boolean, in_order boolean DEFAULT false, merged_into integer, status text,
    errors jsonb
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS copies (
    row integer, last_row integer, last_is_good boolean, alike boolean, action text, total numeric,
    wants_quantity bigint, wants_version bigint, named text
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS changed (
    row integer, account_id text COLLATE "C", level_id bigint, version bigint, delta bigint, after bigint,
    to_level_id bigint, to_version bigint, to_after bigint, fault text, found text, beside bigint, to_beside bigint
) ON COMMIT DELETE ROWS

-- name: copy_stage
-- Validated rows. Columns that are empty throughout are left out.
COPY stage ({columns}) FROM STDIN (FORMAT csv)

-- name: survey
-- What the rows are about: for each customer and warehouse named (or none), how many rows, moves and lots.
SELECT customer_account_id, warehouse, count(*), count(*) FILTER (WHERE action = 'move'), count(*) FILTER (WHERE lot <> '')
FROM stage
GROUP BY customer_account_id, warehouse

-- name: analyze_stage
-- Tells the planner how large this is.
ANALYZE stage

-- name: analyze_resolved
-- Tells the planner how large this is.
ANALYZE resolved

-- name: analyze_owners
-- Tells the planner how large this is.
ANALYZE owners

-- name: find_warehouses
-- The warehouses that rows name, by account and text: all ids that it may mean, and what it is like if it means none. An
-- id wins over names.
SELECT asked.account_id, asked.name, coalesce(by_id.ids, by_name.ids, '{}'), nearly.text
FROM unnest(%(account_ids)s::text[], %(names)s::text[]) AS asked (account_id, name)
LEFT JOIN LATERAL (
    SELECT ARRAY[warehouse_id] AS ids FROM warehouses
    WHERE account_id = asked.account_id AND warehouse_id = asked.name OFFSET 0
) AS by_id ON true
LEFT JOIN (
    SELECT account_id, normalize(btrim(name)) AS name, array_agg(warehouse_id ORDER BY warehouse_id) AS ids
    FROM warehouses
    WHERE account_id = ANY (%(account_ids)s)
    GROUP BY 1, 2
) AS by_name ON by_name.account_id = asked.account_id AND by_name.name = asked.name
LEFT JOIN (
    SELECT w.account_id, fold_name(called.text) AS folded, min(called.text) AS text
    FROM warehouses AS w
    CROSS JOIN LATERAL (VALUES (w.warehouse_id), (w.name)) AS called (text)
    WHERE w.account_id = ANY (%(account_ids)s)
    GROUP BY 1, 2
) AS nearly ON nearly.account_id = asked.account_id AND nearly.folded = fold_name(asked.name)

-- name: insert_owners
-- Whose stock the rows are about, with the rules of the warehouse if there is one.
INSERT INTO owners
SELECT asked.customer, asked.warehouse, asked.account_id, asked.allowed, w.warehouse_id, w.slotting = 'static',
       w.allow_negative, coalesce(asked.fault, CASE WHEN w.warehouse_id IS NULL THEN 'UNKNOWN_WAREHOUSE' END),
       asked.field, asked.value, asked.suggestion, asked.found
FROM unnest(
    %(customer)s::text[], %(warehouse)s::text[], %(account_id)s::text[], %(allowed)s::boolean[],
    %(warehouse_id)s::text[], %(fault)s::text[], %(field)s::text[], %(value)s::text[], %(suggestion)s::text[],
    %(found)s::text[]
) AS asked (customer, warehouse, account_id, allowed, warehouse_id, fault, field, value, suggestion, found)
LEFT JOIN warehouses AS w ON w.account_id = asked.account_id AND w.warehouse_id = asked.warehouse_id

-- name: resolve
-- Finds each row's product, location and level, and adds what the catalogue has against the row to its errors. Of a
-- record that is wrong itself the fields are not certain, so nothing is said of them.
-- OFFSET 0 makes each look-up a step of its own, by the whole key: planned together with the others it can become a scan
-- of the account's rows for every row, where the statistics of a table that is just being filled call it small.
INSERT INTO resolved
    (row, account_id, warehouse_id, location_id, level_id, action, quantity, wants_quantity, wants_version,
     allow_negative, errors)
SELECT
    s.row, o.account_id, o.warehouse_id, place.location_id, CASE WHEN o.allowed THEN l.level_id END, s.action, s.target,
    s.wants_quantity, s.wants_version, o.allow_negative,
    CASE WHEN fault.owner IS NULL AND fault.sku IS NULL AND fault.location IS NULL AND fault.lot IS NULL THEN s.errors
    ELSE
        coalesce(s.errors, '[]'::jsonb)
        || row_error(fault.owner, o.field, o.value, o.suggestion, o.found)
        || row_error(fault.sku, 'sku', s.sku, CASE WHEN p.sku IS NULL AND fault.sku IS NOT NULL THEN (
            SELECT near.sku FROM (
                SELECT sku FROM products
                WHERE account_id = o.account_id AND fold_name(sku) = ANY (near_names(s.sku)) LIMIT 20) AS near
            ORDER BY array_position(near_names(s.sku), fold_name(near.sku)), near.sku LIMIT 1) END)
        || row_error(fault.location, 'location', s.location, CASE fault.location WHEN 'UNKNOWN_LOCATION' THEN
            near_location(o.account_id, o.warehouse_id, s.location) END)
        || row_error(fault.lot, 'lot', s.lot)
    END
FROM stage AS s
JOIN owners AS o ON o.customer = s.customer_account_id AND o.warehouse = s.warehouse
LEFT JOIN LATERAL (
    SELECT sku, warehouse_ids, lot_tracked FROM products WHERE account_id = o.account_id AND sku = s.sku OFFSET 0
) AS p ON true
LEFT JOIN LATERAL (
    SELECT location_id FROM locations
    WHERE account_id = o.account_id AND warehouse_id = o.warehouse_id AND name = s.location OFFSET 0
) AS loc ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.location = '' THEN %(unassigned)s ELSE loc.location_id END AS location_id
) AS place
LEFT JOIN LATERAL (
    SELECT level_id FROM levels
    WHERE account_id = o.account_id AND warehouse_id = o.warehouse_id AND sku = s.sku
      AND location_id = place.location_id AND lot_id = s.lot OFFSET 0
) AS l ON true
CROSS JOIN LATERAL (
    SELECT s.errors IS NULL OR NOT s.errors @> '[{"field": "record"}]' AS certain
) AS record
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN record.certain THEN o.fault END AS owner,
        CASE
            WHEN NOT (o.allowed AND record.certain) OR s.sku = '' THEN NULL
            WHEN p.sku IS NULL THEN
                CASE WHEN s.sku ~ '^[0-9]([.,][0-9]+)?[eE][+-][0-9]+$' THEN 'SKU_SCIENTIFIC' ELSE 'UNKNOWN_SKU' END
            WHEN NOT coalesce(o.warehouse_id = ANY(p.warehouse_ids), true) THEN 'SKU_NOT_IN_WAREHOUSE'
        END AS sku,
        CASE
            WHEN s.location = '' OR loc.location_id = %(unassigned)s OR NOT record.certain OR o.warehouse_id IS NULL
                THEN NULL
            WHEN o.static THEN 'LOCATION_NOT_ALLOWED'
            WHEN loc.location_id IS NULL THEN 'UNKNOWN_LOCATION'
        END AS location,
        CASE
            WHEN (p.lot_tracked IS TRUE) = (s.lot <> '') OR p.sku IS NULL OR NOT (o.allowed AND record.certain) THEN NULL
            WHEN p.lot_tracked THEN 'LOT_REQUIRED'
            ELSE 'LOT_NOT_ALLOWED'
        END AS lot
) AS fault

-- name: skip_left
-- The rows that leave the stock as it is are skipped.
UPDATE resolved SET status = 'skipped', errors = s.errors
FROM stage AS s
WHERE s.row = resolved.row AND s.errors @> '[{"code": "LEFT_AS_IT_IS"}]'

-- name: find_unknown_lots
-- Adds UNKNOWN_LOT to the rows that name a lot that their product does not have.
WITH unknown AS (
    SELECT s.row, s.lot
    FROM stage AS s
    JOIN owners AS o ON o.customer = s.customer_account_id AND o.warehouse = s.warehouse
    CROSS JOIN LATERAL (
        SELECT 1 FROM products WHERE account_id = o.account_id AND sku = s.sku AND lot_tracked OFFSET 0
    ) AS p
    LEFT JOIN LATERAL (
        SELECT lot_id FROM lots WHERE account_id = o.account_id AND sku = s.sku AND lot_id = s.lot OFFSET 0
    ) AS found ON true
    WHERE s.lot <> '' AND o.allowed AND found.lot_id IS NULL
      AND (s.errors IS NULL OR NOT s.errors @> '[{"field": "record"}]')
)
UPDATE resolved SET errors = coalesce(errors, '[]'::jsonb) || row_error('UNKNOWN_LOT', 'lot', unknown.lot)
FROM unknown
WHERE unknown.row = resolved.row

-- name: resolve_moves
-- Finds where moves end, and adds what the catalogue has against it.
WITH moves AS (
    SELECT s.row, o.account_id, o.warehouse_id, s.to_location, loc.location_id, l.level_id, CASE
        WHEN loc.location_id = %(unassigned)s THEN NULL
        WHEN o.static THEN 'LOCATION_NOT_ALLOWED'
        WHEN loc.location_id IS NULL THEN 'UNKNOWN_LOCATION'
    END AS fault
    FROM stage AS s
    JOIN owners AS o ON o.customer = s.customer_account_id AND o.warehouse = s.warehouse
    LEFT JOIN LATERAL (
        SELECT location_id FROM locations
        WHERE account_id = o.account_id AND warehouse_id = o.warehouse_id AND name = s.to_location OFFSET 0
    ) AS loc ON true
    LEFT JOIN LATERAL (
        SELECT level_id FROM levels
        WHERE account_id = o.account_id AND warehouse_id = o.warehouse_id AND sku = s.sku
          AND location_id = loc.location_id AND lot_id = s.lot OFFSET 0
    ) AS l ON true
    WHERE s.action = 'move' AND s.to_location <> '' AND o.warehouse_id IS NOT NULL
      AND (s.errors IS NULL OR NOT s.errors @> '[{"field": "record"}]')
)
UPDATE resolved
SET to_location_id = moves.location_id,
    to_level_id = moves.level_id,
    errors = CASE WHEN moves.fault IS NULL THEN errors
        ELSE coalesce(errors, '[]'::jsonb) || row_error(moves.fault, 'to_location', moves.to_location,
            CASE moves.fault WHEN 'UNKNOWN_LOCATION' THEN
                near_location(moves.account_id, moves.warehouse_id, moves.to_location) END) END
FROM moves
WHERE moves.row = resolved.row

-- name: insert_diffs
-- What a dry run would have changed, in units on hand: what is available, and what the level has beside it.
INSERT INTO sync_diffs
    (account_id, sync_id, month, row, leg, owner_account_id, warehouse_id, sku, location_id, lot_id, before, after)
SELECT %(account_id)s, %(sync_id)s, %(month)s, c.row, leg.number, c.account_id, r.warehouse_id, s.sku,
       leg.location_id, s.lot, leg.after - leg.delta + leg.beside, leg.after + leg.beside
FROM changed AS c
JOIN stage AS s USING (row)
JOIN resolved AS r USING (row)
CROSS JOIN LATERAL (VALUES
    (1, r.location_id, c.version, c.delta, c.after, c.beside),
    (2, r.to_location_id, c.to_version, -c.delta, c.to_after, c.to_beside)
) AS leg (number, location_id, version, delta, after, beside)
WHERE leg.version IS NOT NULL

-- name: note_faults
-- Adds what levels had against rows to the rows' errors; how many rows that were. Rows of a revert about a level that has
-- changed since are left out.
UPDATE resolved
SET errors = CASE fault
        WHEN 'expected_version' THEN row_error(
            'STALE_QUANTITY', fault, coalesce(nullif(s.expected_version, ''), resolved.wants_version::text), NULL,
            c.found)
        WHEN 'expected_quantity' THEN row_error(
            'STALE_QUANTITY', fault, coalesce(nullif(s.expected_quantity, ''), resolved.wants_quantity::text),
            NULL, c.found)
        WHEN 'INSUFFICIENT_STOCK' THEN row_error(
            fault, 'quantity', s.quantity, NULL, shortage_found(c.level_id, c.found))
        ELSE row_error(fault, 'quantity', s.quantity, NULL, c.found)
    END,
    status = CASE WHEN %(skip_changed)s AND fault IN ('expected_version', 'expected_quantity') THEN 'skipped' END
FROM changed AS c
JOIN stage AS s USING (row)
WHERE c.row = resolved.row AND c.fault IS NOT NULL

-- name: abort_rows
-- All rows but those in error are not applied because of those.
UPDATE resolved SET status = 'aborted', errors = NULL, merged_into = NULL
WHERE errors IS NULL OR status = 'skipped'

-- name: forget_changes
-- None of the changes would be made, since not all rows are good.
DELETE FROM changed

-- name: sum_changes
-- How many levels are raised, lowered, and lowered to nothing, the units on hand in them before and after, and how many
-- moves there are: without one, each level is there once.
SELECT count(*) FILTER (WHERE delta > 0), count(*) FILTER (WHERE delta < 0 AND after + beside <> 0),
       count(*) FILTER (WHERE delta < 0 AND after + beside = 0),
       coalesce(sum(after + beside - delta), 0)::bigint, coalesce(sum(after + beside), 0)::bigint, count(to_version)
FROM changed
WHERE version IS NOT NULL

-- name: sum_changes_with_moves
-- The same where several rows can have changed a level: from what it was before the first to what it is after the last.
WITH legs AS (
    SELECT level_id, version, delta, after + beside AS on_hand FROM changed WHERE version IS NOT NULL
    UNION ALL
    SELECT to_level_id, to_version, -delta, to_after + to_beside FROM changed WHERE to_version IS NOT NULL
), by_level AS (
    SELECT sum(delta) AS delta, (array_agg(on_hand ORDER BY version DESC))[1] AS on_hand FROM legs GROUP BY level_id
)
SELECT count(*) FILTER (WHERE delta > 0), count(*) FILTER (WHERE delta < 0 AND on_hand <> 0),
       count(*) FILTER (WHERE delta < 0 AND on_hand = 0),
       coalesce(sum(on_hand - delta), 0)::bigint, coalesce(sum(on_hand), 0)::bigint
FROM by_level
WHERE delta <> 0

-- name: abort_stage
-- The rows of a chunk that the abort of its job came before. Those that are wrong in themselves are told so.
INSERT INTO resolved (row, status, errors) SELECT row, CASE WHEN errors IS NULL THEN 'aborted' END, errors FROM stage

-- name: fail_stage
-- The rows of a chunk that was given up.
INSERT INTO resolved (row, errors)
SELECT row, coalesce(errors, '[]') || row_error('PART_FAILED', 'record', NULL) FROM stage

-- name: insert_items
-- The fate of each row of the chunk. A dry run leaves no version behind. In the order of the key: an eighth less work.
INSERT INTO sync_items
    (account_id, sync_id, month, row, line, byte_offset, status, sku, quantity, action, reason, location, to_location, lot,
     note, expected_quantity, expected_version, customer_account_id, warehouse, level_id, version, to_level_id,
     to_version, merged_into, errors)
SELECT
    %(account_id)s, %(sync_id)s, %(month)s, r.row, s.line, s.byte_offset,
    coalesce(r.status, CASE WHEN r.errors IS NULL THEN 'success' ELSE 'error' END),
    s.sku, s.quantity, s.action, nullif(s.reason, ''), nullif(s.location, ''), nullif(s.to_location, ''),
    nullif(s.lot, ''), nullif(s.note, ''), nullif(s.expected_quantity, ''), nullif(s.expected_version, ''),
    nullif(s.customer_account_id, ''), nullif(s.warehouse, ''), r.level_id, CASE WHEN %(applied)s THEN c.version END, r.to_level_id,
    CASE WHEN %(applied)s THEN c.to_version END, r.merged_into, r.errors
FROM resolved AS r
JOIN stage AS s USING (row)
LEFT JOIN changed AS c USING (row)
ORDER BY r.row

-- name: count_statuses
-- How many rows have which status.
SELECT coalesce(status, CASE WHEN errors IS NULL THEN 'success' ELSE 'error' END), count(*) FROM resolved GROUP BY 1

-- name: count_errors
-- How many rows in error have which code.
SELECT error ->> 'code', count(DISTINCT row)
FROM resolved
CROSS JOIN LATERAL jsonb_array_elements(errors) AS error
WHERE status IS NULL AND errors IS NOT NULL
GROUP BY 1

-- name: rows_to_reject
-- The rows that were not applied and can be sent again.
COPY (
    SELECT row FROM resolved WHERE status = 'aborted' OR status IS NULL AND errors IS NOT NULL
) TO STDOUT (FORMAT csv)

-- name: copy_rejects
-- The bytes of rows that were not applied.
COPY sync_rejects (account_id, sync_id, month, row, raw) FROM STDIN (FORMAT csv)
