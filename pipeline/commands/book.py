"""The books of a batch: what its transaction holds, as it is after each of its commands."""

from dataclasses import dataclass, field

from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.inventory.level import Level, LevelKey
from pipeline.inventory.shortage import Shortage
from pipeline.store.allocations import Held
from pipeline.store.channels import ChannelLink, ChannelLocation
from pipeline.store.incoming import DocumentKey, Schedule, Transfer
from pipeline.store.levels import LedgerEntry, Place
from pipeline.store.locations import LocationKey
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.reasons import BUILT_IN
from schemas.states import Slotting


@dataclass
class Book:
    """Levels, and what their rules depend on. All levels in it are locked."""

    places: dict[LevelKey, Place] = field(default_factory=dict)
    levels: dict[LevelKey, Level] = field(default_factory=dict)
    refusals: dict[LevelKey, Invalid] = field(default_factory=dict)
    """Why the catalogue does not allow stock there, for each such key."""
    schedules: dict[DocumentKey, Schedule] = field(default_factory=dict)
    transfers: dict[DocumentKey, Transfer] = field(default_factory=dict)
    allocations: Held = field(default_factory=dict)
    """What the orders of the batch have open, on the levels that the batch names and some others."""
    short: list[tuple[ReceivedCommand, Shortage]] = field(default_factory=list)
    """The commands that were rejected for want of stock, which may be committed to documents."""
    reasons: set[tuple[str, str]] = field(default_factory=set)
    """The reasons, by account and code, that accounts have registered, of those that the batch names."""
    locations: set[LocationKey] = field(default_factory=set)
    """Those that exist, of the locations that the batch is to delete and the unassigned bins beside them."""
    channels: dict[ChannelLocation, ChannelLink] = field(default_factory=dict)
    by_product: dict[tuple[str, str, str], set[LevelKey]] = field(default_factory=dict)
    """All levels of a SKU in a warehouse, where the batch counts the whole warehouse."""
    by_location: dict[LocationKey, set[LevelKey]] = field(default_factory=dict)
    """All levels in a location, where the batch is to delete it."""
    gone: set[LocationKey] = field(default_factory=set)
    """The locations that the batch has deleted."""
    entries: list[LedgerEntry] = field(default_factory=list)

    def check_reason(self, account_id: str, reason: str | None) -> None:
        """Raises Invalid UNKNOWN_REASON where the account does not have the reason."""
        if reason is not None and reason not in BUILT_IN and (account_id, reason) not in self.reasons:
            raise Invalid(ErrorCode.UNKNOWN_REASON, reason)

    def check_place(self, key: LevelKey) -> None:
        """Raises Invalid with the code of what the catalogue has against stock there."""
        if refusal := self.refusals.get(key):
            raise refusal
        if self.gone and LocationKey(key.account_id, key.warehouse_id, key.location_id) in self.gone:
            raise Invalid(ErrorCode.UNKNOWN_LOCATION, key.location_id)


def refusal(key: LevelKey, place: Place) -> Invalid | None:  # noqa: PLR0911 - one line for each rule
    """What the catalogue has against stock in a level."""
    if place.slotting is None:
        return Invalid(ErrorCode.UNKNOWN_WAREHOUSE, key.warehouse_id)
    if not place.product_exists:
        return Invalid(ErrorCode.UNKNOWN_SKU, key.sku)
    if not place.product_in_warehouse:
        return Invalid(ErrorCode.SKU_NOT_IN_WAREHOUSE, f"{key.sku} in {key.warehouse_id}")
    if place.slotting == Slotting.STATIC and key.location_id != UNASSIGNED:
        return Invalid(ErrorCode.LOCATION_NOT_ALLOWED, key.location_id)
    if not place.location_exists:
        return Invalid(ErrorCode.UNKNOWN_LOCATION, key.location_id)
    if place.lot_tracked and not key.lot_id:
        return Invalid(ErrorCode.LOT_REQUIRED, key.sku)
    if key.lot_id and not place.lot_tracked:
        return Invalid(ErrorCode.LOT_NOT_ALLOWED, f"{key.sku}, lot {key.lot_id}")
    if key.lot_id and not place.lot_exists:
        return Invalid(ErrorCode.UNKNOWN_LOT, f"{key.sku}, lot {key.lot_id}")
    return None
