"""Brings a database to the newest schema, safely also when several processes do it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from pipeline.errors import TryLater
from pipeline.store.database import UpgradeError

VERSION_TABLE: Final = "schema_version"
MINIMUM_SERVER: Final = 18
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6F6E68616E64  # "onhand": no other use of advisory locks in this database may take the same number


def upgrade(database_url: str) -> list[str]:
    """Run the migrations that are missing, all in one transaction; their names, oldest first, empty where none was.

    Of several calls at once one migrates, and the others wait for it and find nothing to do.

    Raises:
        TryLater: the server does not answer.
        UpgradeError: the address cannot be read, the server is too old, the user may not do it, or a newer onhand has
            migrated the database.
    """
    done: list[str] = []

    def note(*, step: Any, **_: Any) -> None:
        done.append(_name(step.up_revision))

    with _transaction(database_url) as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        config = _config()
        config.attributes |= {"connection": connection, "version_table": VERSION_TABLE, "on_version_apply": note}
        command.upgrade(config, "head")
    return done


def pending(database_url: str) -> list[str]:
    """The names of the migrations that the database lacks, oldest first. Changes nothing.

    Raises:
        TryLater, UpgradeError: as `upgrade` does.
    """
    script = ScriptDirectory.from_config(_config())
    with _transaction(database_url) as connection:
        current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
        missing = [_name(revision) for revision in script.iterate_revisions("head", current or "base")]
    return missing[::-1]


def _config() -> Config:
    config = Config()
    # Alembic reads its options as a ConfigParser does: a percent sign in the path has to be doubled.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _name(revision: Any) -> str:
    return Path(revision.path).stem


@contextmanager
def _transaction(database_url: str) -> Iterator[Connection]:
    try:
        conninfo_to_dict(database_url)
    except psycopg.ProgrammingError as error:
        raise UpgradeError(f"The address of the database cannot be read: {str(error).strip()}") from None
    # The driver reads the URL itself, so that every form of it means the same here as in the pool of the workers.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database_url, connect_timeout=10), poolclass=NullPool
    )
    try:
        with engine.begin() as connection:
            _check_version(connection)
            yield connection
    except OperationalError as error:
        raise TryLater(f"PostgreSQL does not answer: {error.orig}") from error
    except DBAPIError as error:
        raise UpgradeError(f"PostgreSQL refused the migration, and nothing was changed: {error.orig}") from error
    except psycopg.Error as error:
        raise UpgradeError(f"PostgreSQL refused the migration, and nothing was changed: {error}") from error
    except CommandError as error:
        raise UpgradeError(
            f"The database's schema is not one that this version of onhand knows ({error}). "
            "A newer version has upgraded it: run that version."
        ) from error


def _check_version(connection: Connection) -> None:
    server = connection.exec_driver_sql("SHOW server_version").scalar_one()
    if int(server.split(".")[0].split()[0]) < MINIMUM_SERVER:
        raise UpgradeError(f"PostgreSQL {server} is too old: onhand needs {MINIMUM_SERVER} or newer.")
