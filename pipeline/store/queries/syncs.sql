-- name: create_job
-- Notes that a sync was asked for; a sync that is known stays as it is.
INSERT INTO sync_jobs
    (account_id, sync_id, warehouse_id, customer_account_id, url, requested_etag, requested_version, object_etag,
     object_version, user_id, options, dry_run, confirms, reverts)
VALUES
    (%(account_id)s, %(sync_id)s, %(warehouse_id)s, %(customer_account_id)s, %(url)s, %(etag)s, %(version_id)s, %(etag)s,
     %(version_id)s, %(user_id)s, %(options)s, %(dry_run)s, %(confirms)s, %(reverts)s)
ON CONFLICT DO NOTHING

-- name: lock_job
-- Reads a job and holds it: its state changes one at a time.
SELECT *, success_count + error_count + skipped_count + aborted_count AS finished_count
FROM sync_jobs
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s
FOR UPDATE

-- name: read_job
-- Reads a job without holding it.
SELECT *, success_count + error_count + skipped_count + aborted_count AS finished_count
FROM sync_jobs
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: create_partitions
-- Makes sure that the rows of the job have a place.
SELECT create_sync_partitions(items_month) FROM sync_jobs
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: start_planning
-- The job is being planned, perhaps once more.
UPDATE sync_jobs
SET status = 'planning', planning = planning + 1, error_code = NULL, error = NULL, finished_at = NULL,
    updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: forget_plan
-- Forgets what was planned of a job whose file could not be read: it is read anew.
UPDATE sync_jobs
SET items_month = date_trunc('month', now() AT TIME ZONE 'UTC')::date, object_etag = requested_etag, object_version = requested_version,
    source_bucket = NULL, source_key = NULL, source_etag = NULL, source_size = NULL, source_doubt = NULL,
    content_hash = NULL, layout = NULL, range_count = NULL, ranges_done = 0, chunk_count = 0, invalid_count = 0,
    blank_count = 0, warnings = '[]', recognised_as = NULL
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: set_source
-- Says where the bytes of the file are read; the first one to say so is right.
UPDATE sync_jobs
SET source_bucket = %(bucket)s, source_key = %(key)s, source_etag = %(etag)s, source_size = %(size)s,
    object_etag = %(object_etag)s, object_version = coalesce(%(version_id)s, object_version), warnings = warnings || %(warnings)s::jsonb,
    source_doubt = %(doubt)s, content_hash = %(content_hash)s, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND source_key IS NULL AND status = 'planning'
    AND planning = %(planning)s

-- name: set_layout
-- Keeps what the header says.
UPDATE sync_jobs
SET layout = %(layout)s, recognised_as = %(recognised_as)s, warnings = warnings || %(warnings)s::jsonb, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND layout IS NULL AND status = 'planning'
    AND planning = %(planning)s

-- name: change_layout
-- All of the file was looked at, and shows something else than its beginning did.
UPDATE sync_jobs SET layout = %(layout)s, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: set_range_count
-- The whole file is cut.
UPDATE sync_jobs
SET range_count = %(range_count)s, content_hash = %(content_hash)s, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND status = 'planning' AND planning = %(planning)s

-- name: end_as_duplicate
-- The job ends without having done anything: an earlier one has.
UPDATE sync_jobs
SET status = 'duplicate', duplicate_of = %(duplicate_of)s,
    warnings = warnings || %(warnings)s::jsonb, updated_at = clock_timestamp(), finished_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: end_planning
-- The rows of the job are counted and lie in chunks. It goes on, is held, or ends where it has no rows.
UPDATE sync_jobs
SET status = %(status)s, total_count = %(total_count)s, invalid_count = %(invalid_count)s, blank_count = %(blank_count)s,
    chunk_count = %(chunk_count)s, warnings = warnings || %(warnings)s::jsonb,
    held_reason = %(held_reason)s, abort_reason = %(abort_reason)s, updated_at = clock_timestamp(),
    finished_at = CASE WHEN %(chunk_count)s = 0 THEN clock_timestamp() END
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: approve_job
-- A person lets a held job go on.
UPDATE sync_jobs SET status = 'processing', updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: fail_job
-- The job ends before any of its rows was applied.
UPDATE sync_jobs
SET status = 'error', error_code = %(error_code)s, error = %(error)s, updated_at = clock_timestamp(), finished_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: abort_job
-- The job is to stop. It has finished at once where it has no chunk that is still to be reached.
UPDATE sync_jobs
SET status = 'aborted', abort_reason = %(reason)s, updated_at = clock_timestamp(),
    finished_at = CASE WHEN chunks_done = chunk_count AND total_count = 0 THEN clock_timestamp() END
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: count_rows
-- Adds the counts of some rows to their job, and the chunks that ended with them. One that is to stop after some errors
-- stops itself here.
UPDATE sync_jobs
SET success_count = success_count + %(success)s,
    error_count = error_count + %(error)s,
    skipped_count = skipped_count + %(skipped)s,
    aborted_count = aborted_count + %(aborted)s,
    error_counts = (
        SELECT coalesce(jsonb_object_agg(code, n), '{}')
        FROM (
            SELECT key AS code, sum(value::bigint) AS n
            FROM (SELECT * FROM jsonb_each_text(error_counts) UNION ALL SELECT * FROM jsonb_each_text(%(codes)s)) AS found
            GROUP BY key
        ) AS summed
    ),
    levels_raised = levels_raised + %(levels_raised)s,
    levels_lowered = levels_lowered + %(levels_lowered)s,
    levels_zeroed = levels_zeroed + %(levels_zeroed)s,
    units_before = units_before + %(units_before)s,
    units_after = units_after + %(units_after)s,
    chunks_done = chunks_done + %(chunks)s,
    updated_at = clock_timestamp(),
    status = CASE
        WHEN status = 'processing' AND error_count + %(error)s >= (options ->> 'max_errors')::bigint THEN 'aborted'
        ELSE status
    END,
    abort_reason = CASE
        WHEN status = 'processing' AND error_count + %(error)s >= (options ->> 'max_errors')::bigint
        THEN format('stopped after %%s rows in error', error_count + %(error)s)
        ELSE abort_reason
    END,
    error = CASE
        WHEN error_count + %(error)s > 0
        THEN format('error in %%s out of %%s rows', error_count + %(error)s, total_count)
    END,
    error_code = coalesce(%(error_code)s, error_code)
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: end_job
-- All rows have their statuses, and the file of rejects is written where there is one.
UPDATE sync_jobs
SET finished_at = clock_timestamp(), updated_at = clock_timestamp(), rejects_key = %(rejects_key)s,
    error = nullif(concat_ws('; ', error, (
        SELECT format('part %%s was given up: %%s', c.chunk, c.error)
        FROM sync_chunks AS c
        WHERE c.account_id = sync_jobs.account_id AND c.sync_id = sync_jobs.sync_id AND c.status = 'failed'
        ORDER BY c.chunk
        LIMIT 1)), ''),
    status = CASE
        WHEN status = 'aborted' THEN status
        WHEN error_count = 0 THEN 'success'
        WHEN success_count = 0 THEN 'error'
        ELSE 'partial'
    END
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: insert_lost_items
-- The rows of chunks that were given up: those that no other chunk has told of.
INSERT INTO sync_items (account_id, sync_id, month, row, line, byte_offset, status, errors)
SELECT %(account_id)s, %(sync_id)s, %(month)s, lost.row, 0, 0, 'error',
       jsonb_build_array(jsonb_build_object('code', 'PART_FAILED', 'field', 'record'))
FROM generate_series(1, %(total_count)s::integer) AS lost (row)
WHERE NOT EXISTS (
    SELECT FROM sync_items AS i
    WHERE i.account_id = %(account_id)s AND i.sync_id = %(sync_id)s AND i.month = %(month)s AND i.row = lost.row)

-- name: has_failed_chunks
-- Whether a chunk of the job was given up.
SELECT EXISTS (
    SELECT FROM sync_chunks
    WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND status = 'failed')

-- name: stuck_jobs
-- Jobs that have not moved for a time and were not resumed in it, each taken by one scheduler at a time.
SELECT account_id, sync_id, status
FROM sync_jobs
WHERE finished_at IS NULL AND status <> 'held'
    AND updated_at < now() - make_interval(secs => %(seconds)s)
    AND (resumed_at IS NULL OR resumed_at < now() - make_interval(secs => %(seconds)s))
ORDER BY updated_at
LIMIT 100
FOR UPDATE SKIP LOCKED

-- name: note_resumed
-- The job was sent again.
UPDATE sync_jobs SET resumed_at = now() WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s
