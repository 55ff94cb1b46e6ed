"""Reads the list of guards: `guards.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
_LIST: Final = Path(__file__).parent / "guards.toml"


@dataclass(frozen=True)
class Guard:
    """A line that keeps a promise.

    `find` is in `file` exactly once; `replace` takes its place, so that the guard is gone and all else still works.
    `tests` are what pytest is given; at least one of them fails then.
    """

    name: str
    promise: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def taken_out(self, content: str) -> str:
        """The file without the guard.

        Raises:
            ValueError: the text to be replaced is not there exactly once.
        """
        if content.count(self.find) != 1:
            raise ValueError(f"{self.name}: {self.find!r} is {content.count(self.find)} times in {self.file}")
        return content.replace(self.find, self.replace)


def guards() -> list[Guard]:
    """All of them, in the order of the list."""
    listed = tomllib.loads(_LIST.read_text("utf-8"))["guard"]
    return [Guard(**{**guard, "tests": tuple(guard["tests"])}) for guard in listed]
