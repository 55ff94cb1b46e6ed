"""What the names in a header mean: which column is which, and which are ignored."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.errors import Invalid
from schemas.errors import ErrorCode
from schemas.upload_rows import ALIASES, COLUMNS, ERROR_COLUMNS, REQUIRED_COLUMNS
from schemas.uploads import IGNORED

_PROTECTED: Final = re.compile(r"'+[=+\-@\t\r]")


@dataclass(frozen=True)
class Meaning:
    """`columns`: for each name a column of COLUMNS, or None where it is ignored; `from_rejects` is that of Header."""

    columns: tuple[str | None, ...]
    warnings: tuple[str, ...]
    from_rejects: bool


def columns_of(found: Sequence[str], own: Mapping[str, str] = {}) -> Meaning:
    """What the names mean, as they stand in the file.

    Args:
        found: the names.
        own: names of the account or the request, and the columns that they mean, or IGNORED. They win over all others.

    Raises:
        Invalid: HEADER_COLUMN_MISSING and HEADER_COLUMN_TWICE, saying what was found and expected.
    """
    normal = [_normal(name) for name in found]
    from_rejects = set(ERROR_COLUMNS) <= set(normal)
    if from_rejects:
        normal = [_normal(name[1:] if _PROTECTED.match(name) else name) for name in found]
    columns = _columns(normal, own)
    _check(columns, found)
    return Meaning(columns, _warnings(columns, normal, found, from_rejects=from_rejects), from_rejects)


def _normal(name: str) -> str:
    """`#SKU`, ` Sku ` and `sku` are one name."""
    return "_".join(name.replace("\u00a0", " ").strip().lstrip("#").lower().split())


def _columns(normal: Sequence[str], own: Mapping[str, str]) -> tuple[str | None, ...]:
    """The columns that the names mean. A column that an own name means is meant by no other name."""
    chosen = {_normal(name): column for name, column in own.items()}
    taken = {chosen[name] for name in normal if name in chosen}
    known = (ALIASES.get(name, name) for name in normal)
    general = (column if column in COLUMNS and column not in taken else None for column in known)
    meant = (chosen.get(name, column) for name, column in zip(normal, general, strict=True))
    return tuple(None if column == IGNORED else column for column in meant)


def _check(columns: Sequence[str | None], found: Sequence[str]) -> None:
    shown = ", ".join(_shown(name) for name in found if name.strip())
    counts = Counter(column for column in columns if column)
    if missing := [column for column in REQUIRED_COLUMNS if not counts[column]]:
        expected = f"missing {', '.join(missing)}; found {shown}; expected {' and '.join(REQUIRED_COLUMNS)}"
        raise Invalid(ErrorCode.HEADER_COLUMN_MISSING, expected)
    if twice := [column for column, count in counts.items() if count > 1]:
        expected = f"twice {', '.join(twice)}; found {shown}; expected each column once"
        raise Invalid(ErrorCode.HEADER_COLUMN_TWICE, expected)


def _warnings(
    columns: Sequence[str | None], normal: Sequence[str], found: Sequence[str], *, from_rejects: bool
) -> tuple[str, ...]:
    ignored = [
        _shown(name)
        for name, plain, column in zip(found, normal, columns, strict=True)
        if column is None and not (from_rejects and plain in ERROR_COLUMNS)
    ]
    return (f"ignored columns: {', '.join(ignored)[:200]}",) if ignored else ()


def _shown(name: str) -> str:
    name = name.strip()
    return name.encode("unicode_escape").decode() if not name.isprintable() else name or "(no name)"
