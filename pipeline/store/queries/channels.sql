-- name: hold_channels
-- Makes transactions that change the links of one account follow each other: at most one location may be its master.
SELECT pg_advisory_xact_lock(hashtextextended(%(account_id)s, 2))

-- name: links_in_question
-- The link of a channel's location, and that of the account's master.
SELECT account_id, channel, external_location_id, warehouse_id, master
FROM channel_locations
WHERE account_id = %(account_id)s
    AND (master OR (channel = %(channel)s AND external_location_id = %(external_location_id)s))

-- name: link_channel
-- Links a channel's location to a warehouse, or changes whether it is the master.
INSERT INTO channel_locations (account_id, channel, external_location_id, warehouse_id, master)
VALUES (%(account_id)s, %(channel)s, %(external_location_id)s, %(warehouse_id)s, %(master)s)
ON CONFLICT (account_id, channel, external_location_id) DO UPDATE SET master = excluded.master, updated_at = now()

-- name: unlink_channel
-- Unlinks a channel's location.
DELETE FROM channel_locations
WHERE account_id = %(account_id)s AND channel = %(channel)s AND external_location_id = %(external_location_id)s

-- name: create_products
-- Creates those of some products that are not known, in key order.
INSERT INTO products (account_id, sku, name)
SELECT * FROM unnest(%(account_ids)s::text[], %(skus)s::text[], %(names)s::text[]) AS new (account_id, sku, name)
ORDER BY account_id COLLATE "C", sku COLLATE "C"
ON CONFLICT DO NOTHING

-- name: linked_locations
-- Those of some channel locations that are linked to a warehouse.
SELECT c.account_id, c.channel, c.external_location_id, c.warehouse_id, c.master
FROM unnest(%(account_ids)s::text[], %(channels)s::text[], %(external_location_ids)s::text[])
    AS k (account_id, channel, external_location_id)
JOIN channel_locations AS c USING (account_id, channel, external_location_id)
