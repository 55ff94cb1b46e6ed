-- The change log, and stock as it was. The statements of the log share what stands in braces: `shown` and `wanted`.

-- name: since
-- How far back the log goes; no row: to the beginning.
SELECT since FROM retention WHERE what = 'change_log'

-- name: matching_levels
-- The ids of the levels that match, up to a number.
SELECT level_id
FROM levels
WHERE account_id = %(account_id)s
    AND (%(warehouse_id)s::text IS NULL OR warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR sku = %(sku)s)
    AND (%(location_id)s::text IS NULL OR location_id = %(location_id)s)
    AND (%(lot_id)s::text IS NULL OR lot_id = %(lot_id)s)
LIMIT %(most)s

-- name: shown
-- What is shown of a line, and its place in the log.
c.recorded_at, l.warehouse_id, l.sku, l.location_id, nullif(l.lot_id, '') AS lot_id, c.version, c.state,
c.after - c.delta AS before, c.delta, c.after, c.reason, c.note, c.document, c.actor, c.provider_account_id, c.origin,
c.command_id, c.command_source, c.sync_id, c.sync_row, c.batch_id, c.level_id

-- name: wanted
-- Which lines of the account, from the one after a place on; the log is read from its newest line back.
c.account_id = %(account_id)s
    AND c.recorded_at >= %(since)s::timestamptz AND c.recorded_at < %(until)s::timestamptz
    AND c.recorded_at <= %(after_recorded_at)s::timestamptz
    AND (c.recorded_at, c.batch_id, c.level_id, c.version, c.state)
        < (%(after_recorded_at)s::timestamptz, %(after_batch_id)s::bigint, %(after_level_id)s::bigint,
           %(after_version)s::bigint, %(after_state)s::inventory_state)
    AND (%(reason)s::text IS NULL OR c.reason = %(reason)s)
    AND (%(document)s::text IS NULL OR c.document = %(document)s)
    AND (%(actor)s::text IS NULL OR c.actor = %(actor)s)
    AND (%(command_id)s::text IS NULL OR c.command_id = %(command_id)s)
    AND (%(command_source)s::text IS NULL OR c.command_source = %(command_source)s)

-- name: lines_by_time
-- A page of all lines of an account, through its index by time.
SELECT {shown}
FROM change_log AS c
JOIN levels AS l ON l.account_id = c.account_id AND l.level_id = c.level_id
WHERE {wanted}
    AND (%(warehouse_id)s::text IS NULL OR l.warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR l.sku = %(sku)s)
    AND (%(location_id)s::text IS NULL OR l.location_id = %(location_id)s)
    AND (%(lot_id)s::text IS NULL OR l.lot_id = %(lot_id)s)
ORDER BY c.recorded_at DESC, c.batch_id DESC, c.level_id DESC, c.version DESC, c.state DESC
LIMIT %(limit)s

-- name: lines_of_levels
-- A page of the lines of a few levels: no more than a page of each is read, by version, from the place on for the level
-- that stands there.
SELECT {shown}
FROM (
    SELECT * FROM levels WHERE account_id = %(account_id)s AND level_id = ANY(%(level_ids)s::bigint[]) OFFSET 0
) AS l
CROSS JOIN LATERAL (
    SELECT *
    FROM change_log AS c
    WHERE c.level_id = l.level_id AND {wanted}
        AND c.version <= CASE WHEN l.level_id = %(after_level_id)s THEN %(after_version)s ELSE 9223372036854775807 END
    ORDER BY c.version DESC, c.state DESC
    LIMIT %(limit)s
) AS c
ORDER BY c.recorded_at DESC, c.batch_id DESC, c.level_id DESC, c.version DESC, c.state DESC
LIMIT %(limit)s

-- name: lines_of_document
-- A page of the lines of a document, through the index of documents.
WITH c AS MATERIALIZED (
    SELECT * FROM change_log AS c WHERE c.document = %(document)s AND {wanted}
)
SELECT {shown}
FROM c
JOIN levels AS l ON l.account_id = c.account_id AND l.level_id = c.level_id
WHERE (%(warehouse_id)s::text IS NULL OR l.warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR l.sku = %(sku)s)
    AND (%(location_id)s::text IS NULL OR l.location_id = %(location_id)s)
    AND (%(lot_id)s::text IS NULL OR l.lot_id = %(lot_id)s)
ORDER BY c.recorded_at DESC, c.batch_id DESC, c.level_id DESC, c.version DESC, c.state DESC
LIMIT %(limit)s

-- name: times_of_command
-- When commands of this id changed the account's stock, newest first: its own, of all sources or of one, and those of
-- providers that act for it. The last column is the time before which commands are forgotten, so that only the log itself can tell.
SELECT array(
    SELECT recorded_at FROM commands
    WHERE account_id = %(account_id)s AND command_id = %(command_id)s
        AND (%(command_source)s::text IS NULL OR source = %(command_source)s)
    UNION
    SELECT recorded_at FROM commands
    WHERE customer_account_id = %(account_id)s AND command_id = %(command_id)s
        AND (%(command_source)s::text IS NULL OR source = %(command_source)s)
    ORDER BY recorded_at DESC
), (SELECT since FROM retention WHERE what = 'commands')

-- name: levels_as_of
-- A page of levels as they were at an instant, or at a version of each: the quantities of now without what came after.
-- Levels that had no version then, or do not have that one yet, are left out. `kept_since` and `folded_version`: what was
-- before them is not known any more.
SELECT l.warehouse_id, l.sku, l.location_id, l.lot_id, past.version,
       l.available - past.available + l.committed - past.committed + l.reserved - past.reserved
           + l.damaged - past.damaged + l.safety_stock - past.safety_stock
           + l.quality_control - past.quality_control AS on_hand,
       l.available - past.available AS available, l.committed - past.committed AS committed,
       l.reserved - past.reserved AS reserved, l.damaged - past.damaged AS damaged,
       l.safety_stock - past.safety_stock AS safety_stock, l.quality_control - past.quality_control AS quality_control,
       l.incoming - past.incoming AS incoming,
       (SELECT max(c.recorded_at) FROM change_log AS c
        WHERE c.account_id = l.account_id AND c.level_id = l.level_id AND c.version = past.version) AS updated_at,
       (SELECT since FROM retention WHERE what = 'change_log') AS kept_since,
       (SELECT coalesce(max(f.last_version), 0) FROM change_log_folds AS f
        WHERE f.account_id = l.account_id AND f.level_id = l.level_id) AS folded_version
FROM levels AS l
CROSS JOIN LATERAL (
    SELECT coalesce(min(c.version) - 1, l.version) AS version,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'available'), 0)::bigint AS available,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'committed'), 0)::bigint AS committed,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'reserved'), 0)::bigint AS reserved,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'damaged'), 0)::bigint AS damaged,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'safety_stock'), 0)::bigint AS safety_stock,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'quality_control'), 0)::bigint AS quality_control,
           coalesce(sum(c.delta) FILTER (WHERE c.state = 'incoming'), 0)::bigint AS incoming
    FROM change_log AS c
    WHERE c.account_id = l.account_id AND c.level_id = l.level_id
        AND c.recorded_at > %(instant)s::timestamptz AND c.version > %(version)s
) AS past
WHERE l.account_id = %(account_id)s
    AND (%(warehouse_id)s::text IS NULL OR l.warehouse_id = %(warehouse_id)s)
    AND (%(sku)s::text IS NULL OR l.sku = %(sku)s)
    AND (%(location_id)s::text IS NULL OR l.location_id = %(location_id)s)
    AND (%(lot_id)s::text IS NULL OR l.lot_id = %(lot_id)s)
    AND l.version >= %(version)s AND past.version > 0
    AND (l.warehouse_id, l.sku, l.location_id, l.lot_id)
        > (%(after_warehouse_id)s::text, %(after_sku)s::text, %(after_location_id)s::text, %(after_lot_id)s::text)
ORDER BY l.warehouse_id, l.sku, l.location_id, l.lot_id
LIMIT %(limit)s
