-- name: count_stock
-- How many levels of a warehouse have stock, and how many units those are.
SELECT count(*), coalesce(sum(on_hand), 0)::bigint
FROM levels
WHERE account_id = %(account_id)s AND warehouse_id = %(warehouse_id)s AND on_hand > 0

-- name: create_named
-- What the rows of a file do, in its order for each level; `n` only tells which row is the later one.
CREATE TEMPORARY TABLE IF NOT EXISTS named (
    n bigint GENERATED ALWAYS AS IDENTITY, sku text COLLATE "C", location text COLLATE "C", lot text COLLATE "C",
    action text, quantity bigint
) ON COMMIT DELETE ROWS

-- name: copy_named
-- The rows that count, add and remove.
COPY named (sku, location, lot, action, quantity) FROM STDIN (FORMAT csv)

-- name: analyze_named
-- The planner has to know how many there are.
ANALYZE named

-- name: weigh
-- What the rows would do to the stock: how many levels they lower, how many of those with stock they empty, and how many
-- units fewer there would be. Left out is what would not be applied: copies, as the file's policy wants it, what the
-- catalogue does not know, and what takes more than is available.
WITH placed AS (
    SELECT f.n, f.sku, coalesce(p.location_id, %(unassigned)s) AS location_id, f.lot AS lot_id, f.action, f.quantity
    FROM named AS f
    LEFT JOIN locations AS p
        ON p.account_id = %(account_id)s AND p.warehouse_id = %(warehouse_id)s AND p.name = f.location
    WHERE f.location = '' OR p.location_id IS NOT NULL
), decided AS (
    SELECT sku, location_id, lot_id, (array_agg(action ORDER BY n DESC))[1] AS action,
           CASE %(duplicates)s WHEN 'sum' THEN sum(quantity) ELSE (array_agg(quantity ORDER BY n DESC))[1] END AS quantity
    FROM placed
    GROUP BY sku, location_id, lot_id
    HAVING count(*) = 1 OR %(duplicates)s = 'last' OR %(duplicates)s = 'sum' AND min(action) = max(action)
), effect AS (
    SELECT coalesce(l.on_hand, 0) AS before, coalesce(l.available, 0) AS available, CASE d.action
               WHEN 'add' THEN d.quantity WHEN 'remove' THEN -d.quantity ELSE d.quantity - coalesce(l.on_hand, 0)
           END AS delta
    FROM decided AS d
    JOIN products AS p ON p.account_id = %(account_id)s AND p.sku = d.sku
    LEFT JOIN levels AS l
        ON l.account_id = %(account_id)s AND l.warehouse_id = %(warehouse_id)s AND l.sku = d.sku
        AND l.location_id = d.location_id AND l.lot_id = d.lot_id
)
SELECT count(*) FILTER (WHERE delta < 0), count(*) FILTER (WHERE before > 0 AND before + delta <= 0),
       coalesce(-sum(delta), 0)::bigint
FROM effect
WHERE delta >= 0 OR available + delta >= 0
    OR (SELECT allow_negative FROM warehouses WHERE account_id = %(account_id)s AND warehouse_id = %(warehouse_id)s)

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
