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

-- name: copy_changes_of_batches
-- The ledger lines of some batches with the names of their levels, in the order in which they are published.
COPY (
    SELECT c.account_id, l.warehouse_id, l.sku, l.location_id, c.level_id, c.version, c.state, c.delta, c.after,
           c.reason, c.actor, c.command_id, c.sync_id, c.sync_row, c.recorded_at AT TIME ZONE 'UTC'
    FROM change_log AS c
    JOIN levels AS l ON l.account_id = c.account_id AND l.level_id = c.level_id
    WHERE c.batch_id = ANY(%(batch_ids)s)
    ORDER BY c.batch_id, c.level_id, c.version, c.state
) TO STDOUT (FORMAT csv)

-- name: results_of_batches
-- The command results of some batches.
SELECT c.command_id AS key, c.account_id || ':result:' || c.command_id AS id, row_to_json(event)::text AS data
FROM commands AS c
CROSS JOIN LATERAL (SELECT c.account_id, c.command_id, c.type, c.status, c.code, c.message, c.levels) AS event
WHERE c.batch_id = ANY(%(batch_ids)s)
ORDER BY c.batch_id
