-- name: hold_content
-- One after the other: of two jobs with the same content, the second one finds the first.
SELECT pg_advisory_xact_lock(hashtextextended(%(account_id)s || encode(%(content_hash)s, 'hex'), 2))

-- name: earlier_jobs
-- The account's other jobs of a content and a stock that have applied rows or may do so, the newest first. One that was
-- taken back as a whole, by a revert that was not taken back itself, is left out.
SELECT sync_id, status, created_at, options, layout, total_count, success_count, error_count,
       aborted_count, reverted.partly
FROM sync_jobs
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(r.status = 'success' AND r.skipped_count = 0 AND NOT EXISTS (
               SELECT FROM sync_jobs AS back
               WHERE back.account_id = r.account_id AND back.reverts = r.sync_id AND back.success_count > 0)), false)
               AS wholly,
           count(*) > 0 AS partly
    FROM sync_jobs AS r
    WHERE r.account_id = sync_jobs.account_id AND r.reverts = sync_jobs.sync_id AND r.success_count > 0
) AS reverted
WHERE account_id = %(account_id)s AND content_hash = %(content_hash)s AND sync_id <> %(sync_id)s
    AND warehouse_id = %(warehouse_id)s AND coalesce(customer_account_id, account_id) = %(owner)s
    AND NOT dry_run AND reverts IS NULL AND (success_count > 0 OR status IN ('held', 'processing'))
    AND created_at > %(since)s AND NOT reverted.wholly
ORDER BY created_at DESC, sync_id DESC
LIMIT 100

-- name: is_untouched
-- Whether the levels that a count has named are as it left them, and its bins are the same. False also where that is not
-- known: rows are no longer kept, or some are about other customers. Of a row that found its level as it wanted it no
-- version is kept: its level must not have changed since the minute before the job (a change counts from the beginning of
-- its transaction), or have what the row says.
SELECT count(*) = j.total_count
    AND count(i.customer_account_id) = 0
    AND coalesce(bool_and(i.status <> 'success' OR i.merged_into IS NOT NULL
        OR (l.location_id = coalesce(n.location_id, CASE WHEN i.location IS NULL THEN %(unassigned)s END)
            AND CASE
                WHEN i.version IS NOT NULL THEN l.version = i.version
                WHEN l.version = 0 OR l.updated_at < j.created_at - interval '1 minute' THEN true
                WHEN i.quantity ~ '^[0-9]{1,15}$' AND coalesce(j.options ->> 'duplicates', '') <> 'sum'
                THEN l.on_hand = i.quantity::bigint
            END) IS TRUE), false)
FROM sync_jobs AS j
JOIN sync_items AS i ON i.account_id = j.account_id AND i.sync_id = j.sync_id AND i.month = j.items_month
LEFT JOIN levels AS l ON l.level_id = i.level_id AND l.account_id = %(owner)s
LEFT JOIN locations AS n ON n.account_id = %(owner)s AND n.warehouse_id = l.warehouse_id AND n.name = i.location
WHERE j.account_id = %(account_id)s AND j.sync_id = %(earlier_id)s
GROUP BY j.account_id, j.sync_id
