-- name: sync_jobs
-- A page of an account's syncs, newest first, after one of them.
SELECT account_id, sync_id, warehouse_id, customer_account_id, url, user_id, status, dry_run, duplicate_of, confirms,
       reverts, total_count, success_count, error_count, skipped_count, aborted_count,
       success_count + error_count + skipped_count + aborted_count AS finished_count, invalid_count, blank_count,
       error_counts, levels_raised, levels_lowered, levels_zeroed, units_before, units_after, warnings, error_code, error,
       held_reason, abort_reason, recognised_as, rejects_key,
       coalesce(options ->> 'on_error', 'apply_good_rows') AS on_error,
       (options ->> 'max_errors')::bigint AS max_errors,
       coalesce(options ->> 'duplicates', 'error') AS duplicates, (options ->> 'as_of')::timestamptz AS as_of,
       coalesce((options ->> 'force')::boolean, false) AS force, options ->> 'encoding' AS encoding,
       coalesce(options ->> 'action', 'replace') AS action, coalesce(options -> 'columns', '{}') AS columns, object_etag, object_version, source_size AS size_bytes,
       encode(content_hash, 'hex') AS content_hash, layout -> 'header' AS header,
       range_count, ranges_done, chunk_count, chunks_done, planning, items_month, created_at, updated_at,
       resumed_at, finished_at
FROM sync_jobs
WHERE account_id = %(account_id)s
    AND (%(sync_id)s::uuid IS NULL OR sync_id = %(sync_id)s)
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(customer_account_id)s::text IS NULL OR customer_account_id = %(customer_account_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (created_at, sync_id) < (%(after_created_at)s::timestamptz, %(after_sync_id)s::uuid)
ORDER BY created_at DESC, sync_id DESC
LIMIT %(limit)s

-- name: items_of
-- In which month the rows of a sync are kept, and whether they still are.
SELECT j.items_month, to_regclass('sync_items' || to_char(j.items_month, '"_"YYYY_MM')) IS NOT NULL AS kept
FROM sync_jobs AS j
WHERE j.account_id = %(account_id)s AND j.sync_id = %(sync_id)s

-- name: sync_items
-- A page of a sync's rows in file order, after a row.
SELECT row, line, byte_offset, sku, quantity, action, reason, location, to_location, lot, note, expected_quantity,
       expected_version, customer_account_id, warehouse, status, level_id, version, to_level_id, to_version, merged_into,
       errors, created_at
FROM sync_items
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND month = %(month)s
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(sku)s::text IS NULL OR sku = %(sku)s)
    AND (%(code)s::text IS NULL OR errors @> jsonb_build_array(jsonb_build_object('code', %(code)s::text)))
    AND row > %(after_row)s
ORDER BY row
LIMIT %(limit)s

-- name: rejects
-- A page of the rows that were not applied, with their bytes, in file order, after a row. OFFSET 0 makes the look-up of a
-- row's status a step of its own, by the whole key: with no statistics of the month it could be one by the sync alone.
SELECT r.row, r.raw, i.errors
FROM sync_rejects AS r
CROSS JOIN LATERAL (
    SELECT * FROM sync_items AS i
    WHERE i.account_id = r.account_id AND i.sync_id = r.sync_id AND i.row = r.row AND i.month = %(month)s
    OFFSET 0
) AS i
WHERE r.account_id = %(account_id)s AND r.sync_id = %(sync_id)s AND r.month = %(month)s
    AND (%(status)s::text IS NULL OR i.status = %(status)s)
    AND (%(sku)s::text IS NULL OR i.sku = %(sku)s)
    AND (%(code)s::text IS NULL OR i.errors @> jsonb_build_array(jsonb_build_object('code', %(code)s::text)))
    AND r.row > %(after_row)s
ORDER BY r.row
LIMIT %(limit)s

-- name: sync_errors
-- How many rows of a sync have each code, those in error before those that were skipped, with the first of them; a row
-- with two codes counts under both.
WITH numbered AS (
    SELECT found.status, found.code, found.row,
           row_number() OVER (PARTITION BY found.status, found.code ORDER BY found.row) AS number
    FROM (
        SELECT DISTINCT i.status, i.row, error ->> 'code' AS code
        FROM sync_items AS i
        CROSS JOIN LATERAL jsonb_array_elements(i.errors) AS error
        WHERE i.account_id = %(account_id)s AND i.sync_id = %(sync_id)s AND i.month = %(month)s
            AND i.status IN ('error', 'skipped')
    ) AS found
)
SELECT counted.status, counted.code, counted.rows, (
    SELECT jsonb_agg(jsonb_build_object('row', i.row, 'line', i.line, 'sku', i.sku, 'error', (
               SELECT error FROM jsonb_array_elements(i.errors) AS error WHERE error ->> 'code' = counted.code LIMIT 1
           )) ORDER BY i.row)
    FROM sync_items AS i
    WHERE i.account_id = %(account_id)s AND i.sync_id = %(sync_id)s AND i.month = %(month)s
        AND i.row = ANY (counted.first_rows)
) AS examples
FROM (
    SELECT status, code, count(*) AS rows, array_agg(row) FILTER (WHERE number <= %(examples)s) AS first_rows
    FROM numbered
    GROUP BY status, code
) AS counted
ORDER BY counted.status, counted.rows DESC, counted.code

-- name: sync_diffs
-- A page of what a dry run would have changed, in file order, after one of its lines.
SELECT row, leg, owner_account_id, warehouse_id, sku, location_id, lot_id, before, after, after - before AS delta
FROM sync_diffs
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND month = %(month)s
    AND (row, leg) > (%(after_row)s, %(after_leg)s)
ORDER BY row, leg
LIMIT %(limit)s
