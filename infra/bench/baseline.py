"""What one would write instead of onhand: COPY and set-based SQL that validates, updates, logs and notes each row."""

import time
from pathlib import Path

import psycopg

from infra.bench.catalogue import WAREHOUSE

_STEPS = (
    """CREATE TEMPORARY TABLE good AS
       SELECT r.n, r.sku, r.location, r.reason, r.quantity::bigint AS target, l.level_id, NULL::bigint AS version
       FROM raw AS r
       JOIN products AS p ON p.account_id = %(account)s AND p.sku = r.sku
       JOIN locations AS loc ON loc.account_id = %(account)s AND loc.warehouse_id = %(warehouse)s
                            AND loc.name = r.location
       JOIN levels AS l ON l.account_id = %(account)s AND l.warehouse_id = %(warehouse)s AND l.sku = r.sku
                       AND l.location_id = loc.location_id AND l.lot_id = ''
       WHERE r.quantity ~ '^[0-9]{1,9}$' AND r.action = 'replace' AND NOT p.lot_tracked""",
    "ANALYZE good",
    """WITH changed AS (
           UPDATE levels AS l SET available = l.available + g.target - l.on_hand, version = l.version + 1,
                                  updated_at = now()
           FROM good AS g
           WHERE l.account_id = %(account)s AND l.level_id = g.level_id AND l.on_hand <> g.target
           RETURNING g.n, g.reason, new.level_id, new.version, new.available - old.available AS delta,
                     new.available AS after),
       logged AS (
           INSERT INTO change_log
               (account_id, level_id, version, state, delta, after, batch_id, recorded_at, reason, sync_id, sync_row)
           SELECT %(account)s, level_id, version, 'available', delta, after, 0, now(), reason, %(sync)s, n FROM changed)
       UPDATE good AS g SET version = changed.version FROM changed WHERE changed.n = g.n""",
    # Where a record begins is the length of all before it: four commas and a line end beside its fields.
    """INSERT INTO sync_items
           (account_id, sync_id, month, row, line, byte_offset, status, sku, quantity, action, reason, location,
            level_id, version)
       SELECT %(account)s, %(sync)s, date_trunc('month', now() AT TIME ZONE 'UTC'), r.n, r.n + 1,
              %(header_bytes)s + coalesce(
                  sum(5 + octet_length(r.sku) + octet_length(r.quantity) + octet_length(r.action)
                      + octet_length(r.reason) + octet_length(r.location))
                  OVER (ORDER BY r.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0),
              CASE WHEN g.n IS NULL THEN 'error' ELSE 'success' END, r.sku, r.quantity, r.action, r.reason, r.location,
              g.level_id, g.version
       FROM raw AS r LEFT JOIN good AS g USING (n)""",
)


def plain_sql_seconds(url: str, account_id: str, upload: Path) -> float:
    """Seconds for the same writes to the same tables in one transaction on one connection; no events, no chunks."""
    with upload.open("rb") as file:
        header_bytes = len(file.readline())
    parameters = {
        "account": account_id,
        "warehouse": WAREHOUSE,
        "sync": "00000000-0000-7000-8000-000000000000",
        "header_bytes": header_bytes,
    }
    began = time.perf_counter()
    with psycopg.connect(url) as connection:
        connection.execute(
            """CREATE TEMPORARY TABLE raw (
                   sku text COLLATE "C", quantity text, action text, reason text, location text COLLATE "C",
                   n integer GENERATED ALWAYS AS IDENTITY)"""
        )
        copy_raw = "COPY raw (sku, quantity, action, reason, location) FROM STDIN (FORMAT csv, HEADER)"
        with upload.open("rb") as file, connection.cursor() as cursor, cursor.copy(copy_raw) as copy:
            while piece := file.read(1 << 20):
                copy.write(piece)
        connection.execute("ANALYZE raw")
        for step in _STEPS:
            connection.execute(step, parameters)
    return time.perf_counter() - began
