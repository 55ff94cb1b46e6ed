"""The first schema; the SQL beside this file says everything."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the whole file as one string: the driver sends it as it is, so a `%` or `:` in it means itself."""
    driver_connection = op.get_bind().connection.driver_connection
    assert driver_connection is not None  # noqa: S101 - it is None only for a connection that was given back
    driver_connection.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))
