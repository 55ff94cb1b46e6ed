-- name: create_zeroed
-- The levels that a file would empty.
CREATE TEMPORARY TABLE IF NOT EXISTS zeroed (sku text COLLATE "C", location text COLLATE "C", lot text COLLATE "C")
ON COMMIT DELETE ROWS

-- name: copy_zeroed
-- The rows that count nothing.
COPY zeroed (sku, location, lot) FROM STDIN (FORMAT csv)

-- name: analyze_zeroed
-- The planner has to know how many there are.
ANALYZE zeroed

-- name: count_zeroed
-- How many of the levels with stock are among them, and how many levels have stock.
WITH stocked AS (
    SELECT l.sku, l.location_id, l.lot_id
    FROM levels AS l
    WHERE l.account_id = %(account_id)s AND l.warehouse_id = %(warehouse_id)s AND l.on_hand > 0
), named AS (
    SELECT DISTINCT z.sku, coalesce(n.location_id, %(unassigned)s) AS location_id, z.lot AS lot_id
    FROM zeroed AS z
    LEFT JOIN locations AS n ON n.account_id = %(account_id)s AND n.warehouse_id = %(warehouse_id)s AND n.name = z.location
    WHERE z.location = '' OR n.location_id IS NOT NULL
)
SELECT (SELECT count(*) FROM stocked JOIN named USING (sku, location_id, lot_id)), (SELECT count(*) FROM stocked)

-- name: create_missing
-- The SKUs that a file names.
CREATE TEMPORARY TABLE IF NOT EXISTS missing (sku text COLLATE "C") ON COMMIT DELETE ROWS

-- name: copy_missing
-- The SKUs of the file.
COPY missing (sku) FROM STDIN (FORMAT csv)

-- name: analyze_missing
-- The planner has to know how many there are.
ANALYZE missing

-- name: count_missing
-- How many SKUs with stock the file does not name, and how many SKUs have stock.
WITH stocked AS (
    SELECT DISTINCT sku FROM levels
    WHERE account_id = %(account_id)s AND warehouse_id = %(warehouse_id)s AND on_hand > 0
)
SELECT count(*) FILTER (WHERE m.sku IS NULL), count(*)
FROM stocked LEFT JOIN (SELECT DISTINCT sku FROM missing) AS m USING (sku)
