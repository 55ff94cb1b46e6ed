"""A channel's location says what it can sell: its warehouse follows."""

from collections.abc import Container, Mapping, Sequence
from typing import Final

import psycopg

from pipeline.commands.draft import Draft
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid, TryLater
from pipeline.inventory.level import LevelKey
from pipeline.inventory.operations import SetTo
from pipeline.inventory.steps import Total
from pipeline.store.channels import ChannelLink, ChannelLocation, create_products, linked_locations
from pipeline.store.warehouse_locks import WarehouseKey
from schemas.commands.channels import ChannelCounts
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.states import InventoryState

_LEFT_OUT = {ErrorCode.UNKNOWN_SKU, ErrorCode.SKU_NOT_IN_WAREHOUSE, ErrorCode.LOT_REQUIRED}
"""A count that cannot be taken for one of these is left out; the others are taken."""
_NAMED: Final = 50


def channel_key(command: ChannelCounts) -> ChannelLocation:
    """The location that counted."""
    return ChannelLocation(command.owner, command.channel, command.external_location_id)


def origin(command: ChannelCounts) -> str:
    """How the change log names the location that counted; no channel id holds a slash."""
    return f"{command.channel}/{command.external_location_id}"


def linked_now(
    connection: psycopg.Connection, received: Sequence[ReceivedCommand]
) -> dict[ChannelLocation, ChannelLink]:
    """The linked ones of the locations that counted."""
    counted = {channel_key(d.command) for d in received if isinstance(d.command, ChannelCounts)}
    return linked_locations(connection, counted) if counted else {}


def meet_channels(
    connection: psycopg.Connection, received: Sequence[ReceivedCommand], held: Container[WarehouseKey]
) -> dict[ChannelLocation, ChannelLink]:
    """The linked ones of the locations that counted. Products that are new in a master location are created.

    Raises:
        TryLater: a location was linked to another warehouse than those that are held, just now.
    """
    channels = linked_now(connection, received)
    for location, link in channels.items():
        if (location.account_id, link.warehouse_id) not in held:
            raise TryLater(f"{location.channel} {location.external_location_id} was linked to {link.warehouse_id}")
    commands = (d.command for d in received if isinstance(d.command, ChannelCounts))
    new = {
        (command.owner, count.sku): count.name
        for command in commands
        if (linked := channels.get(channel_key(command))) and linked.master
        for count in command.counts
    }
    if new:
        create_products(connection, [(*key, name) for key, name in new.items()])
    return channels


def keys(command: ChannelCounts, channels: Mapping[ChannelLocation, ChannelLink]) -> list[LevelKey]:
    """The level in the unassigned bin of each SKU that is counted."""
    link = channels.get(channel_key(command))
    if link is None:
        return []
    return [LevelKey(command.owner, link.warehouse_id, count.sku, UNASSIGNED) for count in command.counts]


def act(draft: Draft, command: ChannelCounts) -> str | None:
    """Bring the warehouse to the counts; what to say of those that were left out.

    Raises:
        Invalid: UNKNOWN_CHANNEL_LOCATION, and what Draft raises.
    """
    key = channel_key(command)
    if key not in draft.book.channels:
        raise Invalid(ErrorCode.UNKNOWN_CHANNEL_LOCATION, f"{command.channel} {command.external_location_id}")
    left_out: dict[str, list[str]] = {}
    for place, count in zip(keys(command, draft.book.channels), command.counts, strict=True):
        refusal = draft.book.refusals.get(place)
        if refusal is not None and refusal.code in _LEFT_OUT:
            left_out.setdefault(refusal.code, []).append(count.sku)
        else:
            operation = SetTo(count.available, InventoryState.AVAILABLE)
            draft.take(Total(place, operation, includes_non_sellable=False))
    if not left_out:
        return None
    return f"Left out: {'; '.join(f'{code}: {_some(skus)}' for code, skus in left_out.items())}"


def _some(skus: list[str]) -> str:
    """The first of them: a result has to fit into a message."""
    more = len(skus) - _NAMED
    return ", ".join(skus[:_NAMED]) + (f" and {more} more" if more > 0 else "")
