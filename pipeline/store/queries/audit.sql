-- Each statement proves one thing on live data: it returns how many things it checked, how many are broken, and examples
-- of those. `account_id` NULL means every account. What the log has dropped counts as its folds say.

-- name: stand_still
-- Keeps the log and the rows of syncs from being shortened: to be called before anything is read, so that they have the
-- months of that instant.
LOCK TABLE change_log, sync_items IN ACCESS SHARE MODE

-- name: ledger_sums
-- 1. For every level and state, what was dropped and the sum of the change log's deltas are the quantity.
WITH lines AS (
    SELECT account_id, level_id, state, delta
    FROM change_log
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
    UNION ALL
    SELECT account_id, level_id, state, delta
    FROM change_log_folds
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
), sums AS (
    SELECT account_id, level_id, state, sum(delta) AS total
    FROM lines
    GROUP BY account_id, level_id, state
), quantities AS (
    SELECT l.account_id, l.level_id, s.state, s.quantity
    FROM levels AS l
    CROSS JOIN LATERAL (VALUES
        ('available'::inventory_state, l.available), ('committed', l.committed), ('reserved', l.reserved),
        ('damaged', l.damaged), ('safety_stock', l.safety_stock), ('quality_control', l.quality_control),
        ('incoming', l.incoming)) AS s (state, quantity)
    WHERE (%(account_id)s::text IS NULL OR l.account_id = %(account_id)s) AND s.quantity <> 0
), broken AS (
    SELECT format('%%s level %%s: %%s is %%s, the log says %%s', account_id, level_id, state,
                  coalesce(quantity, 0), coalesce(total, 0)) AS example
    FROM sums FULL JOIN quantities USING (account_id, level_id, state)
    WHERE coalesce(total, 0) <> coalesce(quantity, 0)
)
SELECT (SELECT count(*) FROM sums), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: versions
-- 1. The versions of a level go on from the last one that was dropped, or from 0, without a gap; the last one is the
-- level's; and each change begins where the one before it, or what was dropped, ended.
WITH steps AS (
    SELECT c.account_id, c.level_id, c.version,
           c.after - c.delta - coalesce(
               lag(c.after) OVER (PARTITION BY c.account_id, c.level_id, c.state ORDER BY c.version), f.delta, 0) AS jump
    FROM change_log AS c
    LEFT JOIN change_log_folds AS f USING (account_id, level_id, state)
    WHERE %(account_id)s::text IS NULL OR c.account_id = %(account_id)s
), logged AS (
    SELECT account_id, level_id, count(DISTINCT version) AS changes, min(version) AS first, max(version) AS last,
           count(*) FILTER (WHERE jump <> 0) AS jumps
    FROM steps
    GROUP BY account_id, level_id
), folded AS (
    SELECT account_id, level_id, max(last_version) AS last
    FROM change_log_folds
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
    GROUP BY account_id, level_id
), stated AS (
    SELECT account_id, level_id, version
    FROM levels
    WHERE version > 0 AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
), broken AS (
    SELECT format('%%s level %%s: version %%s, %%s were dropped, the log has %%s changes from %%s to %%s and %%s jumps',
                  account_id, level_id, coalesce(s.version, 0), coalesce(f.last, 0), coalesce(l.changes, 0),
                  coalesce(l.first, 0), coalesce(l.last, 0), coalesce(l.jumps, 0)) AS example
    FROM logged AS l FULL JOIN stated AS s USING (account_id, level_id) FULL JOIN folded AS f USING (account_id, level_id)
    WHERE s.version IS DISTINCT FROM coalesce(f.last, 0) + coalesce(l.changes, 0)
       OR l.first <> coalesce(f.last, 0) + 1 OR l.last <> s.version OR l.jumps > 0
)
SELECT (SELECT count(*) FROM stated), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: incoming
-- 1. What is incoming at every level is the sum of its pending schedules and of what its transfers have not brought yet.
WITH expected AS (
    SELECT account_id, warehouse_id, sku, location_id, lot_id, quantity
    FROM schedules
    WHERE status = 'pending' AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
    UNION ALL
    SELECT l.account_id, t.to_warehouse_id, l.sku, l.location_id, l.lot_id, l.quantity - l.received - l.lost
    FROM transfer_lines AS l
    JOIN transfers AS t USING (account_id, transfer_id)
    WHERE %(account_id)s::text IS NULL OR l.account_id = %(account_id)s
), sums AS (
    SELECT account_id, warehouse_id, sku, location_id, lot_id, sum(quantity) AS total
    FROM expected
    GROUP BY account_id, warehouse_id, sku, location_id, lot_id
), stated AS (
    SELECT account_id, warehouse_id, sku, location_id, lot_id, incoming
    FROM levels
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
), broken AS (
    SELECT format('%%s %%s %%s %%s %%s: incoming is %%s, schedules and transfers say %%s', account_id, warehouse_id, sku,
                  location_id, lot_id, coalesce(incoming, 0), coalesce(total, 0)) AS example
    FROM stated FULL JOIN sums USING (account_id, warehouse_id, sku, location_id, lot_id)
    WHERE coalesce(incoming, 0) <> coalesce(total, 0)
)
SELECT (SELECT count(*) FROM stated), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: negatives
-- 2. No state is negative, but for what is available where the warehouse allows it. (on_hand is the sum of its states by
-- the table's definition.)
WITH checked AS (
    SELECT l.*, w.allow_negative
    FROM levels AS l
    JOIN warehouses AS w USING (account_id, warehouse_id)
    WHERE %(account_id)s::text IS NULL OR l.account_id = %(account_id)s
), broken AS (
    SELECT format('%%s %%s %%s %%s %%s: a state is below zero', account_id, warehouse_id, sku, location_id, lot_id)
           AS example
    FROM checked
    WHERE (available < 0 AND NOT allow_negative)
       OR least(committed, reserved, damaged, safety_stock, quality_control, incoming) < 0
)
SELECT (SELECT count(*) FROM checked), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: commands
-- 3. A command took effect at most once, and only if its result says so: the log has exactly the changes of its result.
-- A command is its sender's, its effect is in the account that it was about. What is only in one of the two tables since
-- the other one forgets sooner is not compared; nor is the hour at that edge: a provider's command and its effect in the
-- customer's account have two batches, and so two times.
WITH kept AS (
    SELECT coalesce(max(since), '-infinity') AS since, coalesce(max(since), '-infinity') + interval '1 hour' AS both_since
    FROM retention
), effects AS (
    SELECT coalesce(provider_account_id, account_id) AS sender, command_id, command_source AS source,
           count(DISTINCT (account_id, level_id, version)) AS changes, max(recorded_at) AS recorded_at
    FROM change_log, kept
    WHERE command_id IS NOT NULL AND recorded_at >= kept.since
      AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s OR provider_account_id = %(account_id)s)
    GROUP BY sender, command_id, source
), results AS (
    SELECT c.account_id AS sender, c.command_id, c.source, c.status, c.recorded_at, c.change_count AS changes
    FROM commands AS c, kept
    WHERE c.recorded_at >= kept.since
      AND (%(account_id)s::text IS NULL OR c.account_id = %(account_id)s OR c.customer_account_id = %(account_id)s)
), broken AS (
    SELECT format('%%s command %%s of %%s: the result says %%s changes, the log has %%s', sender, command_id, source,
                  coalesce(r.changes, 0), coalesce(e.changes, 0)) AS example
    FROM results AS r FULL JOIN effects AS e USING (sender, command_id, source)
    WHERE coalesce(r.recorded_at, e.recorded_at) >= (SELECT both_since FROM kept)
      AND (r.status IS NULL OR coalesce(e.changes, 0) <> r.changes OR (r.status = 'rejected' AND e.changes > 0))
)
SELECT (SELECT count(*) FROM results), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: sync_counts
-- 4. The counts of a sync that has not ended are never more than what it has of rows, chunks and ranges.
WITH checked AS (
    SELECT *, success_count + error_count + skipped_count + aborted_count AS finished_count
    FROM sync_jobs
    WHERE finished_at IS NULL AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
), broken AS (
    SELECT format('%%s sync %%s, %%s: %%s of %%s rows, %%s of %%s chunks and %%s of %%s ranges are done', account_id,
                  sync_id, status, finished_count, total_count, chunks_done, chunk_count, ranges_done, range_count)
           AS example
    FROM checked
    WHERE finished_count > total_count OR chunks_done > chunk_count OR ranges_done > range_count
)
SELECT (SELECT count(*) FROM checked), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: sync_rows
-- 4. Every data row of a sync that has ended has one status, in the month of the sync; rows are 1..total without a gap, and
-- the counts by status are the job's. There are no rows without a job. A sync whose month was dropped is not compared.
WITH jobs AS (
    SELECT * FROM sync_jobs
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
), ended AS (
    SELECT * FROM jobs
    WHERE finished_at IS NOT NULL AND (
        to_regclass('sync_items' || to_char(items_month, '"_"YYYY_MM')) IS NOT NULL
        OR items_month::timestamp AT TIME ZONE 'UTC' >= coalesce(
            (SELECT since FROM retention WHERE what = 'sync_items'), '-infinity'))
), items AS (
    SELECT account_id, sync_id, count(*) AS total, min(row) AS first, max(row) AS last,
           count(*) FILTER (WHERE status = 'success') AS success, count(*) FILTER (WHERE status = 'error') AS error,
           count(*) FILTER (WHERE status = 'skipped') AS skipped, count(*) FILTER (WHERE status = 'aborted') AS aborted,
           min(month) AS first_month, max(month) AS last_month
    FROM sync_items
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
    GROUP BY account_id, sync_id
), broken AS (
    SELECT format('%%s sync %%s: %%s of %%s rows have a status', account_id, sync_id, coalesce(i.total, 0), j.total_count)
           AS example
    FROM ended AS j LEFT JOIN items AS i USING (account_id, sync_id)
    WHERE (coalesce(i.total, 0), coalesce(i.success, 0), coalesce(i.error, 0), coalesce(i.skipped, 0),
           coalesce(i.aborted, 0))
          <> (j.total_count, j.success_count, j.error_count, j.skipped_count, j.aborted_count)
       OR i.first <> 1 OR i.last <> i.total
    UNION ALL
    SELECT format('%%s sync %%s: %%s rows are of %%s to %%s, the sync is of %%s', account_id, sync_id, i.total,
                  to_char(i.first_month, 'YYYY-MM'), to_char(i.last_month, 'YYYY-MM'),
                  coalesce(to_char(j.items_month, 'YYYY-MM'), 'no month'))
    FROM items AS i LEFT JOIN jobs AS j USING (account_id, sync_id)
    WHERE j.items_month IS NULL OR i.first_month <> j.items_month OR i.last_month <> j.items_month
)
SELECT (SELECT coalesce(sum(total_count), 0)::bigint FROM ended), (SELECT count(*) FROM broken),
       ARRAY(SELECT example FROM broken LIMIT 5)

-- name: sync_changes
-- 4. Every change that a sync made belongs to a row of status success, and every version that a row names to one change, as
-- far as the log and the rows are kept. A row is its sender's, the change is in the account of whose stock it is. A move
-- has two levels; a row that another one took along, and one that found what it wanted, has none. A dry run changes nothing.
WITH jobs AS (
    SELECT account_id, sync_id, dry_run,
           to_regclass('sync_items' || to_char(items_month, '"_"YYYY_MM')) IS NULL
           AND items_month::timestamp AT TIME ZONE 'UTC' < coalesce(
               (SELECT since FROM retention WHERE what = 'sync_items'), '-infinity') AS dropped
    FROM sync_jobs
), folded AS (
    SELECT level_id, max(last_version) AS last
    FROM change_log_folds
    GROUP BY level_id
), logged AS (
    SELECT coalesce(c.provider_account_id, c.account_id) AS sender, c.sync_id, c.sync_row AS row, c.level_id,
           count(*) AS changes, max(c.version) AS version
    FROM change_log AS c
    LEFT JOIN jobs AS j ON j.account_id = coalesce(c.provider_account_id, c.account_id) AND j.sync_id = c.sync_id
    WHERE c.sync_id IS NOT NULL AND j.dropped IS NOT TRUE
      AND (%(account_id)s::text IS NULL OR c.account_id = %(account_id)s OR c.provider_account_id = %(account_id)s)
    GROUP BY sender, c.sync_id, c.sync_row, c.level_id
), stated AS (
    SELECT i.account_id AS sender, i.sync_id, i.row, leg.level_id, leg.version, i.status
    FROM sync_items AS i
    JOIN jobs AS j USING (account_id, sync_id)
    CROSS JOIN LATERAL (VALUES (i.level_id, i.version), (i.to_level_id, i.to_version)) AS leg (level_id, version)
    LEFT JOIN folded AS f ON f.level_id = leg.level_id
    WHERE NOT j.dry_run AND (i.version IS NOT NULL OR i.to_version IS NOT NULL)
      AND leg.version > coalesce(f.last, 0)
      AND (%(account_id)s::text IS NULL OR i.account_id = %(account_id)s
           OR leg.level_id IN (SELECT level_id FROM levels WHERE account_id = %(account_id)s))
), broken AS (
    SELECT format('%%s sync %%s row %%s, level %%s: the row (%%s) says version %%s, the log %%s in %%s changes', sender,
                  sync_id, row, level_id, coalesce(s.status, 'none'), s.version, l.version, coalesce(l.changes, 0))
           AS example
    FROM logged AS l FULL JOIN stated AS s USING (sender, sync_id, row, level_id)
    WHERE s.version IS DISTINCT FROM l.version OR l.changes <> 1 OR s.status <> 'success'
)
SELECT (SELECT count(*) FROM logged), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: unpublished
-- 5. No batch waits longer than a minute to be published: the relay deletes a batch when the broker has acknowledged it.
WITH waiting AS (
    SELECT account_id, batch_id, created_at FROM outbox
    WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
), broken AS (
    SELECT format('%%s batch %%s waits since %%s: is a relay running?', account_id, batch_id, created_at) AS example
    FROM waiting WHERE created_at < now() - interval '1 minute'
)
SELECT (SELECT count(*) FROM waiting), (SELECT count(*) FROM broken), ARRAY(SELECT example FROM broken LIMIT 5)

-- name: published_changes
-- 5. The changes that must be on the topic: all whose batch is not waiting any more.
SELECT account_id || ':' || level_id || ':' || version AS id, max(recorded_at) AS recorded_at
FROM change_log
WHERE (%(account_id)s::text IS NULL OR account_id = %(account_id)s) AND batch_id NOT IN (SELECT batch_id FROM outbox)
GROUP BY account_id, level_id, version
