-- name: registered_reasons
-- Those of some reasons that their account has registered.
SELECT r.account_id, r.code
FROM unnest(%(account_ids)s::text[], %(codes)s::text[]) AS k (account_id, code)
JOIN reasons AS r USING (account_id, code)
