-- name: upsert_accounts
-- Gives accounts their names, in key order so that two transactions cannot wait for each other.
INSERT INTO accounts (account_id, name)
SELECT * FROM unnest(%(account_ids)s::text[], %(names)s::text[]) AS new (account_id, name)
ORDER BY account_id COLLATE "C"
ON CONFLICT (account_id) DO UPDATE SET name = excluded.name, updated_at = now()

-- name: change_upload_settings
-- Says how the files of accounts are to be read; the transaction has just written those accounts. What is not said stays.
UPDATE accounts AS a
SET upload_settings = a.upload_settings || new.said
FROM unnest(%(account_ids)s::text[], %(said)s::jsonb[]) AS new (account_id, said)
WHERE a.account_id = new.account_id

-- name: upload_settings
-- How an account's files are to be read.
SELECT upload_settings FROM accounts WHERE account_id = %(account_id)s

-- name: link_account
-- Lets a provider act for an account, or changes what it may do.
INSERT INTO account_links (account_id, provider_account_id, scope)
VALUES (%(account_id)s, %(provider_account_id)s, %(scope)s)
ON CONFLICT (account_id, provider_account_id) DO UPDATE SET scope = excluded.scope, updated_at = now()

-- name: unlink_account
-- Takes a provider's rights back.
DELETE FROM account_links WHERE account_id = %(account_id)s AND provider_account_id = %(provider_account_id)s

-- name: link_scopes
-- What some providers may do for some accounts; nothing where there is no link.
SELECT l.account_id, l.provider_account_id, l.scope
FROM unnest(%(account_ids)s::text[], %(provider_account_ids)s::text[]) AS asked (account_id, provider_account_id)
JOIN account_links AS l USING (account_id, provider_account_id)
