-- name: locations
-- The locations of some warehouses that have one of the asked ids or names; each list goes through its own index.
SELECT l.account_id, l.warehouse_id, l.location_id, l.name, l.zone, l.type, l.pickable, l.sellable
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[])
    AS asked (account_id, warehouse_id, location_id)
JOIN locations AS l USING (account_id, warehouse_id, location_id)
UNION
SELECT l.account_id, l.warehouse_id, l.location_id, l.name, l.zone, l.type, l.pickable, l.sellable
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[], %(names)s::text[])
    AS asked (account_id, warehouse_id, name)
JOIN locations AS l USING (account_id, warehouse_id, name)

-- name: free_location_names
-- Gives locations a name that no message can hold. Two locations that swap their names would otherwise meet on the way.
UPDATE locations AS l SET name = chr(31) || l.location_id
FROM unnest(%(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[])
    AS asked (account_id, warehouse_id, location_id)
WHERE l.account_id = asked.account_id AND l.warehouse_id = asked.warehouse_id AND l.location_id = asked.location_id

-- name: change_locations
-- Changes locations.
UPDATE locations AS l
SET name = new.name, zone = new.zone, type = new.type, pickable = new.pickable, sellable = new.sellable,
    updated_at = now()
FROM unnest(
    %(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[], %(names)s::text[], %(zones)s::text[],
    %(types)s::text[], %(pickables)s::boolean[], %(sellables)s::boolean[])
    AS new (account_id, warehouse_id, location_id, name, zone, type, pickable, sellable)
WHERE l.account_id = new.account_id AND l.warehouse_id = new.warehouse_id AND l.location_id = new.location_id

-- name: insert_locations
-- Creates locations. One that exists raises a unique violation.
INSERT INTO locations (account_id, warehouse_id, location_id, name, zone, type, pickable, sellable)
SELECT * FROM unnest(
    %(account_ids)s::text[], %(warehouse_ids)s::text[], %(location_ids)s::text[], %(names)s::text[], %(zones)s::text[],
    %(types)s::text[], %(pickables)s::boolean[], %(sellables)s::boolean[])

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
