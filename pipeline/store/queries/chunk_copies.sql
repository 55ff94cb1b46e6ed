-- Rows of a chunk that name the same thing; chunks.sql has the tables.

-- name: may_have_copies
-- Whether two rows name the same level, or would if it existed: then gather_copies looks closer.
SELECT EXISTS (SELECT FROM resolved WHERE level_id IS NOT NULL GROUP BY level_id HAVING count(*) > 1)
    OR EXISTS (
        SELECT FROM resolved AS r
        JOIN stage AS s USING (row)
        WHERE r.level_id IS NULL AND s.sku <> ''
        GROUP BY s.sku, nullif(nullif(s.location, %(unassigned)s), ''), s.lot, r.account_id, r.warehouse_id
        HAVING count(*) > 1
    )

-- name: gather_copies
-- The rows that another row names the same level as; of moves, the same two levels. `alike`: all are good, do the same and
-- expect nothing different.
INSERT INTO copies
SELECT row, last_row, last_is_good, alike, action, total, wants_quantity, wants_version, named
FROM (
    SELECT
        s.row, s.action, s.sku || ' in ' || coalesce(nullif(s.location, ''), %(unassigned)s)
            || CASE WHEN s.warehouse <> '' THEN ' of ' || s.warehouse ELSE '' END AS named,
        count(*) OVER same AS count, max(s.row) OVER same AS last_row,
        last_value(r.errors IS NULL) OVER (same ORDER BY s.row ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
            AS last_is_good,
        bool_and(r.errors IS NULL) OVER same AND min(s.action) OVER same = max(s.action) OVER same
            AND (min(s.wants_quantity) OVER same = max(s.wants_quantity) OVER same) IS NOT FALSE
            AND (min(s.wants_version) OVER same = max(s.wants_version) OVER same) IS NOT FALSE AS alike,
        sum(s.target) OVER same AS total, max(s.wants_quantity) OVER same AS wants_quantity,
        max(s.wants_version) OVER same AS wants_version
    FROM stage AS s
    JOIN resolved AS r ON r.row = s.row
    WHERE s.sku <> '' AND (s.errors IS NULL OR NOT s.errors @> '[{"field": "record"}]')
    WINDOW same AS (
        PARTITION BY s.sku, nullif(nullif(s.location, %(unassigned)s), ''), s.lot,
                     CASE s.action WHEN 'move' THEN s.to_location END, r.account_id, coalesce(r.warehouse_id, s.warehouse))
) AS keyed
WHERE count > 1

-- name: reject_copies
-- Every copy is in error.
UPDATE resolved SET errors = coalesce(errors, '[]'::jsonb) || row_error('DUPLICATE_ROW', 'sku', copies.named)
FROM copies
WHERE copies.row = resolved.row

-- name: supersede_copies
-- The last copy counts, if it is good.
UPDATE resolved
SET errors = CASE WHEN copies.last_is_good THEN row_error('SUPERSEDED', 'sku', copies.named)
        ELSE coalesce(errors, '[]'::jsonb) || row_error('DUPLICATE_ROW', 'sku', copies.named) END,
    status = CASE WHEN copies.last_is_good THEN 'skipped' END,
    merged_into = CASE WHEN copies.last_is_good THEN copies.last_row END
FROM copies
WHERE copies.row = resolved.row AND copies.row <> copies.last_row

-- name: sum_copies
-- The last copy carries the sum of all, if they are alike and the sum is one that a row can have.
UPDATE resolved
SET errors = CASE
        WHEN NOT copies.alike THEN coalesce(errors, row_error('DUPLICATE_ROW', 'sku', copies.named))
        WHEN copies.total > %(max_quantity)s THEN row_error('QUANTITY_TOO_LARGE', 'quantity', copies.total::text)
    END,
    merged_into = CASE WHEN copies.alike AND copies.total <= %(max_quantity)s AND copies.row <> copies.last_row
        THEN copies.last_row END,
    quantity = CASE WHEN copies.alike AND copies.total <= %(max_quantity)s THEN copies.total ELSE quantity END,
    wants_quantity = copies.wants_quantity,
    wants_version = copies.wants_version
FROM copies
WHERE copies.row = resolved.row

-- name: settle_copies
-- Copies whose last one failed on its level share its fate if it had their sum, and are in error if it took their place.
UPDATE resolved AS r
SET errors = CASE WHEN r.status = 'skipped' THEN row_error('DUPLICATE_ROW', 'sku', c.named) ELSE last.errors END,
    status = CASE WHEN r.status = 'skipped' THEN NULL ELSE last.status END,
    merged_into = CASE WHEN last.status = 'skipped' THEN r.merged_into END
FROM copies AS c
JOIN resolved AS last ON last.row = c.last_row
WHERE r.row = c.row AND r.merged_into = c.last_row AND last.errors IS NOT NULL
  AND (r.status IS NULL OR last.status IS NULL)
