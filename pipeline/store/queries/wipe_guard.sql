-- name: create_called
-- What rows may write for the warehouses that a file is for.
CREATE TEMPORARY TABLE IF NOT EXISTS called (text text COLLATE "C", warehouse_id text COLLATE "C") ON COMMIT DELETE ROWS

-- name: insert_called
-- Their ids and names, and nothing where the request names one. An id wins over names.
INSERT INTO called
SELECT DISTINCT ON (text) text, warehouse_id
FROM (
    SELECT warehouse_id AS text, warehouse_id, 1 AS place FROM warehouses
    WHERE account_id = %(account_id)s AND %(warehouse_id)s IN (warehouse_id, %(all)s)
    UNION ALL
    SELECT normalize(btrim(name)), warehouse_id, 2 FROM warehouses
    WHERE account_id = %(account_id)s AND %(warehouse_id)s IN (warehouse_id, %(all)s)
    UNION ALL
    SELECT '', %(warehouse_id)s, 1 WHERE %(warehouse_id)s <> %(all)s
) AS written
WHERE NOT EXISTS (SELECT FROM called)
ORDER BY text, place

-- name: create_zeroed
-- The levels that a file would empty.
CREATE TEMPORARY TABLE IF NOT EXISTS zeroed (
    sku text COLLATE "C", location text COLLATE "C", lot text COLLATE "C", warehouse text COLLATE "C"
) ON COMMIT DELETE ROWS

-- name: copy_zeroed
-- The rows that count nothing.
COPY zeroed (sku, location, lot, warehouse) FROM STDIN (FORMAT csv)

-- name: analyze_zeroed
-- The planner has to know how many there are.
ANALYZE zeroed

-- name: count_zeroed
-- For each warehouse that they name: its own share, how many of its levels with stock are among them, and how many levels
-- have stock.
WITH stocked AS (
    SELECT l.warehouse_id, l.sku, l.location_id, l.lot_id
    FROM levels AS l
    WHERE l.account_id = %(account_id)s AND l.warehouse_id IN (
        SELECT warehouse_id FROM called JOIN zeroed AS z ON z.warehouse = called.text) AND l.on_hand > 0
), named AS (
    SELECT DISTINCT c.warehouse_id, z.sku, coalesce(n.location_id, %(unassigned)s) AS location_id, z.lot AS lot_id
    FROM zeroed AS z
    JOIN called AS c ON c.text = z.warehouse
    LEFT JOIN locations AS n ON n.account_id = %(account_id)s AND n.warehouse_id = c.warehouse_id AND n.name = z.location
    WHERE z.location = '' OR n.location_id IS NOT NULL
)
SELECT w.warehouse_id, w.max_zeroed_percent, count(named.sku), count(*)
FROM stocked
LEFT JOIN named USING (warehouse_id, sku, location_id, lot_id)
JOIN warehouses AS w ON w.account_id = %(account_id)s AND w.warehouse_id = stocked.warehouse_id
GROUP BY w.warehouse_id, w.max_zeroed_percent
ORDER BY w.warehouse_id

-- name: create_missing
-- The SKUs that a file names.
CREATE TEMPORARY TABLE IF NOT EXISTS missing (sku text COLLATE "C", warehouse text COLLATE "C") ON COMMIT DELETE ROWS

-- name: copy_missing
-- The SKUs of the file.
COPY missing (sku, warehouse) FROM STDIN (FORMAT csv)

-- name: analyze_missing
-- The planner has to know how many there are.
ANALYZE missing

-- name: count_missing
-- For each warehouse that the file names: its own share, how many of its SKUs with stock the file does not name, and how
-- many SKUs have stock.
WITH named AS (
    SELECT DISTINCT c.warehouse_id, m.sku FROM missing AS m JOIN called AS c ON c.text = m.warehouse
), stocked AS (
    SELECT DISTINCT warehouse_id, sku FROM levels
    WHERE account_id = %(account_id)s AND warehouse_id IN (SELECT warehouse_id FROM named) AND on_hand > 0
)
SELECT w.warehouse_id, w.max_missing_percent, count(*) FILTER (WHERE named.sku IS NULL), count(*)
FROM stocked
LEFT JOIN named USING (warehouse_id, sku)
JOIN warehouses AS w ON w.account_id = %(account_id)s AND w.warehouse_id = stocked.warehouse_id
GROUP BY w.warehouse_id, w.max_missing_percent
ORDER BY w.warehouse_id
