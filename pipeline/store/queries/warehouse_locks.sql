-- name: lock_warehouses
-- Takes an advisory lock for each warehouse, in one order for everybody. The inner query sorts before a lock is taken.
-- There are 1,024 of them, which warehouses share: a file may name more warehouses than the server has room for locks.
SELECT
    CASE WHEN k.exclusive THEN pg_advisory_xact_lock(k.number) ELSE pg_advisory_xact_lock_shared(k.number) END
FROM (
    SELECT hashtextextended(account_id || chr(31) || warehouse_id, 1) & 1023 AS number, bool_or(exclusive) AS exclusive
    FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[], %(exclusive)s::boolean[])
        AS asked (account_id, warehouse_id, exclusive)
    GROUP BY number
    ORDER BY number
    OFFSET 0
) AS k
