"""The states that stock can be in, and the states that work can be in."""

from enum import StrEnum
from typing import Final


class InventoryState(StrEnum):
    """Where a unit stands. `on_hand` is the sum of all but INCOMING, which has not arrived yet."""

    AVAILABLE = "available"
    COMMITTED = "committed"
    RESERVED = "reserved"
    DAMAGED = "damaged"
    SAFETY_STOCK = "safety_stock"
    QUALITY_CONTROL = "quality_control"
    INCOMING = "incoming"


MOVABLE = frozenset({
    InventoryState.AVAILABLE, InventoryState.RESERVED, InventoryState.DAMAGED, InventoryState.SAFETY_STOCK,
    InventoryState.QUALITY_CONTROL,
})  # fmt: skip
"""The states that a person may adjust, and move units between (Shopify's five)."""


class ScheduleState(StrEnum):
    """A scheduled change's life: PENDING → APPLIED or CANCELLED. One that is pending after its time is overdue."""

    PENDING = "pending"
    APPLIED = "applied"
    CANCELLED = "cancelled"


class Slotting(StrEnum):
    """STATIC: stock per warehouse. DYNAMIC: stock per bin."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class ResultStatus(StrEnum):
    """What became of a command. DUPLICATE repeats the first delivery's outcome; nothing was done again."""

    APPLIED = "applied"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


class SyncState(StrEnum):
    """A sync's life; SYNC_TRANSITIONS has every step, and the database refuses all others."""

    PENDING = "pending"
    """Asked for."""
    PLANNING = "planning"
    """Its file is read, cut and checked. Nothing has been applied."""
    HELD = "held"
    """It was stopped before a row was applied, and `held_reason` says why: a person approves or aborts it."""
    PROCESSING = "processing"
    """Its rows are applied, chunk by chunk."""
    SUCCESS = "success"
    PARTIAL = "partial"
    """Some rows were applied, others are in error."""
    ERROR = "error"
    """The file is wrong, or no row could be applied."""
    ABORTED = "aborted"
    """It was told to stop, or stopped itself after too many errors. What was applied stays."""
    DUPLICATE = "duplicate"
    """It repeats the sync that `duplicate_of` names: no row was applied."""


SYNC_TRANSITIONS: Final = {
    SyncState.PENDING: {SyncState.PLANNING, SyncState.ERROR, SyncState.ABORTED},
    SyncState.PLANNING: {
        SyncState.HELD, SyncState.PROCESSING, SyncState.SUCCESS, SyncState.ERROR, SyncState.ABORTED,
        SyncState.DUPLICATE,
    },
    SyncState.HELD: {SyncState.PROCESSING, SyncState.ABORTED},
    SyncState.PROCESSING: {SyncState.SUCCESS, SyncState.PARTIAL, SyncState.ERROR, SyncState.ABORTED},
    SyncState.ERROR: {SyncState.PLANNING},  # only where none of its rows was counted: the file can be tried again
    SyncState.SUCCESS: set(),
    SyncState.PARTIAL: set(),
    SyncState.ABORTED: set(),
    SyncState.DUPLICATE: set(),
}  # fmt: skip
"""Which states may follow a state. The trigger `sync_jobs_transition` holds the same rules; a test compares the two."""


class ItemStatus(StrEnum):
    """The fate of one data row."""

    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"
    """Left out as the request wanted it: another row took its place, or the level has changed since."""
    ABORTED = "aborted"


class FailurePolicy(StrEnum):
    """What a sync does when rows are in error."""

    APPLY_GOOD_ROWS = "apply_good_rows"
    ALL_OR_NOTHING = "all_or_nothing"
    STOP_AFTER_ERRORS = "stop_after_errors"


class Duplicates(StrEnum):
    """What becomes of several rows of a file about one SKU and location."""

    ERROR = "error"
    """Each of them is in error."""
    LAST = "last"
    """The last one is applied, those before it are skipped."""
    SUM = "sum"
    """One change with the sum of their quantities; their actions must agree."""


class Idempotency(StrEnum):
    """When a file that adds, removes or moves units is a repeat of one with the same content."""

    DELIVERY = "delivery"
    """Within some hours; on another day it is a new delivery."""
    CONTENT = "content"
    """Whenever it comes."""


class SnapshotState(StrEnum):
    """A snapshot's life: PENDING → PROCESSING → one of the three ends."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    ERROR = "error"
    ABORTED = "aborted"
