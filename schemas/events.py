"""Facts that onhand publishes about stock and about the commands it was given."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schemas.errors import ErrorCode
from schemas.states import InventoryState, ResultStatus
from schemas.uploads import SkipReason


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

    What caused it is either `command_id` of `command_source`, or `sync_id` with `sync_row`. `provider_account_id`: who
    acted for the account. `document` is the number of the order, purchase order… that caused it; `origin` the channel
    location that counted.
    """

    account_id: str
    warehouse_id: str
    sku: str
    location_id: str
    lot_id: str | None
    version: int
    changes: tuple[StateChange, ...]
    reason: str | None
    note: str | None
    document: str | None
    actor: str | None
    provider_account_id: str | None
    origin: str | None
    command_id: str | None
    command_source: str | None
    sync_id: UUID | None
    sync_row: int | None
    recorded_at: datetime


class LevelTouched(Fact):
    """A level as one step of a command left it. `deltas` has each state that changed, and on_hand, in units."""

    warehouse_id: str
    sku: str
    location_id: str
    lot_id: str | None = None
    version: int
    on_hand: int
    available: int
    deltas: dict[str, int]


MAX_LEVELS_OF_RESULT: Final = 500
"""A result has to fit into a message. The change events tell of every level."""


class CommandResult(Fact):
    """What became of one command. `account_id`, `source` and `command_id` together say which it is.

    DUPLICATE carries `first`, the outcome of the delivery that counted. A message that breaks its contract is REJECTED
    with what is wrong with it, and its id stays free: the corrected message is carried out under the same id.

    `levels` has a line for each step, in order, up to 500; `change_count` says how many steps changed something.
    """

    account_id: str
    customer_account_id: str | None = None
    command_id: str
    source: str
    type: str
    status: ResultStatus
    first: ResultStatus | None = None
    code: ErrorCode | None = None
    message: str | None = None
    change_count: int = 0
    levels: tuple[LevelTouched, ...] = ()


class ChannelUpdate(Fact):
    """What a linked channel location should show of a SKU after a change: `available`, in units.

    It is the sum over the warehouse's sellable locations when the message was published. `change_id` is the id of the
    change event that caused it.
    """

    account_id: str
    channel: str
    external_location_id: str
    warehouse_id: str
    sku: str
    available: int
    change_id: str


class ChannelCountsRequested(Fact):
    """The master stock location was linked: its channel should send `channel.counts` with all it has."""

    account_id: str
    channel: str
    external_location_id: str
    warehouse_id: str


class UploadSkipped(Fact):
    """An object in the uploads bucket started no sync.

    `account_id`: where its key names one. `etag`: where the store was asked. It is told once for each content; an
    object that is announced again is only counted.
    """

    account_id: str | None
    bucket: str
    key: str
    etag: str | None
    reason: SkipReason
    detail: str
    """A sentence for a person: what was found, and what is expected."""
    skipped_at: datetime
