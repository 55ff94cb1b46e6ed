-- What the good rows of a chunk do to levels and ledger; chunks.sql has the tables.

-- name: lacks_levels
-- Whether a good row's level does not exist, or did not when it was looked for.
SELECT EXISTS (
    SELECT FROM resolved
    WHERE errors IS NULL AND merged_into IS NULL
      AND (level_id IS NULL OR to_location_id IS NOT NULL AND to_level_id IS NULL)
)

-- name: create_levels
-- Creates the levels that the good rows lack, empty, in key order as every writer does.
INSERT INTO levels (account_id, warehouse_id, sku, location_id, lot_id)
SELECT r.account_id, r.warehouse_id, s.sku, r.location_id, s.lot
FROM resolved AS r
JOIN stage AS s USING (row)
WHERE r.errors IS NULL AND r.merged_into IS NULL AND r.level_id IS NULL
UNION ALL
SELECT r.account_id, r.warehouse_id, s.sku, r.to_location_id, s.lot
FROM resolved AS r
JOIN stage AS s USING (row)
WHERE r.errors IS NULL AND r.merged_into IS NULL AND r.to_location_id IS NOT NULL AND r.to_level_id IS NULL
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT DO NOTHING

-- name: find_created_levels
-- Completes the rows whose level this transaction, or another one just now, has created.
UPDATE resolved AS r
SET level_id = coalesce(r.level_id, (
        SELECT l.level_id FROM levels AS l
        WHERE l.account_id = r.account_id AND l.warehouse_id = r.warehouse_id AND l.sku = s.sku
          AND l.location_id = r.location_id AND l.lot_id = s.lot)),
    to_level_id = coalesce(r.to_level_id, (
        SELECT l.level_id FROM levels AS l
        WHERE l.account_id = r.account_id AND l.warehouse_id = r.warehouse_id AND l.sku = s.sku
          AND l.location_id = r.to_location_id AND l.lot_id = s.lot))
FROM stage AS s
WHERE s.row = r.row AND r.errors IS NULL AND r.merged_into IS NULL
  AND (r.level_id IS NULL OR r.to_location_id IS NOT NULL AND r.to_level_id IS NULL)

-- name: mark_sequence
-- The moves, and the rows about a level that a move touches, are carried out one after the other.
WITH touched AS (
    SELECT level_id FROM resolved WHERE action = 'move' AND errors IS NULL AND merged_into IS NULL
    UNION
    SELECT to_level_id FROM resolved WHERE action = 'move' AND errors IS NULL AND merged_into IS NULL
)
UPDATE resolved SET in_order = true
FROM touched
WHERE resolved.level_id = touched.level_id AND errors IS NULL AND merged_into IS NULL

-- name: prefer_nested_loops
-- The next statements lock the levels in the order of level_id, as every writer does, so that no two wait for each other.
-- The rows come sorted, and only a nested loop keeps that order.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;

-- name: allow_all_joins
-- The rest of the transaction may join as it likes.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;

-- name: lock_levels
-- Holds every level of the chunk, both ends of its moves too, in the order of level_id.
SELECT count(*) FROM (
    SELECT 1
    FROM (
        SELECT account_id, level_id FROM resolved WHERE errors IS NULL AND merged_into IS NULL
        UNION
        SELECT account_id, to_level_id FROM resolved
        WHERE errors IS NULL AND merged_into IS NULL AND to_level_id IS NOT NULL
    ) AS touched
    JOIN levels AS l USING (level_id, account_id)
    ORDER BY l.level_id
    FOR UPDATE OF l
) AS held

-- name: rows_in_sequence
-- The rows that are carried out one after the other.
SELECT row, account_id, action, quantity, level_id, to_level_id, wants_quantity, wants_version, allow_negative
FROM resolved
WHERE in_order
ORDER BY row

-- name: levels_in_sequence
-- The levels of those rows, which the transaction holds, and when each changed last if that was after the file's time.
SELECT l.level_id, l.version, l.available, l.committed, l.reserved, l.damaged, l.safety_stock, l.quality_control,
       l.incoming, CASE WHEN l.version > 0 AND l.updated_at > %(as_of)s::timestamptz
       THEN to_char(l.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END
FROM (
    SELECT account_id, level_id FROM resolved WHERE in_order
    UNION
    SELECT account_id, to_level_id FROM resolved WHERE in_order AND to_level_id IS NOT NULL
) AS touched
CROSS JOIN LATERAL (
    SELECT * FROM levels WHERE level_id = touched.level_id AND account_id = touched.account_id OFFSET 0
) AS l

-- name: copy_changed
-- What became of levels.
COPY changed FROM STDIN (FORMAT csv)

-- name: read_changed
-- What became of levels, to be kept over a rollback.
COPY changed TO STDOUT (FORMAT csv)

-- name: read_faults
-- What levels had against rows, to be kept over a rollback.
COPY (SELECT * FROM changed WHERE fault IS NOT NULL) TO STDOUT (FORMAT csv)

-- name: write_sequence
-- Writes the levels of the rows that were carried out one after the other, as their last versions are.
WITH versions AS (
    SELECT account_id, level_id, version, after FROM changed WHERE version IS NOT NULL
    UNION ALL
    SELECT account_id, to_level_id, to_version, to_after FROM changed WHERE to_version IS NOT NULL
), last AS (
    SELECT DISTINCT ON (level_id) account_id, level_id, version, after FROM versions ORDER BY level_id, version DESC
)
UPDATE levels AS l SET available = last.after, version = last.version, updated_at = now()
FROM last
WHERE l.account_id = last.account_id AND l.level_id = last.level_id

-- name: update_levels
-- Brings each level to what its row says, all decided on the level as it is when it is locked. One with a fault is only
-- touched, so that the fault is known; one that is as the row wants it is not touched.
-- The account comes from the CTE, not as a constant, so that the whole key finds a level and not the account alone.
WITH target AS MATERIALIZED (
    SELECT
        account_id, row, level_id, allow_negative, wants_quantity, wants_version, quantity AS set_to,
        CASE action WHEN 'add' THEN quantity WHEN 'remove' THEN -quantity END AS shift
    FROM resolved
    WHERE errors IS NULL AND merged_into IS NULL AND NOT in_order
    ORDER BY level_id
), updated AS (
    UPDATE levels AS l
    SET available = CASE WHEN sync_fault(
                l.available, l.on_hand, l.version, l.updated_at, t.shift, t.set_to, t.wants_quantity, t.wants_version,
                %(as_of)s, t.allow_negative, %(max_level)s) IS NULL
            THEN l.available + coalesce(t.shift, t.set_to - l.on_hand) ELSE l.available END,
        version = CASE WHEN sync_fault(
                l.available, l.on_hand, l.version, l.updated_at, t.shift, t.set_to, t.wants_quantity, t.wants_version,
                %(as_of)s, t.allow_negative, %(max_level)s) IS NULL
            THEN l.version + 1 ELSE l.version END,
        updated_at = CASE WHEN sync_fault(
                l.available, l.on_hand, l.version, l.updated_at, t.shift, t.set_to, t.wants_quantity, t.wants_version,
                %(as_of)s, t.allow_negative, %(max_level)s) IS NULL
            THEN now() ELSE l.updated_at END
    FROM target AS t
    WHERE l.account_id = t.account_id AND l.level_id = t.level_id
      AND (coalesce(t.shift, t.set_to - l.on_hand) <> 0 OR sync_fault(
          l.available, l.on_hand, l.version, l.updated_at, t.shift, t.set_to, t.wants_quantity, t.wants_version,
          %(as_of)s, t.allow_negative, %(max_level)s) IS NOT NULL)
    RETURNING
        t.row, t.account_id, new.level_id, CASE WHEN new.version > old.version THEN new.version END AS version,
        new.available - old.available AS delta, new.available AS after,
        CASE WHEN new.version = old.version THEN sync_fault(
            old.available, old.on_hand, old.version, old.updated_at, t.shift, t.set_to, t.wants_quantity,
            t.wants_version, %(as_of)s, t.allow_negative, %(max_level)s) END AS fault,
        CASE WHEN t.shift IS NULL THEN old.on_hand ELSE old.available END AS named, old.version AS version_before,
        old.updated_at AS changed_at, old.on_hand - old.available AS beside
)
INSERT INTO changed (row, account_id, level_id, version, delta, after, beside, fault, found)
SELECT row, account_id, level_id, version, delta, after, beside, fault, CASE
    WHEN fault IS NULL THEN NULL
    WHEN fault = 'expected_version' THEN version_before::text
    WHEN fault = 'expected_quantity' THEN named::text
    WHEN fault = 'LEVEL_CHANGED_SINCE' THEN to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    WHEN fault = 'INSUFFICIENT_STOCK' THEN after::text
END
FROM updated

-- name: analyze_changed
-- Tells the planner how large this is.
ANALYZE changed

-- name: has_errors
-- Whether a row is in error.
SELECT EXISTS (SELECT FROM resolved WHERE errors IS NOT NULL AND status IS NULL)
    OR EXISTS (
        SELECT FROM changed
        WHERE fault IS NOT NULL AND NOT (%(skip_changed)s AND fault IN ('expected_version', 'expected_quantity')))

-- name: count_changes
-- How many lines of the ledger each owner gets.
SELECT account_id, count(version) + count(to_version) FROM changed GROUP BY account_id ORDER BY account_id

-- name: append_ledger
-- The ledger lines of the chunk; of moves those of the level that they begin at.
INSERT INTO change_log
    (account_id, level_id, version, state, delta, after, batch_id, recorded_at, reason, note, actor,
     provider_account_id, sync_id, sync_row)
SELECT c.account_id, c.level_id, c.version, 'available', c.delta, c.after, b.batch_id, b.recorded_at,
       nullif(s.reason, ''), nullif(s.note, ''), %(actor)s, nullif(%(account_id)s, c.account_id), %(sync_id)s, c.row
FROM changed AS c
JOIN stage AS s USING (row)
JOIN unnest(%(owner_ids)s::text[], %(batch_ids)s::bigint[], %(times)s::timestamptz[])
    AS b (account_id, batch_id, recorded_at) ON b.account_id = c.account_id
WHERE c.version IS NOT NULL
ORDER BY c.level_id

-- name: append_ends_of_moves
-- The ledger lines of the levels that moves end at.
INSERT INTO change_log
    (account_id, level_id, version, state, delta, after, batch_id, recorded_at, reason, note, actor,
     provider_account_id, sync_id, sync_row)
SELECT c.account_id, c.to_level_id, c.to_version, 'available', -c.delta, c.to_after, b.batch_id, b.recorded_at,
       nullif(s.reason, ''), nullif(s.note, ''), %(actor)s, nullif(%(account_id)s, c.account_id), %(sync_id)s, c.row
FROM changed AS c
JOIN stage AS s USING (row)
JOIN unnest(%(owner_ids)s::text[], %(batch_ids)s::bigint[], %(times)s::timestamptz[])
    AS b (account_id, batch_id, recorded_at) ON b.account_id = c.account_id
WHERE c.to_version IS NOT NULL
ORDER BY c.to_level_id
