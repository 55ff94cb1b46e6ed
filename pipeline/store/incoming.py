"""Reads and writes what is on its way: schedules and transfers."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import psycopg

from pipeline.inventory.level import LevelKey
from pipeline.store.statements import statements
from schemas.states import ScheduleState

_SQL = statements("incoming")

DocumentKey = tuple[str, str]
"""Account, and id of a schedule or transfer."""


class Schedule(NamedTuple):
    """`quantity` units are expected in a level at `due_at`."""

    schedule_id: str
    key: LevelKey
    quantity: int
    due_at: datetime
    status: ScheduleState
    reason: str | None
    note: str | None
    document: str | None


class TransferLine(NamedTuple):
    """Units of a transfer, and what became of them. `location_id` is where they are expected."""

    line: int
    sku: str
    lot_id: str
    location_id: str
    quantity: int
    received: int = 0
    lost: int = 0

    @property
    def open(self) -> int:
        """The units that are still on their way."""
        return self.quantity - self.received - self.lost


class Transfer(NamedTuple):
    """Goods on their way from one warehouse to another."""

    account_id: str
    transfer_id: str
    from_warehouse_id: str
    to_warehouse_id: str
    document: str | None
    lines: tuple[TransferLine, ...]

    def expected(self, line: TransferLine) -> LevelKey:
        """The level in which a line is incoming."""
        return LevelKey(self.account_id, self.to_warehouse_id, line.sku, line.location_id, line.lot_id)


def lock_schedules(connection: psycopg.Connection, keys: Iterable[DocumentKey]) -> dict[DocumentKey, Schedule]:
    """Those of the schedules that exist, held until the transaction ends."""
    asked = list(keys)
    parameters = {"account_ids": [a for a, _ in asked], "schedule_ids": [i for _, i in asked]}
    rows = connection.execute(_SQL["lock_schedules"], parameters).fetchall()
    return {
        (account_id, schedule_id): Schedule(
            schedule_id, LevelKey(account_id, *place), quantity, due_at, ScheduleState(status), *why
        )
        for account_id, schedule_id, *place, quantity, due_at, status, reason, note, document in rows
        for why in [(reason, note, document)]
    }


def insert_schedules(connection: psycopg.Connection, schedules: Iterable[Schedule]) -> None:
    """Write new schedules.

    Raises:
        psycopg.errors.UniqueViolation: another transaction wrote one of the ids meanwhile.
    """
    rows = [
        (s.key.account_id, s.schedule_id, *s.key[1:], s.quantity, s.due_at, s.status, s.reason, s.note, s.document)
        for s in schedules
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["insert_schedule"], rows)


def end_schedules(connection: psycopg.Connection, schedules: Iterable[Schedule]) -> None:
    """Write the status of schedules that this transaction holds."""
    rows = [{"account_id": s.key.account_id, "schedule_id": s.schedule_id, "status": s.status} for s in schedules]
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["end_schedule"], rows)


def due_schedules(connection: psycopg.Connection, now: datetime, limit: int) -> list[DocumentKey]:
    """The pending schedules whose time has come, the oldest first; not held."""
    return connection.execute(_SQL["due_schedules"], {"now": now, "limit": limit}).fetchall()


def lock_transfers(connection: psycopg.Connection, keys: Iterable[DocumentKey]) -> dict[DocumentKey, Transfer]:
    """Those of the transfers that exist, held until the transaction ends."""
    asked = list(keys)
    parameters = {"account_ids": [a for a, _ in asked], "transfer_ids": [i for _, i in asked]}
    heads = connection.execute(_SQL["lock_transfers"], parameters).fetchall()
    lines: dict[DocumentKey, list[TransferLine]] = {(a, i): [] for a, i, *_ in heads}
    for account_id, transfer_id, *line in connection.execute(_SQL["transfer_lines"], parameters):
        lines[account_id, transfer_id].append(TransferLine._make(line))
    return {
        (account_id, transfer_id): Transfer(
            account_id, transfer_id, source, target, document, tuple(lines[account_id, transfer_id])
        )
        for account_id, transfer_id, source, target, document in heads
    }


def write_transfers(connection: psycopg.Connection, transfers: Iterable[Transfer], known: set[DocumentKey]) -> None:
    """Write transfers as they are now: new ones, and those in `known`, which this transaction holds.

    Raises:
        psycopg.errors.UniqueViolation: another transaction wrote one of the new ids meanwhile.
    """
    with connection.cursor() as cursor:
        for transfer in transfers:
            key = (transfer.account_id, transfer.transfer_id)
            if key in known:
                cursor.execute(_SQL["touch_transfer"], key)
            else:
                cursor.execute(_SQL["insert_transfer"], transfer[:5])
            cursor.executemany(_SQL["write_transfer_line"], [(*key, *line) for line in transfer.lines])
