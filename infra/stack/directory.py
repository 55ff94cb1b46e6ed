"""A stack's data directory: ours or refused, and used by one stack at a time."""

import fcntl
import os
import time
from pathlib import Path

from infra.stack.errors import StackError

MARKER = ".onhand-stack"
LOCK = "lock"
WAIT_FOR_DYING_SECONDS = 30.0


class DataDirectory:
    """Holds the directory from `claim` to `release`.

    The lock is a flock, which every server inherits: it is free when the process that claimed it and all its servers
    are gone, however they ended, and needs no cleaning up.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._descriptor: int | None = None

    def claim(self) -> int:
        """Make or open the directory and lock it; the lock's descriptor, for servers to inherit.

        StackError when it holds foreign files, cannot be written, or is in use. After a kill the servers of the dead
        process take a moment to stop; that is waited for.
        """
        try:
            self._make_ours()
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as problem:
            raise StackError(
                f"{problem.filename or self.path} cannot be written by this user: "
                "use another data directory, or the user who made this one"
            ) from problem
        try:
            self._lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return descriptor

    def release(self) -> None:
        """Give the directory up. May be called more than once."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _make_ours(self) -> None:
        marker = self.path / MARKER
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StackError(f"{self.path} is not a directory: name another data directory") from None
        if marker.exists():
            return
        if any(self.path.iterdir()):
            raise StackError(
                f"{self.path} has files in it that are not a stack's ({MARKER} is missing), so nothing was touched: "
                "name an empty or a new data directory"
            )
        marker.write_text("The data of an onhand embedded stack. Delete the whole directory to begin anew.\n")

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + WAIT_FOR_DYING_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                if _alive(owner):
                    raise StackError(
                        f"{self.path} is in use by process {owner}: stop that one first (Ctrl-C there, or "
                        f"`kill {owner}`), or name another data directory"
                    ) from None
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{self.path} is still in use by servers of process {owner}, which is gone: "
                        f"`fuser {self.path / LOCK}` names them"
                    ) from None
                time.sleep(0.1)
            else:
                return


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False  # it is being written right now
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:  # no /proc here
        return False
