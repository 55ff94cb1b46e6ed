-- name: announce_batch
-- Takes a number for a batch of writes whose locks are held, and announces what it will hold.
INSERT INTO outbox (account_id, batch_id, change_count, result_count, messages)
VALUES (%(account_id)s, nextval('batch_ids'), %(change_count)s, %(result_count)s, %(messages)s)
RETURNING batch_id

-- name: wake_relay
-- Tells the relay, when the transaction commits, that there is something to publish.
NOTIFY onhand_outbox

-- name: claim_batches
-- The oldest batches that are not published yet, locked: a second relay waits here until the first has deleted them.
SELECT batch_id, change_count, result_count, messages
FROM outbox
ORDER BY batch_id
LIMIT %(limit)s
FOR UPDATE

-- name: delete_batches
-- Forgets batches that the broker has acknowledged in full.
DELETE FROM outbox WHERE batch_id = ANY(%(batch_ids)s)

-- name: changes_of_batches
-- The change events of some batches, one row a level and version, in the order in which they are published.
-- The ledger of a batch is small and its levels are found by key, so the joins are index look-ups.
SELECT
    changed.account_id || ':' || l.warehouse_id || ':' || l.sku AS key,
    changed.account_id || ':' || changed.level_id || ':' || changed.version AS id,
    row_to_json(event)::text AS data
FROM (
    SELECT account_id, batch_id, level_id, version, reason, actor, command_id, sync_id, sync_row, recorded_at,
           json_agg(json_build_object('state', state, 'before', after - delta, 'after', after, 'delta', delta)) AS changes
    FROM change_log
    WHERE batch_id = ANY(%(batch_ids)s)
    GROUP BY account_id, level_id, version, batch_id, reason, actor, command_id, sync_id, sync_row, recorded_at
) AS changed
JOIN levels AS l ON l.account_id = changed.account_id AND l.level_id = changed.level_id
CROSS JOIN LATERAL (
    SELECT l.account_id, l.warehouse_id, l.sku, l.location_id, changed.version, changed.changes, changed.reason,
           changed.actor, changed.command_id, changed.sync_id, changed.sync_row, changed.recorded_at
) AS event
ORDER BY changed.batch_id, changed.level_id, changed.version

-- name: results_of_batches
-- The command results of some batches.
SELECT c.command_id AS key, c.account_id || ':' || c.command_id AS id, row_to_json(event)::text AS data
FROM commands AS c
CROSS JOIN LATERAL (SELECT c.account_id, c.command_id, c.type, c.status, c.code, c.message, c.levels) AS event
WHERE c.batch_id = ANY(%(batch_ids)s)
ORDER BY c.batch_id
