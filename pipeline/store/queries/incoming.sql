-- name: lock_schedules
-- Some schedules, held until the transaction ends, in key order as everybody takes them.
SELECT s.account_id, s.schedule_id, s.warehouse_id, s.sku, s.location_id, s.lot_id, s.quantity, s.due_at, s.status,
       s.reason, s.note, s.document
FROM unnest(%(account_ids)s::text[], %(schedule_ids)s::text[]) AS k (account_id, schedule_id)
JOIN schedules AS s USING (account_id, schedule_id)
ORDER BY s.account_id, s.schedule_id
FOR UPDATE OF s

-- name: insert_schedule
-- A new schedule. One that exists raises a unique violation.
INSERT INTO schedules
    (account_id, schedule_id, warehouse_id, sku, location_id, lot_id, quantity, due_at, status, reason, note, document)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)

-- name: end_schedule
-- A schedule that this transaction holds was applied or cancelled.
UPDATE schedules SET status = %(status)s, updated_at = now()
WHERE account_id = %(account_id)s AND schedule_id = %(schedule_id)s

-- name: due_schedules
-- The schedules that are due at an instant, the oldest first.
SELECT account_id, schedule_id
FROM schedules
WHERE status = 'pending' AND due_at <= %(now)s
ORDER BY due_at
LIMIT %(limit)s

-- name: lock_transfers
-- Some transfers, held until the transaction ends, in key order as everybody takes them.
SELECT t.account_id, t.transfer_id, t.from_warehouse_id, t.to_warehouse_id, t.document
FROM unnest(%(account_ids)s::text[], %(transfer_ids)s::text[]) AS k (account_id, transfer_id)
JOIN transfers AS t USING (account_id, transfer_id)
ORDER BY t.account_id, t.transfer_id
FOR UPDATE OF t

-- name: transfer_lines
-- The lines of some transfers.
SELECT l.account_id, l.transfer_id, l.line, l.sku, l.lot_id, l.location_id, l.quantity, l.received, l.lost
FROM unnest(%(account_ids)s::text[], %(transfer_ids)s::text[]) AS k (account_id, transfer_id)
JOIN transfer_lines AS l USING (account_id, transfer_id)
ORDER BY l.account_id, l.transfer_id, l.line

-- name: insert_transfer
-- A new transfer. One that exists raises a unique violation.
INSERT INTO transfers (account_id, transfer_id, from_warehouse_id, to_warehouse_id, document)
VALUES (%s, %s, %s, %s, %s)

-- name: touch_transfer
-- Something of a transfer arrived, or will not.
UPDATE transfers SET updated_at = now() WHERE account_id = %s AND transfer_id = %s

-- name: write_transfer_line
-- A line of a transfer that this transaction holds, as it is now.
INSERT INTO transfer_lines (account_id, transfer_id, line, sku, lot_id, location_id, quantity, received, lost)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, transfer_id, line) DO UPDATE SET received = excluded.received, lost = excluded.lost
