"""One command being carried out: all of it takes effect, or nothing of it."""

from pipeline.commands.book import Book
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.inventory.level import Level, LevelKey, StateDelta
from pipeline.inventory.operations import Operation, apply
from pipeline.inventory.spread import Share, spread, total
from pipeline.inventory.steps import Step, Total
from pipeline.store.commands import Outcome
from pipeline.store.incoming import DocumentKey, Schedule, Transfer
from pipeline.store.levels import Cause, LedgerEntry
from pipeline.store.locations import LocationKey
from schemas.errors import ErrorCode
from schemas.events import MAX_LEVELS_OF_RESULT
from schemas.identifiers import UNASSIGNED
from schemas.states import InventoryState


class Draft:
    """What a command has done so far. Nothing of it is in the book before `commit`."""

    def __init__(self, book: Book, delivery: ReceivedCommand, origin: str | None = None) -> None:
        """`origin` names the channel location whose count the command is."""
        command = delivery.command
        self.book = book
        self.owner: str = command.owner
        self.touched: list[dict[str, object]] = []
        self.change_count = 0
        self._levels: dict[LevelKey, Level] = {}
        self._entries: list[LedgerEntry] = []
        self._schedules: dict[DocumentKey, Schedule] = {}
        self._transfers: dict[DocumentKey, Transfer] = {}
        self._gone: list[LocationKey] = []
        self._cause = _cause(book, delivery, origin)

    def level(self, key: LevelKey) -> Level:
        """A level as the command has left it so far."""
        return self._levels.get(key) or self.book.levels[key]

    def take(self, step: Step | Total) -> None:
        """Do one step.

        Raises:
            Invalid: the catalogue does not allow it, a guard does not hold, or the operation breaks a rule.
        """
        if isinstance(step, Total):
            self._take_total(step)
            return
        self.book.check_place(step.key)
        _check_guards(self.level(step.key), step)
        self.post(step.key, step.operation, step.reason)

    def post(self, key: LevelKey, operation: Operation, reason: str | None = None) -> None:
        """Do an operation on a level that the catalogue is known to allow, or has allowed when it was announced.

        Raises:
            Invalid: the operation breaks a rule.
        """
        before = self.level(key)
        after, lines = apply(before, operation, allow_negative=self.book.places[key].allow_negative)
        if lines:
            self._levels[key] = after
            cause = self._cause if reason is None else self._cause._replace(reason=reason)
            self._entries.append(LedgerEntry(after.level_id, after.version, lines, cause))
            self.change_count += 1
        self._tell(key, after, lines)

    def _tell(self, key: LevelKey, after: Level, lines: list[StateDelta]) -> None:
        if len(self.touched) < MAX_LEVELS_OF_RESULT:
            self.touched.append(_touched(key, after, lines))

    def _take_total(self, step: Total) -> None:
        self.book.check_place(step.key)
        shares = [
            Share(key, self.level(key))
            for key in self.book.by_product[step.key[:3]]
            if key.lot_id == step.key.lot_id and self._takes_part(key, step)
        ]
        found = total(shares, step.operation)
        if step.expected_quantity is not None and step.expected_quantity != found:
            raise _stale(f"{step.key.sku} in {step.key.warehouse_id}: quantity {found}", step.expected_quantity)
        allow_negative = self.book.places[step.key].allow_negative
        shifts = list(spread(shares, step.operation, step.key, allow_negative=allow_negative))
        for key, shift in shifts:
            self.post(key, shift, step.reason)
        if not shifts:
            self._tell(step.key, self.level(step.key), [])

    def _takes_part(self, key: LevelKey, step: Total) -> bool:
        """Whether a level's stock counts: the unassigned bin's always does, a deleted location's never."""
        place = self.book.places[key]
        if not place.location_exists:
            return False
        return key.location_id == UNASSIGNED or step.includes_non_sellable or place.sellable

    def schedule(self, key: DocumentKey) -> Schedule | None:
        """A schedule as the command has left it so far."""
        return self._schedules.get(key) or self.book.schedules.get(key)

    def write_schedule(self, schedule: Schedule) -> None:
        """Note a schedule as it is now."""
        self._schedules[self.owner, schedule.schedule_id] = schedule

    def transfer(self, key: DocumentKey) -> Transfer | None:
        """A transfer as the command has left it so far."""
        return self._transfers.get(key) or self.book.transfers.get(key)

    def write_transfer(self, transfer: Transfer) -> None:
        """Note a transfer as it is now."""
        self._transfers[self.owner, transfer.transfer_id] = transfer

    def inherit(self, *, reason: str | None = None, note: str | None = None, document: str | None = None) -> None:
        """Where the command does not say why, what it is about does."""
        cause = self._cause
        self._cause = cause._replace(
            reason=cause.reason or reason, note=cause.note or note, document=cause.document or document
        )

    def delete_location(self, location: LocationKey) -> None:
        """Note that a location is no more."""
        self._gone.append(location)

    def commit(self) -> None:
        """Let all of it take effect."""
        book = self.book
        book.levels.update(self._levels)
        book.entries.extend(self._entries)
        book.schedules.update(self._schedules)
        book.transfers.update(self._transfers)
        book.gone.update(self._gone)


def carry_out_alone(book: Book, delivery: ReceivedCommand, step: Step) -> Outcome:
    """Carry out a command that is one step: what a draft would do, which has nothing to take back here.

    Most commands are like this one; a draft would take as long as all the rest.

    Raises:
        Invalid: as Draft.take.
    """
    key = step.key
    cause = _cause(book, delivery)
    book.check_place(key)
    before = book.levels[key]
    _check_guards(before, step)
    after, lines = apply(before, step.operation, allow_negative=book.places[key].allow_negative)
    if lines:
        book.levels[key] = after
        if step.reason is not None:
            cause = cause._replace(reason=step.reason)
        book.entries.append(LedgerEntry(after.level_id, after.version, lines, cause))
    return delivery.applied((_touched(key, after, lines),), 1 if lines else 0)


def _cause(book: Book, delivery: ReceivedCommand, origin: str | None = None) -> Cause:
    command = delivery.command
    owner = command.owner
    reason: str | None = getattr(command, "reason", None)
    book.check_reason(owner, reason)
    return Cause(
        owner,
        reason,
        getattr(command, "note", None),
        getattr(command, "document", None),
        command.actor,
        command.account_id if command.account_id != owner else None,
        origin,
        delivery.command_id,
        delivery.source,
    )


def _check_guards(level: Level, step: Step) -> None:
    if step.expected_version is not None and step.expected_version != level.version:
        raise _stale(f"{step.key.sku} in {step.key.location_id}: version {level.version}", step.expected_version)
    if step.expected_quantity is not None:
        found = step.operation.named(level)
        if step.expected_quantity != found:
            raise _stale(f"{step.key.sku} in {step.key.location_id}: quantity {found}", step.expected_quantity)


def _stale(found: str, wanted: int) -> Invalid:
    return Invalid(ErrorCode.STALE_QUANTITY, f"{found}, expected {wanted}")


def _touched(key: LevelKey, after: Level, lines: list[StateDelta]) -> dict[str, object]:
    """The step's part of the result, in the form of LevelTouched."""
    deltas: dict[str, int] = {}
    on_hand = 0
    for state, delta, _ in lines:
        deltas[state] = delta
        if state is not InventoryState.INCOMING:
            on_hand += delta
    if on_hand:
        deltas["on_hand"] = on_hand
    return {
        "warehouse_id": key.warehouse_id,
        "sku": key.sku,
        "location_id": key.location_id,
        "lot_id": key.lot_id or None,
        "version": after.version,
        "on_hand": after.on_hand,
        "available": after.available,
        "deltas": deltas,
    }
