"""Facts that onhand publishes about stock and about the commands it was given."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schemas.errors import ErrorCode
from schemas.states import InventoryState, ResultStatus


class Fact(BaseModel):
    """What every published document has in common. Readers ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StateChange(Fact):
    """One state of a level before and after a change, in units; `delta` is after - before."""

    state: InventoryState
    before: int
    after: int
    delta: int


class LevelChanged(Fact):
    """One change of one level. Versions of a level count 1, 2, 3… without a gap: drop what you have seen, miss nothing.

    The source is either `command_id`, or `sync_id` with `sync_row`.
    """

    account_id: str
    warehouse_id: str
    sku: str
    location_id: str
    version: int
    changes: tuple[StateChange, ...]
    reason: str | None
    actor: str | None
    command_id: str | None
    sync_id: UUID | None
    sync_row: int | None
    recorded_at: datetime


class LevelTouched(Fact):
    """A level as a command left it. `delta` is the change of on_hand, in units."""

    warehouse_id: str
    sku: str
    location_id: str
    version: int
    on_hand: int
    available: int
    delta: int


class CommandResult(Fact):
    """What became of one command. DUPLICATE carries `first`, the outcome of the delivery that counted."""

    account_id: str
    command_id: str
    type: str
    status: ResultStatus
    first: ResultStatus | None = None
    code: ErrorCode | None = None
    message: str | None = None
    levels: tuple[LevelTouched, ...] = ()
