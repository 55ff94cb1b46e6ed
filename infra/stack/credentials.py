"""Generated passwords and keys of one data directory, readable by its owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.stack.errors import StackError


def _key() -> str:
    return secrets.token_hex(24)


@dataclass(frozen=True)
class Credentials:
    """What the servers ask for. Every data directory has its own."""

    postgres_password: str = field(default_factory=_key)
    s3_access_key_id: str = field(default_factory=lambda: secrets.token_hex(10))
    s3_secret_access_key: str = field(default_factory=_key)
    s3_internal_key: str = field(default_factory=_key)


def load_or_create(path: Path) -> Credentials:
    """The credentials in `path`, made there with mode 0600 the first time."""
    try:
        return Credentials(**json.loads(path.read_text()))
    except FileNotFoundError:
        pass
    except (ValueError, TypeError) as problem:
        raise StackError(f"{path} cannot be read ({problem}): delete the data directory to begin anew") from problem
    created = Credentials()
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - by descriptor
        json.dump(asdict(created), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return created
