"""Commands of sales channels: their locations are linked to warehouses and exchange counts with them.

A channel (an integration such as a shop system) has locations of its own. A warehouse links any number of them, and
each has at most one warehouse. One of an account's linked locations is the master: first counts come from it.
"""

from typing import Annotated

from pydantic import Field

from schemas.commands.base import Command, Contract
from schemas.identifiers import DocumentId, Quantity, SkuField, Text, WarehouseIdField

MAX_COUNTS = 1_000


class ChannelCommand(Command):
    """A location of a channel, by the channel's own id for it."""

    channel: DocumentId
    external_location_id: DocumentId


class LinkChannel(ChannelCommand):
    """Link a channel's location to a warehouse. As `master` it is asked for its counts at once."""

    TYPE = "channel.link"

    warehouse_id: WarehouseIdField
    master: bool = False


class UnlinkChannel(ChannelCommand):
    """Unlink a channel's location: it gets no more updates, and its counts are refused."""

    TYPE = "channel.unlink"


class ChannelCount(Contract):
    """What a channel's location says it can sell of a SKU, in units. `name` is for a product that is new here."""

    sku: SkuField
    available: Quantity
    name: Text | None = None


class ChannelCounts(ChannelCommand):
    """Counts of a linked location: what the warehouse has available in its sellable locations becomes the count.

    A product that is not known here is created when the location is the master, and left out otherwise; the result's
    message names those. Every other linked location gets the changes, the origin does not.
    """

    TYPE = "channel.counts"

    counts: Annotated[tuple[ChannelCount, ...], Field(min_length=1, max_length=MAX_COUNTS)]


CHANNEL_COMMANDS: tuple[type[Command], ...] = (LinkChannel, UnlinkChannel, ChannelCounts)
