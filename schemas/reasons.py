"""Why stock changes: the reasons that every account has. An account adds its own with `reason.upsert`.

The first seventeen are Shopify's reasons for inventory changes, by the same names and meanings.
"""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A reason that is always there; `meaning` says what it is for."""

    meaning: str

    def __new__(cls, code: str, meaning: str = "") -> "Reason":
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    CORRECTION = ("correction", "An error is put right, or a general adjustment.")
    CYCLE_COUNT_AVAILABLE = ("cycle_count_available", "A count found another quantity than was recorded.")
    DAMAGED = ("damaged", "Units are damaged.")
    MOVEMENT_CREATED = ("movement_created", "A transfer or purchase order was created, or left.")
    MOVEMENT_UPDATED = ("movement_updated", "A transfer or purchase order was changed.")
    MOVEMENT_RECEIVED = ("movement_received", "A transfer or purchase order arrived.")
    MOVEMENT_CANCELED = ("movement_canceled", "A transfer or purchase order was cancelled.")
    OTHER = ("other", "None of these; a note can say what.")
    PROMOTION = ("promotion", "Units were given away.")
    QUALITY_CONTROL = ("quality_control", "Units are being inspected.")
    RECEIVED = ("received", "Units were received.")
    RESERVATION_CREATED = ("reservation_created", "Units were set aside.")
    RESERVATION_DELETED = ("reservation_deleted", "Units are no longer set aside.")
    RESERVATION_UPDATED = ("reservation_updated", "Another number of units is set aside.")
    RESTOCK = ("restock", "A returned unit can be sold again.")
    SAFETY_STOCK = ("safety_stock", "Units are held back against overselling.")
    SHRINKAGE = ("shrinkage", "Units are missing: theft or loss.")
    # onhand's own: what the seventeen have no word for.
    SHIPPED = ("shipped", "Units left with an order.")


BUILT_IN: Final = frozenset(str(reason) for reason in Reason)
"""Their codes."""
