-- name: take_event
-- Remembers an event of an object, and does nothing where a later one of that object is known. Sequencers are kept in the
-- form in which they are compared as text.
INSERT INTO upload_events AS last (bucket, key, sequencer)
VALUES (%(bucket)s, %(key)s, %(sequencer)s)
ON CONFLICT (bucket, key) DO UPDATE SET sequencer = excluded.sequencer, received_at = now()
WHERE last.sequencer <= excluded.sequencer

-- name: delete_old_events
-- Forgets the objects of which nothing was heard for some days.
DELETE FROM upload_events WHERE received_at < now() - make_interval(days => %(days)s)

-- name: note_skipped
-- Notes an object that started no sync, or counts it once more. Whether it is new: not known, or with another content.
INSERT INTO skipped_uploads (bucket, key, reason, etag, account_id, detail)
VALUES (%(bucket)s, %(key)s, %(reason)s, %(etag)s, %(account_id)s, %(detail)s)
ON CONFLICT (bucket, key, reason) DO UPDATE
SET etag = excluded.etag, detail = excluded.detail, last_seen_at = now(), seen_count = skipped_uploads.seen_count + 1
RETURNING old.key IS NULL OR old.etag IS DISTINCT FROM new.etag AS is_new, last_seen_at

-- name: delete_skipped
-- Forgets skipped objects that were not announced for some days.
DELETE FROM skipped_uploads WHERE last_seen_at < now() - make_interval(days => %(days)s)
