-- Lists of values come as one text, joined by the control character 31 (see levels.sql).

-- name: earlier_results
-- The results of those of some commands that had their effect before.
SELECT c.account_id, c.command_id, c.source, c.customer_account_id, c.body_hash, c.type, c.status, c.code, c.message,
       c.change_count, c.levels
FROM unnest(
    string_to_array(%(account_ids)s, chr(31)), string_to_array(%(command_ids)s, chr(31)),
    string_to_array(%(sources)s, chr(31))) AS k (account_id, command_id, source)
JOIN commands AS c USING (account_id, command_id, source)

-- name: copy_commands
-- Writes dedupe records and results. A command that another worker has just written raises a unique violation.
COPY commands (
    account_id, command_id, source, customer_account_id, type, body_hash, status, code, message, change_count, levels,
    batch_id, recorded_at
) FROM STDIN

-- name: are_coming_in
-- Whether the last batch of commands is of the last five seconds.
SELECT recorded_at > clock_timestamp() - interval '5 seconds' FROM commands ORDER BY batch_id DESC LIMIT 1
