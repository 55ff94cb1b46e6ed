"""How the count of a whole warehouse is spread over the levels of a SKU."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.inventory.level import Level, LevelKey
from pipeline.inventory.operations import SetTo, Shift
from pipeline.inventory.shortage import Shortage
from pipeline.inventory.steps import AVAILABLE


class Share(NamedTuple):
    """A level that takes part in a count."""

    key: LevelKey
    level: Level


def total(shares: Sequence[Share], operation: SetTo) -> int:
    """What the levels hold together of what is set, in units."""
    return sum(operation.named(share.level) for share in shares)


def spread(
    shares: Sequence[Share], operation: SetTo, unassigned: LevelKey, *, allow_negative: bool
) -> Iterator[tuple[LevelKey, Shift]]:
    """The shifts that bring the levels to the counted total.

    More goes to the unassigned bin. Less is taken from what is available there, then from the other locations in the
    order of their ids; what is short is taken from the unassigned bin where stock may be negative.

    Args:
        shares: each level that takes part; the one of the unassigned bin may be missing.

    Raises:
        Shortage: less is available than has to go.
    """
    difference = operation.quantity - total(shares, operation)
    if difference > 0:
        yield unassigned, Shift(difference, None, AVAILABLE)
        return
    short = -difference
    taken = {unassigned: 0}
    for share in sorted(shares, key=lambda s: (s.key != unassigned, s.key.location_id, s.key.lot_id)):
        taken[share.key] = min(short, max(share.level.available, 0))
        short -= taken[share.key]
    if short and not allow_negative:
        where = f"{unassigned.sku} in {unassigned.warehouse_id}"
        raise Shortage([share.level for share in shares], operation.quantity, counted=True, where=where)
    taken[unassigned] += short  # in one step with what was there: one count changes a level once
    for key, quantity in taken.items():
        if quantity:
            yield key, Shift(quantity, AVAILABLE, None)
