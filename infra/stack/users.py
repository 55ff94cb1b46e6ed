"""Which user a server runs as that refuses to run as root, and what that user can reach."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import StackError


@dataclass(frozen=True)
class SystemUser:
    """An existing account of this machine."""

    name: str
    uid: int
    gid: int

    def can_execute(self, program: Path) -> bool:
        """Whether this user reaches and may run `program` (tried with --version, so access lists count too)."""
        try:
            subprocess.run(
                [program, "--version"], user=self.uid, group=self.gid, extra_groups=[], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def can_enter(self, directory: Path) -> bool:
        """Whether this user may make `directory` its working directory by its full path."""
        entered = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory.resolve())],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            check=False,
            capture_output=True,
            cwd="/",
        )
        return entered.returncode == 0


def unprivileged_user(directory: Path) -> SystemUser | None:
    """None when we are not root. As root: the owner of `directory`, so that data keep their owner, or else nobody."""
    if os.geteuid() != 0:
        return None
    owner = directory.stat().st_uid
    try:
        account = pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            f"PostgreSQL does not run as root, and there is no account to run it as (uid {owner or 'nobody'} is "
            "unknown): run this as an ordinary user"
        ) from None
    return SystemUser(account.pw_name, account.pw_uid, account.pw_gid)
