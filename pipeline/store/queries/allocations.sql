-- Lists come as in levels.sql. Who writes an allocation holds its level, so these rows need no locks of their own.

-- name: open_allocations
-- What some orders have open on some levels; and on up to four other levels each.
WITH asked AS MATERIALIZED (
    SELECT *
    FROM unnest(
        string_to_array(%(account_ids)s, chr(31)), string_to_array(%(documents)s, chr(31)),
        string_to_array(%(level_ids)s, chr(31))::bigint[]) AS k (account_id, document, level_id)
), found AS (
    SELECT account_id, document, level_id, a.quantity
    FROM asked
    JOIN allocations AS a USING (account_id, document, level_id)
    UNION
    SELECT o.account_id, o.document, a.level_id, a.quantity
    FROM (SELECT DISTINCT account_id, document FROM asked) AS o
    CROSS JOIN LATERAL (
        SELECT level_id, quantity FROM allocations
        WHERE account_id = o.account_id AND document = o.document
        ORDER BY level_id
        LIMIT 5
    ) AS a
)
SELECT account_id, f.document, l.warehouse_id, l.sku, l.location_id, l.lot_id, f.quantity
FROM found AS f
JOIN levels AS l USING (level_id, account_id)

-- name: documents_of_levels
-- The first few documents of some levels.
SELECT k.level_id, a.document
FROM unnest(%(level_ids)s::bigint[]) AS k (level_id)
CROSS JOIN LATERAL (
    SELECT document FROM allocations WHERE level_id = k.level_id ORDER BY document LIMIT %(most)s
) AS a
ORDER BY k.level_id, a.document

-- name: write_allocations
-- Writes how many units are open, of levels that this transaction holds.
INSERT INTO allocations AS a (account_id, document, level_id, quantity)
SELECT *
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(documents)s, chr(31)),
    string_to_array(%(level_ids)s, chr(31))::bigint[], string_to_array(%(quantities)s, chr(31))::bigint[])
ON CONFLICT (account_id, document, level_id) DO UPDATE SET quantity = excluded.quantity, updated_at = now()

-- name: delete_allocations
-- The last units of some orders on some levels have gone.
DELETE FROM allocations AS a
USING unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(documents)s, chr(31)),
    string_to_array(%(level_ids)s, chr(31))::bigint[]) AS k (account_id, document, level_id)
WHERE a.account_id = k.account_id AND a.document = k.document AND a.level_id = k.level_id
