-- name: do_not_wait_long
-- What asks for a lock on a table holds up all who come after it: it gives up soon, and tries again another time.
SET LOCAL lock_timeout = '1s'

-- name: months_to_have
-- The months of which there should be a partition: this and the next two, and those of lines in the default partition.
SELECT date_trunc('month', now() AT TIME ZONE 'UTC' + make_interval(months => n))::date AS month
FROM generate_series(0, 2) AS n
UNION
SELECT date_trunc('month', recorded_at AT TIME ZONE 'UTC')::date FROM change_log_default
ORDER BY month

-- name: create_partition
-- Gives a month its partition; false where it has one.
SELECT create_change_log_partition(%(month)s)

-- name: oldest_month_to_fold
-- The oldest partition whose month is older than the months to keep, which the present month comes on top of.
SELECT partition.relname, month, (month + interval '1 month') AT TIME ZONE 'UTC'
FROM pg_inherits
JOIN pg_class AS partition ON partition.oid = inhrelid
CROSS JOIN LATERAL to_date(partition.relname, '"change_log_"YYYY_MM') AS month
WHERE inhparent = 'change_log'::regclass AND partition.relname <> 'change_log_default'
    AND month < date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => %(keep_months)s)
ORDER BY month
LIMIT 1

-- name: lock_partitions
-- Only one at a time makes or drops partitions (see create_change_log_partition).
SELECT pg_advisory_xact_lock(hashtextextended('change_log partitions', 0))

-- name: is_partition
-- Whether another one has not dropped it meanwhile.
SELECT to_regclass(%(partition)s) IS NOT NULL

-- name: stop_writers
-- Nobody adds to the month while it is folded; it can be read.
LOCK TABLE {partition} IN SHARE MODE

-- name: is_published
-- Whether no batch of the months before an instant waits to be published.
SELECT NOT EXISTS (SELECT FROM outbox WHERE created_at < %(until)s)

-- name: fold
-- Adds a month to the sums of what is dropped.
INSERT INTO change_log_folds AS f (account_id, level_id, state, delta, last_version)
SELECT account_id, level_id, state, sum(delta)::bigint, max(version)
FROM {partition}
GROUP BY account_id, level_id, state
ON CONFLICT (account_id, level_id, state) DO UPDATE
SET delta = f.delta + excluded.delta, last_version = greatest(f.last_version, excluded.last_version)

-- name: drop_partition
-- Waits for all who read or write the whole table, and holds up all others until the transaction ends: it comes last.
DROP TABLE {partition}

-- name: move_on
-- Notes how far back something is kept; it never goes back.
INSERT INTO retention (what, since) VALUES (%(what)s, %(since)s)
ON CONFLICT (what) DO UPDATE SET since = greatest(retention.since, excluded.since)

-- name: sync_months_to_have
-- The months of which there should be partitions for the rows of syncs: this and the next two.
SELECT date_trunc('month', now() AT TIME ZONE 'UTC' + make_interval(months => n))::date
FROM generate_series(0, 2) AS n
ORDER BY 1

-- name: create_sync_partition
-- Gives a month its partitions; false where it has them.
SELECT create_sync_partitions(%(month)s)

-- name: oldest_sync_month_to_drop
-- The oldest month that is older than the months to keep, which the present month comes on top of, and in which all syncs
-- have ended.
SELECT month, (month + interval '1 month') AT TIME ZONE 'UTC'
FROM pg_inherits
JOIN pg_class AS partition ON partition.oid = inhrelid
CROSS JOIN LATERAL to_date(partition.relname, '"sync_items_"YYYY_MM') AS month
WHERE inhparent = 'sync_items'::regclass
    AND month < date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => %(keep_months)s)
    AND NOT EXISTS (SELECT FROM sync_jobs WHERE finished_at IS NULL AND items_month = month)
ORDER BY month
LIMIT 1

-- name: lock_sync_partitions
-- Only one at a time makes or drops partitions (see create_sync_partitions).
SELECT pg_advisory_xact_lock(hashtextextended('sync partitions', 0))

-- name: delete_old_commands
-- Deletes the oldest commands, of some at most, that were recorded before an instant and have no batch before them that
-- waits to be published. Goes by number of batch, which grows with time: the index of it has the oldest at its start.
WITH oldest AS MATERIALIZED (
    SELECT ctid, recorded_at
    FROM commands
    WHERE batch_id < coalesce((SELECT min(batch_id) FROM outbox), 9223372036854775807)
    ORDER BY batch_id
    LIMIT %(limit)s
)
DELETE FROM commands
WHERE ctid = ANY(ARRAY(SELECT ctid FROM oldest WHERE recorded_at < %(before)s))

-- name: now
-- The server's clock.
SELECT now()
