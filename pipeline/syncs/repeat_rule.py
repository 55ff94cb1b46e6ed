"""The rule of repeats: what becomes of a file whose very bytes were applied to the same stock before.

A count (every row is a `replace`) can be applied any number of times. A file with movements (rows that add, remove or
move) must not be applied twice by mistake, and must not be left out where it is a delivery of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from schemas.states import SyncState

_FORCE: Final = "--force, or a drop into the folder force/, applies it all the same"


class FileReading(NamedTuple):
    """How the bytes of a file are understood: two readings of the same bytes may give different rows.

    `numbers`: how each column of numbers is written. `quotes`: whether quotes can stand around fields. `export`: the
    known export as which it is read. The bytes of a workbook are those of the sheet that was read, whatever its name.
    """

    encoding: str | None
    columns: tuple[str | None, ...]
    separator: str
    numbers: Mapping[str, str]
    quotes: bool
    export: str | None
    action: str
    duplicates: str
    as_of: datetime | None

    def differences(self, other: "FileReading") -> list[str]:
        """The names of what is not the same in both."""
        return [name for name, mine, its in zip(self._fields, self, other, strict=True) if mine != its]


@dataclass(frozen=True)
class Earlier:
    """A job of the same bytes and the same stock that has applied rows, or may still do so.

    `age`: how long before the new one it was asked for. The counts are of its rows so far. `partly_reverted`: some of
    what it did was taken back. One that was taken back as a whole is none.
    """

    sync_id: UUID
    state: SyncState
    created_at: datetime
    age: timedelta
    reading: FileReading
    total: int
    applied: int
    in_error: int
    aborted: int
    partly_reverted: bool

    @property
    def is_complete(self) -> bool:
        """Whether all of its rows were applied, and nothing was taken back."""
        return self.state is SyncState.SUCCESS and not (self.in_error or self.aborted or self.partly_reverted)


class Duplicate(NamedTuple):
    """Nothing is to be done: `of` has done it, or is about to. `words` tell people so."""

    of: UUID
    words: str


class Hold(NamedTuple):
    """A person has to decide, and why."""

    reason: str


Verdict = Duplicate | Hold | None
"""None: the file is applied."""


def earlier_count(reading: FileReading, earlier: Iterable[Earlier]) -> Earlier | None:
    """The job that a count repeats, as long as the levels are as that job has left them.

    Args:
        reading: of the new file.
        earlier: the newest first.
    """
    return next((job for job in earlier if job.is_complete and job.reading == reading), None)


def judge_count(reading: FileReading, earlier: Iterable[Earlier]) -> Hold | None:
    """What becomes of a count that repeats none: held where the newest job of its bytes had another action.

    What was booked as goods received, and comes again as a count, would set the stock to what was received.
    """
    latest = next((job for job in earlier if job.state is not SyncState.HELD), None)
    if latest is None or latest.reading.action == reading.action or not latest.applied:
        return None
    return Hold(" ".join(_reasons(latest, latest.reading.differences(reading), reading.action)))


def judge_movements(
    reading: FileReading, earlier: Sequence[Earlier], repeat_within: timedelta, *, whenever: bool
) -> Verdict:
    """What becomes of a file with movements.

    It repeats a held one that is read in the same way. Otherwise the newest job that has applied rows decides, and a
    held one only where there is no other.

    Args:
        reading: of the new file.
        earlier: the newest first.
        repeat_within: how long the same file, read in the same way, is taken for a repeat and no new delivery.
        whenever: it is a repeat at any age (`idempotency: content`).
    """
    if whenever and (same := earlier_count(reading, earlier)) is not None:
        return Duplicate(same.sync_id, duplicate_words(same))
    for job in earlier:  # so that nobody approves both
        if job.state is SyncState.HELD and job.reading == reading and (whenever or job.age <= repeat_within):
            return Duplicate(job.sync_id, duplicate_words(job))
    latest = next((job for job in earlier if job.state is not SyncState.HELD), next(iter(earlier), None))
    if latest is None:
        return None
    if latest.reading == reading and (latest.is_complete or latest.state in {SyncState.HELD, SyncState.PROCESSING}):
        if whenever or latest.age <= repeat_within:
            return Duplicate(latest.sync_id, duplicate_words(latest))
        if latest.state is not SyncState.PROCESSING:
            return None
    return Hold(" ".join(_reasons(latest, latest.reading.differences(reading), reading.action)))


def duplicate_words(job: Earlier) -> str:
    """What is said of a repeat of a job."""
    asked = f"{job.created_at:%Y-%m-%d %H:%M} UTC"
    match job.state:
        case SyncState.HELD:
            what = f"is held: approve or abort that one. Here nothing was done; {_FORCE}"
        case SyncState.PROCESSING:
            what = f"is being applied: here nothing was done; {_FORCE}"
        case _:
            what = f"was applied: nothing was done again; {_FORCE}"
    return f"the same file was submitted before as sync {job.sync_id}, {asked}, and {what}"


def _reasons(job: Earlier, differences: Sequence[str], action: str) -> Iterator[str]:
    again = "they would be applied again" + (f", as {action}" if action != job.reading.action else "")
    same_file = f"the same file, read in another way ({', '.join(differences)})," if differences else "the same file"
    if job.state is SyncState.HELD:
        yield f"{same_file} is held as sync {job.sync_id}: approve one of the two, and abort the other"
        return
    if job.state is SyncState.PROCESSING:
        yield (
            f"{same_file} is being applied as sync {job.sync_id}, and its rows would be applied again: "
            "wait for its end."
        )
    else:
        back = " (some of them were taken back since)" if job.partly_reverted else ""
        yield (
            f"{same_file} was submitted before as sync {job.sync_id}, which has applied {job.applied:,} of "
            f"{job.total:,} rows{back}: {again}."
        )
    for status, count in (("error", job.in_error), ("aborted", job.aborted)):
        if count:
            yield (
                f"To apply only the {count:,} rows {'in error' if status == 'error' else 'that were aborted'}, abort "
                f"this sync, take them from that one (`onhand sync items {job.sync_id} --status {status} --format csv "
                "> rest.csv`), correct them, and submit that file."
            )
    yield "To apply all rows once more, approve this sync"
