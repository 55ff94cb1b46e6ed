"""Schedules and transfers: stock that is on its way to a level, and what becomes of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from pipeline.commands.draft import Draft
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.inventory.level import LevelKey
from pipeline.inventory.operations import Shift
from pipeline.inventory.steps import AVAILABLE, Step, level_key
from pipeline.store import incoming as store
from pipeline.store.incoming import DocumentKey, Schedule, Transfer, TransferLine
from schemas.commands.base import Command
from schemas.commands.stock import (
    ApplySchedule,
    CancelSchedule,
    Guards,
    ScheduleInventory,
    ScheduleInventoryLines,
    ScheduleLine,
)
from schemas.commands.workflows import TransferReceived, TransferShipped
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.reasons import Reason
from schemas.states import InventoryState, ScheduleState

INCOMING = InventoryState.INCOMING

_ScheduleCommand = ScheduleInventory | ScheduleInventoryLines
_EndOfSchedule = CancelSchedule | ApplySchedule
IncomingCommand = _ScheduleCommand | _EndOfSchedule | TransferShipped | TransferReceived


@dataclass
class Documents:
    """The schedules and transfers that a batch is about, as they are held."""

    schedules: dict[DocumentKey, Schedule] = field(default_factory=dict)
    transfers: dict[DocumentKey, Transfer] = field(default_factory=dict)
    targets: dict[DocumentKey, set[str]] = field(default_factory=dict)
    """The warehouses that transfers go to, by id: one each, but for commands of the batch that announce an id twice."""

    def keys(self, delivery: ReceivedCommand) -> set[LevelKey]:
        """Every level that a command can touch, whatever the commands before it do, but for `held_keys`."""
        command = delivery.command
        match command:
            case ScheduleInventory() | ScheduleInventoryLines():
                return {schedule.key for schedule in scheduled(delivery)}
            case CancelSchedule() | ApplySchedule():
                return set()  # held, or of a command of the batch
            case TransferShipped():
                transfer = shipped(command)
                return {*_sources(command), *map(transfer.expected, transfer.lines)}
            case TransferReceived():
                return {
                    LevelKey(command.owner, warehouse_id, line.sku, line.location_id, line.lot_id or "")
                    for warehouse_id in self.targets.get((command.owner, command.transfer_id), ())
                    for line in command.lines or ()
                    if line.location_id
                }
        raise AssertionError(command)

    def held_keys(self) -> set[LevelKey]:
        """The levels of what is held."""
        transfers = (map(transfer.expected, transfer.lines) for transfer in self.transfers.values())
        return {schedule.key for schedule in self.schedules.values()}.union(*transfers)


def hold_documents(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> Documents:
    """Lock the documents of a batch; the first thing that its transaction locks."""
    documents = Documents()
    schedules: set[DocumentKey] = set()
    transfers: set[DocumentKey] = set()
    for delivery in received:
        command = delivery.command
        match command:
            case ScheduleInventory() | ScheduleInventoryLines():
                schedules.update((command.owner, schedule.schedule_id) for schedule in scheduled(delivery))
            case CancelSchedule() | ApplySchedule():
                schedules.add((command.owner, command.schedule_id))
            case TransferShipped():
                transfers.add((command.owner, command.transfer_id))
                documents.targets.setdefault((command.owner, command.transfer_id), set()).add(command.to_warehouse_id)
            case TransferReceived():
                transfers.add((command.owner, command.transfer_id))
    if schedules:
        documents.schedules = store.lock_schedules(connection, sorted(schedules))
    if transfers:
        documents.transfers = store.lock_transfers(connection, sorted(transfers))
        for key, transfer in documents.transfers.items():
            documents.targets.setdefault(key, set()).add(transfer.to_warehouse_id)
    return documents


def write_documents(connection: psycopg.Connection, documents: Documents, now: Documents) -> None:
    """Write what `now` holds otherwise than `documents`, as which it was held."""
    changed = {key: s for key, s in now.schedules.items() if s is not documents.schedules.get(key)}
    if changed:
        store.insert_schedules(connection, [s for key, s in changed.items() if key not in documents.schedules])
        ended = [s for s in changed.values() if s.status is not ScheduleState.PENDING]
        store.end_schedules(connection, ended)
    transfers = [t for key, t in now.transfers.items() if t is not documents.transfers.get(key)]
    if transfers:
        store.write_transfers(connection, transfers, set(documents.transfers))


def scheduled(delivery: ReceivedCommand) -> list[Schedule]:
    """The schedules that a command asks for."""
    command = delivery.command
    assert isinstance(command, ScheduleInventory | ScheduleInventoryLines)  # noqa: S101 - the callers match it
    why = (command.reason, command.note, command.document)
    # Ids of commands are unique for the sender, those of schedules for the owner.
    own = command.owner == command.account_id
    name = delivery.command_id if own else f"{command.account_id}:{delivery.command_id}"
    lines: Iterable[tuple[str, ScheduleLine]]
    if isinstance(command, ScheduleInventory):
        lines = [(name, command)]
    else:
        lines = ((f"{name}:{n}", line) for n, line in enumerate(command.lines, 1))
    return [
        Schedule(line.schedule_id or default, level_key(command.owner, line), line.quantity, line.due_at,
                 ScheduleState.PENDING, *why)
        for default, line in lines
    ]  # fmt: skip


def shipped(command: TransferShipped) -> Transfer:
    """The transfer that a command announces, with nothing received."""
    lines = (
        TransferLine(n, line.sku, line.lot_id or "", line.to_location_id or UNASSIGNED, line.quantity)
        for n, line in enumerate(command.lines, 1)
    )
    return Transfer(
        command.owner, command.transfer_id, command.from_warehouse_id, command.to_warehouse_id, command.document,
        tuple(lines),
    )  # fmt: skip


def _sources(command: TransferShipped) -> list[LevelKey]:
    return [
        LevelKey(command.owner, command.from_warehouse_id, line.sku, line.from_location_id or UNASSIGNED,
                 line.lot_id or "")
        for line in command.lines
    ]  # fmt: skip


def _arrival(transfer: Transfer, sku: str, lot_id: str | None, location_id: str | None) -> LevelKey:
    return LevelKey(transfer.account_id, transfer.to_warehouse_id, sku, location_id or UNASSIGNED, lot_id or "")


# What the commands do -------------------------------------------------------------------------------------------------


def act(draft: Draft, delivery: ReceivedCommand) -> None:
    """Carry out a command about schedules or transfers.

    Raises:
        Invalid: SCHEDULE_EXISTS, UNKNOWN_SCHEDULE, SCHEDULE_CLOSED, TRANSFER_EXISTS, UNKNOWN_TRANSFER, TRANSFER_CLOSED,
            TRANSFER_EXCEEDED, SAME_LOCATION, and what Draft raises.
    """
    command = delivery.command
    match command:
        case ScheduleInventory() | ScheduleInventoryLines():
            _schedule(draft, delivery)
        case CancelSchedule():
            _end_schedule(draft, command, ScheduleState.CANCELLED, None)
        case ApplySchedule():
            _end_schedule(draft, command, ScheduleState.APPLIED, AVAILABLE)
        case TransferShipped():
            _ship(draft, command)
        case TransferReceived():
            _receive(draft, command)
        case _:
            raise AssertionError(command)


def is_incoming(command: Command) -> bool:
    """Whether `act` carries the command out."""
    return isinstance(command, IncomingCommand)


def _schedule(draft: Draft, delivery: ReceivedCommand) -> None:
    command = delivery.command
    lines: Sequence[Guards] = [command] if isinstance(command, ScheduleInventory) else command.lines  # type: ignore[attr-defined]
    for schedule, guards in zip(scheduled(delivery), lines, strict=True):
        if draft.schedule((draft.owner, schedule.schedule_id)):
            raise Invalid(ErrorCode.SCHEDULE_EXISTS, schedule.schedule_id)
        seen = (guards.expected_quantity, guards.expected_version)
        draft.take(Step(schedule.key, Shift(schedule.quantity, None, INCOMING), None, *seen))
        draft.write_schedule(schedule)


def _end_schedule(draft: Draft, command: _EndOfSchedule, status: ScheduleState, target: InventoryState | None) -> None:
    schedule = draft.schedule((draft.owner, command.schedule_id))
    if schedule is None:
        raise Invalid(ErrorCode.UNKNOWN_SCHEDULE, command.schedule_id)
    if schedule.status is not ScheduleState.PENDING:
        raise Invalid(ErrorCode.SCHEDULE_CLOSED, f"{command.schedule_id} is {schedule.status}")
    draft.inherit(reason=schedule.reason, note=schedule.note, document=schedule.document)
    # The level was allowed when the stock was announced; that it may not be announced any more must not lose it.
    draft.post(schedule.key, Shift(schedule.quantity, INCOMING, target))
    draft.write_schedule(schedule._replace(status=status))


def _ship(draft: Draft, command: TransferShipped) -> None:
    transfer = shipped(command)
    if draft.transfer((draft.owner, command.transfer_id)):
        raise Invalid(ErrorCode.TRANSFER_EXISTS, command.transfer_id)
    for source, line in zip(_sources(command), transfer.lines, strict=True):
        target = transfer.expected(line)
        if source == target:
            raise Invalid(ErrorCode.SAME_LOCATION, source.location_id)
        draft.take(Step(source, Shift(line.quantity, AVAILABLE, None), Reason.MOVEMENT_CREATED))
        draft.take(Step(target, Shift(line.quantity, None, INCOMING), Reason.MOVEMENT_CREATED))
    draft.write_transfer(transfer)


def _receive(draft: Draft, command: TransferReceived) -> None:
    transfer = draft.transfer((draft.owner, command.transfer_id))
    if transfer is None:
        raise Invalid(ErrorCode.UNKNOWN_TRANSFER, command.transfer_id)
    if not any(line.open for line in transfer.lines):
        raise Invalid(ErrorCode.TRANSFER_CLOSED, command.transfer_id)
    draft.inherit(document=transfer.document)
    lines = {line.line: line for line in transfer.lines}
    for line, quantity, arrival in _arrivals(transfer, command, lines):
        _arrive(draft, transfer.expected(line), arrival, quantity)
        lines[line.line] = line._replace(received=line.received + quantity)
    if command.complete:
        for line in lines.values():
            if line.open:
                draft.post(transfer.expected(line), Shift(line.open, INCOMING, None), Reason.SHRINKAGE)
                lines[line.line] = line._replace(lost=line.lost + line.open)
    draft.write_transfer(transfer._replace(lines=tuple(lines.values())))


def _arrivals(
    transfer: Transfer, command: TransferReceived, lines: dict[int, TransferLine]
) -> Iterator[tuple[TransferLine, int, LevelKey]]:
    """Which line, how many units of it, and where they were put. `lines` is kept up to date by the caller."""
    if command.lines is None:
        yield from ((line, line.open, transfer.expected(line)) for line in transfer.lines if line.open)
        return
    for arrived in command.lines:
        left = arrived.quantity
        for number in sorted(lines):
            line = lines[number]
            taken = min(left, line.open) if (line.sku, line.lot_id) == (arrived.sku, arrived.lot_id or "") else 0
            if taken:
                place = arrived.location_id or line.location_id
                yield line, taken, _arrival(transfer, line.sku, line.lot_id, place)
                left -= taken
        if left:
            raise Invalid(ErrorCode.TRANSFER_EXCEEDED, f"{left} of {arrived.sku} more than are on their way")


def _arrive(draft: Draft, expected: LevelKey, arrival: LevelKey, quantity: int) -> None:
    if arrival == expected:
        draft.post(expected, Shift(quantity, INCOMING, AVAILABLE), Reason.MOVEMENT_RECEIVED)
    else:
        draft.post(expected, Shift(quantity, INCOMING, None), Reason.MOVEMENT_RECEIVED)
        draft.take(Step(arrival, Shift(quantity, None, AVAILABLE), Reason.MOVEMENT_RECEIVED))
