"""What the names in a header mean: which column is which, which are ignored, and which of those are watched."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

from pipeline.errors import Invalid
from pipeline.uploads.exports import Export, SiteMissing, columns_in, recognised
from pipeline.uploads.meanings import CERTAIN, NAMES, OFFERED, WATCHED, Sense, plain_name
from schemas.errors import ErrorCode
from schemas.upload_rows import ERROR_COLUMNS, REQUIRED_COLUMNS
from schemas.uploads import IGNORED, UploadColumn

_PROTECTED: Final = re.compile(r"'+[=+\-@\t\r]")
_BRACKETS: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
"""What some reports say of a column behind its name, as `Quantity (pcs)`."""
_SHOWN_NAMES: Final = 3000
"""Characters of all names together, in an error."""
_SHOWN_NAME: Final = 100
_FAR: Final = 0.6
"""How alike two names must be for one to be proposed for the other."""


@dataclass(frozen=True)
class Reading:
    """How rows are to be read beside which column is which.

    `watched`: the places of ignored columns that may say what a row does; a file in which they have values is held.
    `export`: the name of the known export that the file is. `left`: quantities in lower case by which a row leaves the
    stock as it is; `tracked`: the place of a column that is empty where a row does.
    """

    watched: tuple[int, ...] = ()
    export: str | None = None
    left: tuple[str, ...] = ()
    tracked: int | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reading":
        """The reading that was stored as the JSON of `dataclasses.asdict`."""
        return cls(tuple(value["watched"]), value["export"], tuple(value["left"]), value["tracked"])


@dataclass(frozen=True)
class Meaning:
    """`columns`: for each name a column of COLUMNS, or None where it is ignored; `from_rejects` is that of Header."""

    columns: tuple[str | None, ...]
    warnings: tuple[str, ...]
    from_rejects: bool
    reading: Reading


def columns_of(found: Sequence[str], own: Mapping[str, str] = {}, *, warehouse_names: Collection[str] = ()) -> Meaning:
    """What the names mean, as they stand in the file.

    Args:
        found: the names.
        own: names of the account or the request, and the columns that they mean, or IGNORED. They win over all others.
        warehouse_names: what the request's warehouse is called: some exports have a column for each.

    Raises:
        Invalid: HEADER_COLUMN_MISSING and HEADER_COLUMN_TWICE, saying what was found and expected.
    """
    normal = [_normal(name) for name in found]
    from_rejects = set(ERROR_COLUMNS) <= set(normal)
    if from_rejects:
        normal = [_normal(name[1:] if _PROTECTED.match(name) else name) for name in found]
    header = _Names(found, normal, {_normal(name): column for name, column in own.items()}, own)
    export = recognised(header.plain)
    said = _said(header, export, warehouse_names)
    columns = tuple(None if column in {None, IGNORED} else str(column) for column in said)
    _check(header, columns)
    watched = tuple(place for place, column in enumerate(said) if column is None and header.senses(place))
    tracked = export and plain_name(export.tracked_by or "")
    reading = Reading(
        watched=watched,
        export=export.name if export else None,
        left=export.left if export else (),
        tracked=header.plain.index(tracked) if tracked and tracked in header.plain else None,
    )
    warnings = [_as_export(export, header, columns)] if export else []
    ignored = [
        _shown(found[place])
        for place, column in enumerate(columns)
        if column is None
        and not (from_rejects and normal[place] in ERROR_COLUMNS)
        and not (export and said[place] == IGNORED and normal[place] not in header.chosen)
    ]
    warnings += [f"ignored columns: {', '.join(ignored)[:200]}"] if ignored else []
    return Meaning(columns, tuple(warnings), from_rejects, reading)


def own_names(account: Mapping[str, str], request: Mapping[str, str]) -> dict[str, str]:
    """The names of the account and the request. Those of the request take the place of the account's for a column."""
    said = {column for column in request.values() if column != IGNORED}
    return {name: column for name, column in account.items() if column not in said} | dict(request)


def require_names(found: Sequence[str], asked: Mapping[str, str]) -> None:
    """Look whether a header has all names that a request gives.

    Raises:
        Invalid: COLUMN_NOT_IN_HEADER, naming the nearest one that it has.
    """
    there = {_normal(name) for name in found} | {_normal(name[1:]) for name in found if _PROTECTED.match(name)}
    if missing := [name for name in asked if _normal(name) not in there]:
        raise Invalid(ErrorCode.COLUMN_NOT_IN_HEADER, f"{_misspelt(missing, found)}; found {_all(found)}")


def require_warehouses(found: Sequence[str], columns: Collection[str | None]) -> None:
    """Look whether a header has a column in which rows name their warehouses.

    Raises:
        Invalid: WAREHOUSE_COLUMN_MISSING, with the options that may help.
    """
    if UploadColumn.WAREHOUSE not in columns:
        parts = [f"found {_all(found)}"]
        parts += [
            f"perhaps {option(name, UploadColumn.WAREHOUSE)}" for name in found if Sense.WAREHOUSE in senses_of(name)
        ]
        raise Invalid(ErrorCode.WAREHOUSE_COLUMN_MISSING, "; ".join(parts))


def option(name: str, column: str) -> str:
    """The option that says what a name means, to be copied."""
    text = f"{_shown(' '.join(name.split()))}={column}".replace("'", "'\"'\"'")
    return f"--column '{text}'"


def senses_of(name: str) -> tuple[Sense, ...]:
    """What a watched name may mean."""
    return WATCHED.get(plain_name(name), ())


@dataclass(frozen=True)
class _Names:
    """The names of a header: `found` as they stand there, `normal` for comparing; `chosen`: own names and columns."""

    found: Sequence[str]
    normal: Sequence[str]
    chosen: Mapping[str, str]
    own: Mapping[str, str]

    @cached_property
    def plain(self) -> tuple[str, ...]:
        return tuple(plain_name(name) for name in self.normal)

    @cached_property
    def taken(self) -> frozenset[str]:
        """The columns that an own name means: no other name means them."""
        return frozenset(self.chosen[name] for name in self.normal if name in self.chosen)

    def senses(self, place: int) -> tuple[Sense, ...]:
        """What an ignored column may mean that was not chosen otherwise."""
        name = plain_name(self.normal[place])
        if CERTAIN.get(name) in self.taken:
            return ()
        return tuple(sense for sense in WATCHED.get(name, ()) if NAMES[sense].column not in self.taken)


def _normal(name: str) -> str:
    """`#SKU`, ` Sku ` and `sku` are one name."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    return "_".join(visible.strip().lstrip("#").lower().split())


def _said(header: _Names, export: Export | None, warehouse_names: Collection[str]) -> list[str | None]:
    """What is said of each column: one of ours, IGNORED, or nothing."""
    said = [header.chosen.get(name) for name in header.normal]
    plain = ["" if column else name for name, column in zip(header.plain, said, strict=True)]
    taken = header.taken
    by_export = {}
    if export:
        try:
            by_export = columns_in(export, plain, taken=taken, warehouse_names=warehouse_names)
        except SiteMissing as missing:
            raise _site_missing(missing, header, warehouse_names) from None
    for place, name in enumerate(plain):
        if name:
            certain = CERTAIN.get(name)
            said[place] = by_export.get(place, None if certain in taken else certain)
    return said


def _check(header: _Names, columns: Sequence[str | None]) -> None:
    counts = Counter(column for column in columns if column)
    if missing := [column for column in REQUIRED_COLUMNS if not counts[column]]:
        parts = [f"missing {', '.join(missing)}", f"found {_all(header.found)}"]
        parts.append(f"expected {' and '.join(REQUIRED_COLUMNS)}")
        absent = [name for name in header.own if _normal(name) not in header.normal]
        parts += [_misspelt(absent, header.found)] if absent else []
        parts += [f"perhaps {choice}" for choice in _offers(header, columns, missing)]
        raise Invalid(ErrorCode.HEADER_COLUMN_MISSING, "; ".join(parts))
    if twice := [column for column, count in counts.items() if count > 1]:
        parts = [f"twice {', '.join(twice)}", f"found {_all(header.found)}", "expected each column once"]
        parts += [_choice(header, columns, column) for column in twice]
        raise Invalid(ErrorCode.HEADER_COLUMN_TWICE, "; ".join(parts))


def _offers(header: _Names, columns: Sequence[str | None], missing: Collection[str]) -> Iterator[str]:
    """Options that may help, where columns are missing."""
    for column in missing:
        for name, plain, meant in zip(header.found, header.plain, columns, strict=True):
            bare = plain_name(_BRACKETS.sub(" ", name))
            if meant is None and (plain in OFFERED[column] or bare in OFFERED[column] or CERTAIN.get(bare) == column):
                yield option(name, column)


def _choice(header: _Names, columns: Sequence[str | None], column: str) -> str:
    """How to choose one of several names of a column."""
    names = [name for name, meant in zip(header.found, columns, strict=True) if meant == column]
    told = f"{' and '.join(repr(_shown(name)) for name in names)} both mean {column}"
    if len({_normal(name) for name in names}) < len(names):
        return f"{told}: rename or delete one of them"
    options = [option(name, column) for name in names]
    options += [option(name, other) for name in names for other in _others(name, column)]
    return f"{told}: choose with {' or '.join(options)}, or leave one out as {option(names[0], IGNORED)}"


def _others(name: str, column: str) -> Iterator[str]:
    for sense in senses_of(name):
        other = NAMES[sense].column
        if other and other != column:
            yield other


def _site_missing(missing: SiteMissing, header: _Names, warehouse_names: Collection[str]) -> Invalid:
    names = [header.found[place] for place in missing.places]
    if warehouse_names:
        called = f"no column is for {' or '.join(repr(name) for name in warehouse_names)}"
        choose = f"choose one: {' or '.join(option(name, UploadColumn.QUANTITY) for name in names[:20])}"
    else:
        called, choose = "each of its quantities is for one warehouse", "submit it for each warehouse: --warehouse main"
    detail = (
        f"missing {UploadColumn.QUANTITY}; this is {missing.export.name}, and {called}; found {_all(names)}; {choose}"
    )
    return Invalid(ErrorCode.HEADER_COLUMN_MISSING, detail)


def _misspelt(missing: Sequence[str], found: Sequence[str]) -> str:
    """Which names the header lacks, and what was perhaps meant."""
    near = {_normal(name): name for name in found}
    told = []
    for name in missing:
        match = get_close_matches(_normal(name), near, 1, _FAR)
        told.append(f"{_shown(name)!r}" + (f" (is {_shown(near[match[0]])!r} meant?)" if match else ""))
    return f"the header has no {', '.join(told)}, which --column or the account names"


def _as_export(export: Export, header: _Names, columns: Sequence[str | None]) -> str:
    """What a known export is taken for."""
    taken = [f"{column} from {_shown(name)!r}" for name, column in zip(header.found, columns, strict=True) if column]
    left = [repr(word) if word else "empty" for word in export.left]
    parts = [f"read as {export.name}: {', '.join(taken)}"]
    parts += [f"a quantity that is {' or '.join(left)} leaves the stock as it is"] if left else []
    parts += [export.advice.removesuffix(".")] if export.advice else []
    return "; ".join(parts)


def _all(names: Sequence[str]) -> str:
    """Names as they can be shown, all of them unless they are very many."""
    shown = ", ".join(map(_shown, names)).strip()
    return shown if len(shown) <= _SHOWN_NAMES else f"{shown[:_SHOWN_NAMES]} … ({len(names)} names)"


def _shown(name: str) -> str:
    name = name.strip()
    if len(name) > _SHOWN_NAME:
        name = f"{name[:_SHOWN_NAME]}…"
    return name.encode("unicode_escape").decode() if not name.isprintable() else name or "(no name)"
