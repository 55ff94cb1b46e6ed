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
