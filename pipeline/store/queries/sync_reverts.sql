-- name: what_is_kept
-- Whether the rows of a month are there, and the change log from an instant on.
SELECT to_regclass('sync_items' || to_char(%(month)s::date, '"_"YYYY_MM')) IS NOT NULL,
       NOT EXISTS (SELECT FROM retention WHERE what = 'change_log' AND since > %(began)s)

-- name: compensating_rows
-- What a job did to each level, turned round. The version is the last one that the job gave the level: a level that has
-- another one by now has changed since. The rows of a job lead to its changes by level and version.
COPY (
    WITH steps AS (
        SELECT coalesce(customer_account_id, %(owner)s) AS account_id, row, level_id, version
        FROM sync_items
        WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND month = %(month)s AND version IS NOT NULL
        UNION ALL
        SELECT coalesce(customer_account_id, %(owner)s), row, to_level_id, to_version
        FROM sync_items
        WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND month = %(month)s AND to_version IS NOT NULL
    ), changes AS (
        SELECT s.account_id, s.level_id, max(s.version) AS version, max(s.row) AS row, sum(c.delta) AS delta
        FROM steps AS s
        JOIN change_log AS c
            ON c.account_id = s.account_id AND c.level_id = s.level_id AND c.version = s.version AND c.state = 'available'
        GROUP BY s.account_id, s.level_id
    )
    SELECT l.sku, abs(c.delta) AS quantity, CASE WHEN c.delta > 0 THEN 'remove' ELSE 'add' END AS action,
           coalesce(n.name, l.location_id) AS location, l.lot_id AS lot, c.version AS expected_version,
           'revert' AS reason, format('takes back row %%s of sync %%s', c.row, %(sync_id)s::text) AS note,
           nullif(c.account_id, %(owner)s) AS customer_account_id, l.warehouse_id AS warehouse
    FROM changes AS c
    JOIN levels AS l ON l.account_id = c.account_id AND l.level_id = c.level_id
    LEFT JOIN locations AS n
        ON n.account_id = l.account_id AND n.warehouse_id = l.warehouse_id AND n.location_id = l.location_id
    WHERE c.delta <> 0
    ORDER BY c.level_id
) TO STDOUT (FORMAT csv, HEADER)
