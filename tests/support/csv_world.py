"""The catalogue and the stock that the conditions of CSV files are tried on."""

from itertools import count
from typing import Final

from pipeline.commands.handler import apply_commands
from pipeline.store.database import Database
from tests.support.csv_rows import ALL_ROWS, BEFORE
from tests.support.orders import fill_catalogue, stock

_LEVELS: Final = tuple(dict.fromkeys((row.sku, row.location_id) for row in ALL_ROWS if row.sku is not None))
_RESETS: Final = count()


def fill_world(database: Database, clean: int) -> None:
    """The small catalogue, a product for each condition, and `clean` products of which one unit is there."""
    fill_catalogue(database)
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO products (account_id, sku) SELECT 'acme', sku FROM unnest(%s::text[]) AS sku "
            "UNION ALL SELECT 'acme', 'P' || lpad(n::text, 6, '0') FROM generate_series(0, %s) AS n",
            [sorted({sku for sku, _ in _LEVELS}), clean - 1],
        )
        connection.execute(
            "INSERT INTO levels (account_id, warehouse_id, sku, location_id, available, version) "
            "SELECT 'acme', 'w1', 'P' || lpad(n::text, 6, '0'), 'unassigned', 1, 1 FROM generate_series(0, %s) AS n",
            [clean - 1],
        )
        connection.execute(
            "INSERT INTO change_log (account_id, level_id, version, state, delta, after, batch_id, recorded_at) "
            "SELECT account_id, level_id, 1, 'available', 1, 1, 0, now() FROM levels WHERE sku LIKE 'P0%'"
        )
        connection.execute("ANALYZE")


def reset_levels(database: Database) -> None:
    """Let the level of each condition hold BEFORE."""
    turn = next(_RESETS)
    commands = [
        stock(f"reset-{turn}-{n}", "replace", BEFORE, sku=sku, location_id=location_id)
        for n, (sku, location_id) in enumerate(_LEVELS)
    ]
    apply_commands(commands, database)
