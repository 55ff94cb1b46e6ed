"""History: the change log of an account, and its stock as it was at an instant or at a version.

Rows are plain dictionaries of the statements' columns in `queries/history.sql`, quantities in units. Whoever reads for
a customer must have been let in before. A `limit` of None means all.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, Final, LiteralString

from pipeline.errors import Invalid
from pipeline.store.database import Database
from pipeline.store.pages import Order, Row, pages
from pipeline.store.statements import statements
from pipeline.views import Stock
from schemas.errors import ErrorCode
from schemas.identifiers import AccountId

_SQL: Final = statements("history")
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)

_NEWEST_FIRST: Final = Order(
    {"recorded_at": "infinity", "batch_id": 0, "level_id": 0, "version": 0, "state": "available"}
)
_BY_PLACE: Final = Order({"warehouse_id": "", "sku": "", "location_id": "", "lot_id": ""})

_FEW_LEVELS: Final = 100
"""Up to so many levels are looked up one by one in the log; the lines of more are found while it is read back."""

_OF_ONE_TRANSACTION: Final = timedelta(seconds=10)
"""By how much the times of the batches of one transaction differ at most: a command's and that of its effect have two
where a provider acted for a customer.
"""


@dataclass(frozen=True)
class Changes:
    """Which lines of the log: those that match all that is given. `since` is included, `until` is not."""

    stock: Stock = field(default_factory=Stock)
    reason: str | None = None
    document: str | None = None
    actor: str | None = None
    command_id: str | None = None
    command_source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self, account_id: AccountId) -> dict[str, Any]:
        """As the statements take them."""
        mine = {name: value for name, value in vars(self).items() if name != "stock"}
        time = {"since": self.since or _BEGINNING, "until": self.until or _END}
        return {"account_id": account_id, **asdict(self.stock), **mine, **time}


def change_log(
    database: Database, account_id: AccountId, changes: Changes, *, limit: int | None = None
) -> Iterator[Row]:
    """The lines that match, newest first: one for each state that a change touched.

    Each page goes through the shortest way: the lines of a few levels, of a document or of a command through an index;
    all else by reading back from the newest line (or `until`) until enough of them are found.
    """
    if changes.command_id is None:
        return _lines(database, account_id, changes, limit)
    return islice(_lines_of_command(database, account_id, changes, limit), limit)


def _lines(database: Database, account_id: AccountId, changes: Changes, limit: int | None) -> Iterator[Row]:
    asked = changes.parameters(account_id)
    statement = "lines_by_time"
    if changes.document is not None:
        statement = "lines_of_document"
    elif changes.command_id is None and changes.stock != Stock():
        level_ids = _matching_levels(database, asked)
        if len(level_ids) <= _FEW_LEVELS:
            asked["level_ids"] = level_ids
            statement = "lines_of_levels"
    return map(_without_place, pages(database, _composed(statement), asked, _NEWEST_FIRST, limit=limit))


def _composed(statement: str) -> LiteralString:
    return _SQL[statement].replace("{shown}", _SQL["shown"]).replace("{wanted}", _SQL["wanted"])


def _without_place(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in {"batch_id", "level_id"}}


def _matching_levels(database: Database, asked: dict[str, Any]) -> list[int]:
    with database.transaction() as connection:
        rows = connection.execute(_SQL["matching_levels"], {**asked, "most": _FEW_LEVELS + 1}).fetchall()
    return [level_id for (level_id,) in rows]


def _lines_of_command(database: Database, account_id: AccountId, changes: Changes, limit: int | None) -> Iterator[Row]:
    """The log has no index of commands: their own table says when they took effect, as long as it has them."""
    with database.transaction() as connection:
        row = connection.execute(_SQL["times_of_command"], changes.parameters(account_id)).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM gives one row
    times, forgotten_before = row
    since, until = changes.since or _BEGINNING, changes.until or _END
    windows: list[Changes] = []
    for time in times:
        first, last = time - _OF_ONE_TRANSACTION, time + _OF_ONE_TRANSACTION
        windows.append(replace(changes, since=max(since, first), until=min(until, last)))
        until = min(until, first)
    if forgotten_before is not None:
        windows.append(replace(changes, until=min(until, forgotten_before + _OF_ONE_TRANSACTION)))
    return chain.from_iterable(_lines(database, account_id, window, limit) for window in windows)


def levels_at(
    database: Database, account_id: AccountId, stock: Stock, instant: datetime, *, limit: int | None = None
) -> Iterator[Row]:
    """The levels as all changes recorded up to `instant` had left them, by warehouse, SKU, location and lot.

    Levels that had never changed then are left out. `updated_at` is when a level became what it was, None where the log
    does not have it any more. What is being written just now may be recorded, and not be seen yet.

    Raises:
        Invalid: HISTORY_NOT_KEPT, also in the middle when the log is shortened meanwhile.
    """
    with database.transaction() as connection:
        row = connection.execute(_SQL["since"]).fetchone()
    _require(instant, row[0] if row else None)
    return (_known_at(instant, row) for row in _as_of(database, account_id, stock, instant, 0, limit))


def levels_at_version(
    database: Database, account_id: AccountId, stock: Stock, version: int, *, limit: int | None = None
) -> Iterator[Row]:
    """Each level as its version `version`, 1 or higher, was; those that do not have that version yet are left out.

    Versions count for each level by itself: this makes sense for the levels of one SKU in one warehouse.

    Raises:
        Invalid: HISTORY_NOT_KEPT.
    """
    return (_known_of(version, row) for row in _as_of(database, account_id, stock, _BEGINNING, version, limit))


def _as_of(  # noqa: PLR0913, PLR0917 - the two ways to say when, each with nothing for the other
    database: Database, account_id: AccountId, stock: Stock, instant: datetime, version: int, limit: int | None
) -> Iterator[Row]:
    asked = {"account_id": account_id, **asdict(stock), "instant": instant, "version": version}
    return pages(database, _SQL["levels_as_of"], asked, _BY_PLACE, limit=limit)


def _known_at(instant: datetime, row: Row) -> Row:
    # Asked again with each page: a month that was dropped before the page was read is missing in it.
    _require(instant, row["kept_since"])
    return _shown(row)


def _require(instant: datetime, kept_since: datetime | None) -> None:
    if kept_since is not None and instant < kept_since:
        raise Invalid(ErrorCode.HISTORY_NOT_KEPT, f"it begins at {kept_since.astimezone(UTC).isoformat()}")


def _known_of(version: int, row: Row) -> Row:
    if version < row["folded_version"]:
        place = " ".join(filter(None, (row["warehouse_id"], row["sku"], row["location_id"], row["lot_id"])))
        raise Invalid(ErrorCode.HISTORY_NOT_KEPT, f"that of {place} begins with version {row['folded_version']}")
    return _shown(row)


def _shown(row: Row) -> Row:
    hidden = {"kept_since", "folded_version"}
    return {name: value for name, value in row.items() if name not in hidden} | {"lot_id": row["lot_id"] or None}
