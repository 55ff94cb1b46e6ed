-- name: create_job
-- Notes that a sync was asked for; a sync that is known stays as it is.
INSERT INTO sync_jobs (account_id, sync_id, warehouse_id, url, object_etag, user_id)
VALUES (%(account_id)s, %(sync_id)s, %(warehouse_id)s, %(url)s, %(etag)s, %(user_id)s)
ON CONFLICT DO NOTHING

-- name: lock_job
-- Reads a job and holds it: its state changes one at a time.
SELECT account_id, sync_id, warehouse_id, url, user_id, status, object_etag, total_count, success_count, error_count,
       aborted_count, blank_count, chunk_count, chunks_done, warnings, error_code, error, abort_reason, created_at,
       updated_at, finished_at
FROM sync_jobs
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s
FOR UPDATE

-- name: start_planning
-- The job is being planned, perhaps once more.
UPDATE sync_jobs
SET status = 'planning', error_code = NULL, error = NULL, finished_at = NULL, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: insert_chunks
-- The chunks of a planned job.
INSERT INTO sync_chunks (account_id, sync_id, chunk, object_key, row_count)
SELECT %(account_id)s, %(sync_id)s, new.*
FROM unnest(%(chunks)s::integer[], %(object_keys)s::text[], %(row_counts)s::integer[]) AS new

-- name: start_processing
-- The job is planned: its rows are counted. One without rows is done.
UPDATE sync_jobs
SET status = CASE WHEN %(chunk_count)s = 0 THEN 'success' ELSE 'processing' END,
    finished_at = CASE WHEN %(chunk_count)s = 0 THEN clock_timestamp() END,
    object_etag = %(etag)s, object_size = %(size)s, total_count = %(total_count)s, blank_count = %(blank_count)s,
    chunk_count = %(chunk_count)s, warnings = %(warnings)s, updated_at = clock_timestamp()
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
    finished_at = CASE WHEN chunks_done = chunk_count THEN clock_timestamp() END
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: lock_chunk
-- Reads a chunk and its job's state, and holds the chunk: a second delivery waits here until the first has committed.
SELECT c.status AS chunk_status, c.object_key, j.status AS job_status, j.warehouse_id, j.user_id
FROM sync_chunks AS c
JOIN sync_jobs AS j USING (account_id, sync_id)
WHERE c.account_id = %(account_id)s AND c.sync_id = %(sync_id)s AND c.chunk = %(chunk)s
FOR UPDATE OF c

-- name: finish_chunk
-- The chunk's rows have their statuses.
UPDATE sync_chunks SET status = %(status)s, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND chunk = %(chunk)s

-- name: count_chunk
-- Adds a chunk's counts to its job; the last chunk ends the job.
UPDATE sync_jobs
SET success_count = success_count + %(success)s,
    error_count = error_count + %(error)s,
    aborted_count = aborted_count + %(aborted)s,
    chunks_done = chunks_done + 1,
    updated_at = clock_timestamp(),
    finished_at = CASE WHEN chunks_done + 1 = chunk_count THEN clock_timestamp() END,
    status = CASE
        WHEN status = 'aborted' OR chunks_done + 1 < chunk_count THEN status
        WHEN error_count + %(error)s = 0 THEN 'success'
        WHEN success_count + %(success)s = 0 THEN 'error'
        ELSE 'partial'
    END,
    error = CASE
        WHEN error_count + %(error)s > 0
        THEN format('error in %%s out of %%s rows', error_count + %(error)s, total_count)
    END
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s
