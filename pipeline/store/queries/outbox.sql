-- name: announce_batch
-- Takes a number for a batch of writes whose locks are held, and announces what it will hold.
INSERT INTO outbox (account_id, batch_id, change_count, result_count, messages)
VALUES (%(account_id)s, nextval('batch_ids'), %(change_count)s, %(result_count)s, %(messages)s)
RETURNING batch_id, created_at::text

-- name: await_publishing
-- The relay holds what it publishes: who asks for the oldest batch waits for it to end. For a batch that nobody holds, the
-- answer comes at once.
SELECT batch_id FROM outbox
ORDER BY batch_id
LIMIT 1
FOR KEY SHARE

-- name: prefer_indexes
-- The relay looks up what is new: no statistics know it yet, and without them a scan of all there is can look cheap.
SET LOCAL enable_seqscan = off

-- name: claim_batches
-- The oldest batches that are not published yet, locked: a second relay waits here until the first has deleted them.
SELECT account_id, batch_id, change_count, result_count, messages, created_at, change_count > 0 AND EXISTS (
    SELECT FROM channel_locations AS c WHERE c.account_id = outbox.account_id)
FROM outbox
ORDER BY batch_id
LIMIT %(limit)s
FOR UPDATE

-- name: claim_express
-- The oldest batches of commands behind the claimed ones, as far as they are small.
SELECT account_id, batch_id, change_count, result_count, messages, created_at, change_count > 0 AND EXISTS (
    SELECT FROM channel_locations AS c WHERE c.account_id = outbox.account_id)
FROM outbox
WHERE batch_id > %(behind)s AND result_count > 0 AND change_count + result_count <= %(most)s
ORDER BY batch_id
LIMIT 100
FOR UPDATE SKIP LOCKED

-- name: first_that_has_to_wait
-- The first of some batches that changes a level whose last change before it is not published yet, and not among them:
-- that batch and those behind it would overtake it.
SELECT min(c.batch_id)
FROM change_log AS c
CROSS JOIN LATERAL (
    SELECT batch_id FROM change_log
    WHERE account_id = c.account_id AND level_id = c.level_id AND version = c.version - 1 OFFSET 0
) AS before
WHERE c.account_id = ANY(%(account_ids)s) AND c.recorded_at = ANY(%(times)s) AND c.batch_id = ANY(%(batch_ids)s)
    AND before.batch_id <> ALL(%(batch_ids)s) AND before.batch_id IN (SELECT batch_id FROM outbox)

-- name: delete_batches
-- Forgets batches that the broker has acknowledged in full.
DELETE FROM outbox WHERE batch_id = ANY(%(batch_ids)s)

-- name: copy_changes_of_batches
-- The ledger lines of some batches with the names of their levels, in the order in which they are published. The time of
-- a batch is that of its lines: the index by account and time finds them, without those of others in between. OFFSET 0
-- makes each look-up a step of its own: no statistics know a new batch, and a join may be planned as a scan of all levels.
COPY (
    SELECT c.account_id, l.warehouse_id, l.sku, l.location_id, nullif(l.lot_id, ''), c.level_id, c.version, c.state,
           c.delta, c.after, c.reason, c.note, c.document, c.actor, c.provider_account_id, c.origin, c.command_id,
           c.command_source, c.sync_id, c.sync_row, c.recorded_at AT TIME ZONE 'UTC'
    FROM change_log AS c
    CROSS JOIN LATERAL (
        SELECT * FROM levels WHERE account_id = c.account_id AND level_id = c.level_id OFFSET 0
    ) AS l
    WHERE c.account_id = ANY(%(account_ids)s) AND c.recorded_at = ANY(%(times)s) AND c.batch_id = ANY(%(batch_ids)s)
    ORDER BY c.batch_id, c.level_id, c.version, c.state
) TO STDOUT (FORMAT csv)

-- name: copy_channel_updates_of_batches
-- A line for each version of a level that has another quantity available, and each channel location that is linked to its
-- warehouse and is not where the change came from, with what the warehouse can sell of the SKU now. Levels in locations
-- that are not sellable do not count; one whose location is gone was emptied, which may be what there is to say.
-- The versions of a SKU are gathered, so that it is summed once (OFFSET 0: before the links multiply it), and spread
-- again. A join of versions with sums would be planned for one row, because no statistics know a new batch, and would
-- compare each with each.
COPY (
    WITH gathered AS (
        SELECT c.account_id, l.warehouse_id, l.sku, array_agg(c.batch_id) AS batch_ids,
               array_agg(c.level_id) AS level_ids, array_agg(c.version) AS versions, array_agg(c.origin) AS origins
        FROM change_log AS c
        CROSS JOIN LATERAL (
            SELECT * FROM levels WHERE account_id = c.account_id AND level_id = c.level_id OFFSET 0
        ) AS l
        LEFT JOIN locations AS n
            ON n.account_id = l.account_id AND n.warehouse_id = l.warehouse_id AND n.location_id = l.location_id
        WHERE c.account_id = ANY(%(account_ids)s) AND c.recorded_at = ANY(%(times)s)
          AND c.batch_id = ANY(%(batch_ids)s) AND c.state = 'available' AND n.sellable IS NOT FALSE
          AND (l.account_id, l.warehouse_id) IN (SELECT account_id, warehouse_id FROM channel_locations)
        GROUP BY c.account_id, l.warehouse_id, l.sku
    ), summed AS (
        SELECT g.*, (
            SELECT coalesce(sum(l.available), 0)::bigint
            FROM levels AS l
            JOIN locations AS n USING (account_id, warehouse_id, location_id)
            WHERE l.account_id = g.account_id AND l.warehouse_id = g.warehouse_id AND l.sku = g.sku AND n.sellable
        ) AS available
        FROM gathered AS g
        OFFSET 0
    )
    SELECT s.account_id, link.channel, link.external_location_id, s.warehouse_id, s.sku, s.available, c.level_id, c.version
    FROM summed AS s
    JOIN channel_locations AS link ON link.account_id = s.account_id AND link.warehouse_id = s.warehouse_id
    CROSS JOIN LATERAL unnest(s.batch_ids, s.level_ids, s.versions, s.origins)
        AS c (batch_id, level_id, version, origin)
    WHERE link.channel || '/' || link.external_location_id IS DISTINCT FROM c.origin
    ORDER BY c.batch_id, c.level_id, c.version, link.channel, link.external_location_id
) TO STDOUT (FORMAT csv)

-- name: results_of_batches
-- The command results of some batches: id, key and data, as bytes. The id says how long the source is: both it and the
-- command id may hold colons, and results of two commands must not have one id.
SELECT c.account_id || ':result:' || length(c.source) || ':' || c.source || ':' || c.command_id, c.command_id, convert_to(row_to_json(event)::text, 'UTF8')
FROM commands AS c
CROSS JOIN LATERAL (
    SELECT c.account_id, c.command_id, c.source, c.customer_account_id, c.type, c.status, c.code, c.message,
           c.change_count, c.levels
) AS event
WHERE c.batch_id = ANY(%(batch_ids)s)
ORDER BY c.batch_id
