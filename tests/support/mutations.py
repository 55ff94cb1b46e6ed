"""Every field of a message, spoilt in every way that the outside world has thought of."""

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

DEPTH: Final = 10_000
_DEEP: Final = "@deep@"
_MISSING: Final = object()

SPOILT: Final[dict[str, Any]] = {
    "missing": _MISSING, "null": None, "text": "nonsense", "empty": "", "a number": 5, "a fraction": 0.5, "true": True,
    "a list": [], "an object": {"a": 1}, "a list of null": [None], "too long": "x" * 3_000, "NUL": "a\0b",
    "a line break": "a\nb", "a lone surrogate": "\ud800", "other digits": "\u0663", "2**63": 2**63,
    "-2**63-1": -(2**63) - 1, "10**30": 10**30, "negative": -1, "zero": 0, "NaN": float("nan"),
    "infinity": float("inf"), "deep": _DEEP, "unknown id": "gone", "another account's": "other",
    "the year 10000": "10000-01-01T00:00:00Z", "the first instant": "0001-01-01T00:00:00+14:00",
    "the last instant": "9999-12-31T23:59:59-14:00", "the year 1999": "1999-12-31T23:59:59Z",
    "no offset": "2101-01-01T00:00:00", "an impossible date": "2101-02-30T00:00:00Z", "seconds": 4133980800,
    "seconds as text": "4133980800", "a path": "../../etc/passwd", "SQL": "'; DROP TABLE levels; --",
    "many": ["w1"] * 2_000,
}  # fmt: skip


def fields(data: Any, path: Path = ()) -> Iterator[Path]:
    """Where a value stands in a document, containers included."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inner:
        yield (*path, name)
        yield from fields(value, (*path, name))


def spoilt(data: dict[str, Any], path: Path, how: str) -> str:
    """The document as JSON with the value at `path` spoilt; JSON as Python writes it, so NaN is NaN."""
    text = json.dumps(_replaced(data, path, SPOILT[how]))
    return text.replace(f'"{_DEEP}"', "[" * DEPTH + "]" * DEPTH) if how == "deep" else text


def _replaced(data: Any, path: Path, value: Any) -> Any:
    """A copy with another value at `path`, or with none."""
    step, *inner = path
    copy = data.copy()
    if inner:
        copy[step] = _replaced(data[step], tuple(inner), value)
    elif value is _MISSING:
        del copy[step]
    else:
        copy[step] = value
    return copy
