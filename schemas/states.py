"""The states that stock can be in, and the states that work can be in."""

from enum import StrEnum


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
    """A sync's life: PENDING → PLANNING → PROCESSING → one of four ends; ABORTED can follow each of the first three."""

    PENDING = "pending"
    PLANNING = "planning"
    PROCESSING = "processing"
    SUCCESS = "success"
    PARTIAL = "partial"
    ERROR = "error"
    ABORTED = "aborted"


class ItemStatus(StrEnum):
    """The fate of one data row."""

    SUCCESS = "success"
    ERROR = "error"
    ABORTED = "aborted"


class SnapshotState(StrEnum):
    """A snapshot's life: PENDING → PROCESSING → one of the three ends."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    ERROR = "error"
    ABORTED = "aborted"
