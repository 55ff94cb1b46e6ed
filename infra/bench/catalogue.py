"""Fills a database with a catalogue and stock, set-based, in the shape that the commands would leave behind."""

import psycopg

ACCOUNT = "bench"
WAREHOUSE = "main"
BINS = 1000


def fill_catalogue(connection: psycopg.Connection, account_id: str, products: int) -> None:
    """One dynamic warehouse with 1,000 bins, and `products` products named SKU-00000001 and so on."""
    connection.execute(
        "INSERT INTO warehouses (account_id, warehouse_id, name, slotting) VALUES (%s, %s, 'Bench', 'dynamic')",
        [account_id, WAREHOUSE],
    )
    connection.execute(
        """INSERT INTO locations (account_id, warehouse_id, location_id, name)
           SELECT %(account)s, %(warehouse)s, name, name FROM (SELECT 'unassigned' AS name
           UNION ALL SELECT 'B-' || lpad(n::text, 4, '0') FROM generate_series(0, %(bins)s - 1) AS n)""",
        {"account": account_id, "warehouse": WAREHOUSE, "bins": BINS},
    )
    connection.execute(
        """INSERT INTO products (account_id, sku, name)
           SELECT %s, 'SKU-' || lpad(n::text, 8, '0'), 'Product ' || n FROM generate_series(1, %s) AS n""",
        [account_id, products],
    )


def fill_levels(connection: psycopg.Connection, account_id: str, products: int) -> None:
    """One level for each product, with 5 units and the ledger line that says so."""
    connection.execute(
        """INSERT INTO levels (account_id, warehouse_id, sku, location_id, available, version)
           SELECT %s, %s, 'SKU-' || lpad(n::text, 8, '0'), 'B-' || lpad((n %% %s)::text, 4, '0'), 5, 1
           FROM generate_series(1, %s) AS n""",
        [account_id, WAREHOUSE, BINS, products],
    )
    connection.execute(
        """INSERT INTO change_log (account_id, level_id, version, state, delta, after, batch_id, recorded_at, reason)
           SELECT account_id, level_id, 1, 'available', 5, 5, 0, now(), 'opening stock'
           FROM levels WHERE account_id = %s""",
        [account_id],
    )


def settle(connection: psycopg.Connection) -> None:
    """Bring the tables into the state that a database in use has: statistics made, pages written."""
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
