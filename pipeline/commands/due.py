"""Schedules whose time has come: what was incoming becomes available."""

from datetime import datetime
from typing import Final

from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from pipeline.store.incoming import DocumentKey, due_schedules
from schemas.cloudevents import SOURCE
from schemas.commands.base import RESERVED_IDS
from schemas.commands.stock import ApplySchedule

_AT_ONCE: Final = 500


def apply_due(database: Database, now: datetime) -> int:
    """Apply up to 500 of the schedules that are due at `now`; how many of them are no longer due, 0 when none was.

    Each becomes a command whose id follows from the schedule's: of two schedulers that find it, one applies it, and the
    other finds it applied. One that cannot be applied, because a level is full, stays due.

    Raises:
        TryLater: another scheduler was faster, or the server is away; nothing was written.
    """
    due = _due(database, now)
    if due:
        apply_commands([_order(account_id, schedule_id) for account_id, schedule_id in due], database)
    return len(set(due) - set(_due(database, now))) if due else 0


def _due(database: Database, now: datetime) -> list[DocumentKey]:
    with database.transaction() as connection:
        return due_schedules(connection, now, _AT_ONCE)


def _order(account_id: str, schedule_id: str) -> ReceivedCommand:
    command = ApplySchedule.model_validate({"account_id": account_id, "schedule_id": schedule_id})
    return ReceivedCommand(f"{RESERVED_IDS}due:{schedule_id}", command, SOURCE)
