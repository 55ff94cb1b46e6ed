-- name: add_range
-- One more range of the file; a range that is known stays as it is. Nothing is added to a job that is not being planned.
INSERT INTO sync_ranges (account_id, sync_id, range, start_byte, size, first_line)
SELECT account_id, sync_id, %(range)s, %(start_byte)s, %(size)s, %(first_line)s
FROM sync_jobs
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND status = 'planning' AND planning = %(planning)s
ON CONFLICT DO NOTHING

-- name: ranges
-- All ranges of a job, in file order.
SELECT range, start_byte, size, first_line, status, object_key, pieces, piece_rows, row_count, invalid_count, blank_count,
       warnings, sums, watched, evidence, first_row, attempts
FROM sync_ranges
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s
ORDER BY range

-- name: delete_ranges
-- Forgets the ranges of a job that is planned anew.
DELETE FROM sync_ranges WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: end_range
-- The range was read: its rows lie by chunk in an object. Nothing happens to one that was read before.
UPDATE sync_ranges
SET status = 'done', object_key = %(object_key)s, pieces = %(pieces)s, piece_rows = %(piece_rows)s,
    row_count = %(row_count)s, invalid_count = %(invalid_count)s, blank_count = %(blank_count)s, warnings = %(warnings)s,
    sums = %(sums)s, watched = %(watched)s, evidence = %(evidence)s, retry_at = NULL, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND range = %(range)s AND status = 'pending'

-- name: forget_ranges
-- Ranges are to be read again: what was found in them is forgotten.
WITH forgotten AS (
    UPDATE sync_ranges
    SET status = 'pending', object_key = NULL, pieces = NULL, piece_rows = NULL, attempts = 0, under_way = 0,
        updated_at = clock_timestamp()
    WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND range = ANY(%(ranges)s) AND status = 'done'
    RETURNING range
)
UPDATE sync_jobs SET ranges_done = ranges_done - (SELECT count(*) FROM forgotten), updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: count_range
-- One more range of the job is read.
UPDATE sync_jobs SET ranges_done = ranges_done + 1, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s

-- name: number_rows
-- Gives each range the number of its first row: all are read now.
UPDATE sync_ranges AS r SET first_row = numbered.first_row
FROM (
    SELECT range, 1 + coalesce(sum(row_count) OVER (ORDER BY range ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
           AS first_row
    FROM sync_ranges
    WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s
) AS numbered
WHERE r.account_id = %(account_id)s AND r.sync_id = %(sync_id)s AND r.range = numbered.range

-- name: insert_chunks
-- The chunks of a planned job.
INSERT INTO sync_chunks (account_id, sync_id, chunk, row_count)
SELECT %(account_id)s, %(sync_id)s, new.*
FROM unnest(%(chunks)s::integer[], %(row_counts)s::integer[]) AS new

-- name: lock_chunk
-- Reads a chunk and holds it: a second delivery waits here until the first has committed.
SELECT status, row_count, rows_done
FROM sync_chunks
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND chunk = %(chunk)s
FOR UPDATE

-- name: pieces
-- Where the rows of a chunk lie, in file order: object, first byte, number of bytes, and the number of the range's first row.
SELECT object_key, (SELECT coalesce(sum(size), 0) FROM unnest(pieces[:%(chunk)s]) AS size)::bigint,
       pieces[%(chunk)s + 1], first_row
FROM sync_ranges
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND pieces[%(chunk)s + 1] > 0
ORDER BY range

-- name: count_step
-- Some more rows of the chunk have their statuses; with the last of them it ends. Returns whether it did.
UPDATE sync_chunks
SET rows_done = rows_done + %(rows)s,
    status = CASE WHEN rows_done + %(rows)s = row_count THEN %(status)s ELSE status END,
    under_way = 0, retry_at = NULL, updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND chunk = %(chunk)s
RETURNING rows_done = row_count

-- name: pending_chunks
-- The chunks of a job that were not reached yet.
SELECT chunk
FROM sync_chunks
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND status = 'pending'
ORDER BY chunk

-- name: pending_ranges
-- The ranges of a job that were not read yet.
SELECT range
FROM sync_ranges
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND status = 'pending'
ORDER BY range

-- name: begin_chunk
-- Somebody begins with a chunk. Returns how often that has happened without an end.
UPDATE sync_chunks SET under_way = under_way + 1
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND chunk = %(part)s AND status = 'pending'
RETURNING under_way

-- name: begin_range
-- Somebody begins with a range. Returns how often that has happened without an end.
UPDATE sync_ranges SET under_way = under_way + 1
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND range = %(part)s AND status = 'pending'
RETURNING under_way

-- name: leave_chunk
-- Who has begun with a chunk leaves it for later.
UPDATE sync_chunks SET under_way = under_way - 1
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND chunk = %(part)s AND status = 'pending' AND under_way > 0

-- name: leave_range
-- Who has begun with a range leaves it for later.
UPDATE sync_ranges SET under_way = under_way - 1
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND range = %(part)s AND status = 'pending' AND under_way > 0

-- name: note_chunk_failure
-- A chunk has failed: it is tried again after a pause that doubles. Returns how often it has failed.
UPDATE sync_chunks
SET attempts = attempts + 1, under_way = greatest(under_way - 1, 0), error = %(error)s,
    retry_at = now() + make_interval(secs => least(60, 2 ^ attempts)), updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND chunk = %(part)s AND status = 'pending'
RETURNING attempts

-- name: note_range_failure
-- A range has failed: it is tried again after a pause that doubles. Returns how often it has failed.
UPDATE sync_ranges
SET attempts = attempts + 1, under_way = greatest(under_way - 1, 0), error = %(error)s,
    retry_at = now() + make_interval(secs => least(60, 2 ^ attempts)), updated_at = clock_timestamp()
WHERE account_id = %(account_id)s AND sync_id = %(sync_id)s AND range = %(part)s AND status = 'pending'
RETURNING attempts

-- name: due_chunks
-- Takes the chunks whose pause is over.
UPDATE sync_chunks SET retry_at = NULL
WHERE (account_id, sync_id, chunk) IN (
    SELECT account_id, sync_id, chunk FROM sync_chunks
    WHERE retry_at <= now() ORDER BY retry_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING account_id, sync_id, chunk

-- name: due_ranges
-- Takes the ranges whose pause is over.
UPDATE sync_ranges SET retry_at = NULL
WHERE (account_id, sync_id, range) IN (
    SELECT account_id, sync_id, range FROM sync_ranges
    WHERE retry_at <= now() ORDER BY retry_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING account_id, sync_id, range
