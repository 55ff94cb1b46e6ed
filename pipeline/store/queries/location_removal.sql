-- name: existing_locations
-- Those of some locations that exist.
SELECT l.account_id, l.warehouse_id, l.location_id
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[])
    AS k (account_id, warehouse_id, location_id)
JOIN locations AS l USING (account_id, warehouse_id, location_id)

-- name: delete_locations
-- Deletes some locations.
DELETE FROM locations AS l
USING unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[])
    AS k (account_id, warehouse_id, location_id)
WHERE l.account_id = k.account_id AND l.warehouse_id = k.warehouse_id AND l.location_id = k.location_id
