"""What the commands about syncs share: finding one, following it to its end, and saying how it ended."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Annotated, Final
from uuid import UUID

import typer

from infra.cli.context import TEXT
from infra.cli.failures import Failure
from infra.cli.output import print_note, progress
from pipeline import sync_views
from pipeline.store.database import Database
from pipeline.store.pages import Row
from pipeline.store.syncs import SyncKey
from schemas.identifiers import AccountId
from schemas.states import SyncState

HELD_EXIT_CODE: Final = 3
DUPLICATE_EXIT_CODE: Final = 4
REFRESH_SECONDS: Final = 0.5

SyncIdArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The sync's id.")]
UserId = Annotated[
    str | None, typer.Option("--user", parser=TEXT, metavar="ID", help="Who asks for it, for the records.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Show the counts until the sync has ended.")]


def require_job(database: Database, account_id: AccountId, sync_id: UUID) -> Row:
    """The sync; a Failure where the account has no such sync."""
    job = sync_views.sync_job(database, account_id, sync_id)
    if job is None:
        raise Failure(f"Account {account_id} has no sync {sync_id}: `onhand sync list` shows those that it has.")
    return job


def has_ended(job: Row) -> bool:
    """Whether all of its rows have their status. One that is to stop has not ended before."""
    return job["finished_at"] is not None


def can_be_tried_again(job: Row) -> bool:
    """Whether it failed before any of its rows was counted: the same request starts it once more."""
    return bool(job["status"] == SyncState.ERROR and not job["total_count"])


class Pace:
    """How fast rows are done, over the last seconds."""

    def __init__(self, seconds: float = 5.0) -> None:
        """Of older rows nothing is remembered."""
        self._seconds = seconds
        self._seen: deque[tuple[float, int]] = deque()

    def rows_per_s(self, at: float, rows: int) -> float | None:
        """The pace when `rows` are done at the second `at`; None before there is one."""
        self._seen.append((at, rows))
        while len(self._seen) > 1 and self._seen[1][0] <= at - self._seconds:
            self._seen.popleft()
        since, before = self._seen[0]
        return (rows - before) / (at - since) if rows > before and at > since else None


def states(database: Database, key: SyncKey, tried: int | None = None) -> Iterator[Row]:
    """The sync again and again, from when it is known until it has ended, with `rows_per_s` and `seconds_left`.

    `tried`: the number of a planning that has failed; the sync is waited for until it is planned anew.
    """
    pace = Pace()
    while True:
        job = sync_views.sync_job(database, AccountId(key.account_id), key.sync_id)
        if job is not None and job["planning"] != tried:
            rate = pace.rows_per_s(time.monotonic(), job["finished_count"])
            left = (job["total_count"] - job["finished_count"]) / rate if rate else None
            yield job | {"rows_per_s": rate and round(rate), "seconds_left": None if left is None else round(left)}
            if has_ended(job):
                return
        time.sleep(REFRESH_SECONDS)  # the pace of the display; nothing depends on it


def follow(
    database: Database,
    key: SyncKey,
    tell: Callable[[Row], None] = lambda _: None,
    *,
    behind: Row | None = None,
    until_held: bool = False,
) -> Row:
    """The sync when it has ended, or is held; until then its counts as a bar, and `tell` is called for each change.

    `behind`: the sync as it was when it was asked for, if there was one. Where it had failed and is tried again, how
    the first try ended is not the answer.
    """
    tried = behind["planning"] if behind is not None and can_be_tried_again(behind) else None
    told = None
    with progress("rows") as bar:
        task = bar.add_task("Waiting for a worker", total=None)
        for state in states(database, key, tried):
            bar.update(
                task, description=in_words(state), completed=state["finished_count"], total=state["total_count"] or None
            )
            job = {name: value for name, value in state.items() if name not in {"rows_per_s", "seconds_left"}}
            if until_held and job["status"] == SyncState.HELD:
                break
            if job != told and not has_ended(job):
                tell(state)
            told = job
    return job


def in_words(state: Row) -> str:
    """How far a sync is, in a line."""
    match state["status"]:
        case SyncState.PLANNING if state["range_count"]:
            return f"planning: {state['ranges_done']} of {state['range_count']} parts of the file are read"
        case SyncState.PLANNING:
            return f"planning: {state['ranges_done']} parts of the file are read"
        case SyncState.HELD:
            return f"held, waiting for `onhand sync approve`: {state['held_reason']}"
        case SyncState.PENDING:
            return "pending: no worker has begun"
        case status:
            return f"{status}: {_counts_in_words(state)}{_pace_in_words(state)}"


def changes_in_words(job: Row) -> str:
    """What a sync has done to the stock, or what a dry run would do, in a line."""
    before, after = job["units_before"], job["units_after"]
    raised, lowered, zeroed = (job[f"levels_{what}"] for what in ("raised", "lowered", "zeroed"))
    levels = "level" if lowered == 1 else "levels"
    return (
        f"{lowered:,} {levels} lowered, {raised:,} raised, {zeroed:,} set to zero; "
        f"{before:,} units before, {after:,} after ({_signed(after - before)})"
    )


def _signed(units: int) -> str:
    return f"{units:+,}".replace("-", "\u2212") if units else "no change"


def _counts_in_words(state: Row) -> str:
    counts = [f"{state['finished_count']:,} of {state['total_count']:,} rows", f"{state['success_count']:,} good"]
    others = {"error_count": "in error", "skipped_count": "skipped", "aborted_count": "aborted"}
    return ", ".join(counts + [f"{state[name]:,} {word}" for name, word in others.items() if state[name]])


def _pace_in_words(state: Row) -> str:
    if has_ended(state) or state["rows_per_s"] is None:
        return ""
    minutes, seconds = divmod(state["seconds_left"], 60)
    left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"; {state['rows_per_s']:,} rows/s, {left} left"


def finish(job: Row, show: Callable[[Row], None]) -> None:
    """Show how a sync ended that somebody has waited for, and exit as it says.

    1: it failed; 3: it is held; 4: it is a repeat. Else go on.
    """
    show(job)
    if job["status"] == SyncState.DUPLICATE:
        print_note(f"Nothing was applied: sync {job['sync_id']} repeats {job['duplicate_of']}. --force applies it.")
        raise typer.Exit(DUPLICATE_EXIT_CODE)
    if job["status"] == SyncState.HELD:
        print_note(f"Sync {job['sync_id']} is held: {job['held_reason']}")
        print_note(
            "No row was applied. The same file submitted with --dry-run tells what it would do to each level. "
            f"`onhand sync approve {job['sync_id']}` lets it go on, `onhand sync abort {job['sync_id']} --reason …` "
            "ends it."
        )
        raise typer.Exit(HELD_EXIT_CODE)
    if job["status"] in {SyncState.ERROR, SyncState.ABORTED}:
        raise typer.Exit(1)
