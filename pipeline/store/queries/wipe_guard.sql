-- name: count_stock
-- How many levels of a warehouse have stock, and how many units those are.
SELECT count(*), coalesce(sum(on_hand), 0)::bigint
FROM levels
WHERE account_id = %(account_id)s AND warehouse_id = %(warehouse_id)s AND on_hand > 0

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

-- name: create_named
-- What the rows of a file do, in its order for each level; `n` only tells which row is the later one.
CREATE TEMPORARY TABLE IF NOT EXISTS named (
    n bigint GENERATED ALWAYS AS IDENTITY, sku text COLLATE "C", location text COLLATE "C", lot text COLLATE "C",
    warehouse text COLLATE "C", action text, quantity bigint
) ON COMMIT DELETE ROWS

-- name: copy_named
-- The rows that count, add and remove.
COPY named (sku, location, lot, warehouse, action, quantity) FROM STDIN (FORMAT csv)

-- name: analyze_named
-- The planner has to know how many there are.
ANALYZE named

-- name: weigh
-- What the rows would do to each warehouse that they name: its own share, its levels with stock and their units; how many
-- levels the rows lower, how many of those with stock they empty, and how many units fewer there would be. Left out is
-- what would not be applied: copies, as the file's policy wants it, what the catalogue does not know, and what takes more
-- than is available.
WITH placed AS (
    SELECT f.n, c.warehouse_id, f.sku, coalesce(p.location_id, %(unassigned)s) AS location_id, f.lot AS lot_id,
           f.action, f.quantity
    FROM named AS f
    JOIN called AS c ON c.text = f.warehouse
    LEFT JOIN locations AS p
        ON p.account_id = %(account_id)s AND p.warehouse_id = c.warehouse_id AND p.name = f.location
    WHERE f.location = '' OR p.location_id IS NOT NULL
), decided AS (
    SELECT warehouse_id, sku, location_id, lot_id, (array_agg(action ORDER BY n DESC))[1] AS action,
           CASE %(duplicates)s WHEN 'sum' THEN sum(quantity) ELSE (array_agg(quantity ORDER BY n DESC))[1] END AS quantity
    FROM placed
    GROUP BY warehouse_id, sku, location_id, lot_id
    HAVING count(*) = 1 OR %(duplicates)s = 'last' OR %(duplicates)s = 'sum' AND min(action) = max(action)
), effect AS (
    SELECT d.warehouse_id, coalesce(l.on_hand, 0) AS before, coalesce(l.available, 0) AS available, CASE d.action
               WHEN 'add' THEN d.quantity WHEN 'remove' THEN -d.quantity ELSE d.quantity - coalesce(l.on_hand, 0)
           END AS delta
    FROM decided AS d
    JOIN products AS p ON p.account_id = %(account_id)s AND p.sku = d.sku
    LEFT JOIN levels AS l
        ON l.account_id = %(account_id)s AND l.warehouse_id = d.warehouse_id AND l.sku = d.sku
        AND l.location_id = d.location_id AND l.lot_id = d.lot_id
), lost AS (
    SELECT e.warehouse_id, count(*) FILTER (WHERE e.delta < 0) AS lowered,
           count(*) FILTER (WHERE e.before > 0 AND e.before + e.delta <= 0) AS emptied,
           coalesce(-sum(e.delta), 0)::bigint AS units
    FROM effect AS e
    JOIN warehouses AS w ON w.account_id = %(account_id)s AND w.warehouse_id = e.warehouse_id
    WHERE e.delta >= 0 OR e.available + e.delta >= 0 OR w.allow_negative
    GROUP BY e.warehouse_id
), stocked AS (
    SELECT warehouse_id, count(*) AS levels, coalesce(sum(on_hand), 0)::bigint AS units
    FROM levels
    WHERE account_id = %(account_id)s AND warehouse_id IN (SELECT warehouse_id FROM lost) AND on_hand > 0
    GROUP BY warehouse_id
)
SELECT warehouse_id, w.max_zeroed_percent, stocked.levels, stocked.units, lost.lowered, lost.emptied, lost.units
FROM lost
JOIN stocked USING (warehouse_id)
JOIN warehouses AS w USING (warehouse_id)
WHERE w.account_id = %(account_id)s
ORDER BY warehouse_id

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
