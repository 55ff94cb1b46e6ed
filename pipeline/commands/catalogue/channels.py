"""Links of sales channels' locations to warehouses."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from pipeline.commands.received import ReceivedCommand
from pipeline.errors import Invalid
from pipeline.store import channels as store
from pipeline.store.catalogue import warehouses
from pipeline.store.channels import ChannelLink, ChannelLocation
from pipeline.store.commands import Outcome
from pipeline.store.outbox import OutgoingMessage
from schemas.cloudevents import EventType
from schemas.commands.channels import LinkChannel, UnlinkChannel
from schemas.errors import ErrorCode
from schemas.events import ChannelCountsRequested
from schemas.identifiers import AccountId
from schemas.topics import Topic


@dataclass
class ChannelWork:
    """An outcome for each command, and what is to be published for which account."""

    outcomes: list[Outcome] = field(default_factory=list)
    messages: list[tuple[AccountId, OutgoingMessage]] = field(default_factory=list)


def link_channels(connection: psycopg.Connection, received: Sequence[ReceivedCommand]) -> ChannelWork:
    """Link and unlink, one after the other: they are rare. What becomes the master is asked for its counts."""
    orders = [(d, d.command) for d in received if isinstance(d.command, LinkChannel | UnlinkChannel)]
    for account_id in sorted({command.owner for _, command in orders}):
        store.hold_channels(connection, account_id)
    work = ChannelWork()
    for delivery, command in orders:
        try:
            if isinstance(command, UnlinkChannel):
                _unlink(connection, command)
            elif _link(connection, command):
                work.messages.append((command.owner, _request(command)))
        except Invalid as broken_rule:
            work.outcomes.append(delivery.rejected(broken_rule))
        else:
            work.outcomes.append(delivery.applied())
    return work


def _link(connection: psycopg.Connection, command: LinkChannel) -> bool:
    """Whether the location became the account's master by it."""
    location = _location(command)
    if not warehouses(connection, [(command.owner, command.warehouse_id)]):
        raise Invalid(ErrorCode.UNKNOWN_WAREHOUSE, command.warehouse_id)
    links = store.links_in_question(connection, location)
    present = links.pop(location, None)
    if present and present.warehouse_id != command.warehouse_id:
        raise Invalid(ErrorCode.CHANNEL_LOCATION_LINKED, present.warehouse_id)
    if command.master and links:
        [master] = links
        raise Invalid(ErrorCode.MASTER_EXISTS, f"{master.channel}/{master.external_location_id}")
    store.link_channel(connection, location, ChannelLink(command.warehouse_id, command.master))
    return command.master and not (present and present.master)


def _unlink(connection: psycopg.Connection, command: UnlinkChannel) -> None:
    location = _location(command)
    if location not in store.links_in_question(connection, location):
        detail = f"{command.channel}/{command.external_location_id}"
        raise Invalid(ErrorCode.UNKNOWN_CHANNEL_LOCATION, detail)
    store.unlink_channel(connection, location)


def _location(command: LinkChannel | UnlinkChannel) -> ChannelLocation:
    return ChannelLocation(command.owner, command.channel, command.external_location_id)


def _request(command: LinkChannel) -> OutgoingMessage:
    return OutgoingMessage(
        Topic.CHANNEL_UPDATES,
        f"{command.owner}:{command.channel}:{command.external_location_id}",
        EventType.CHANNEL_COUNTS_REQUESTED,
        ChannelCountsRequested(
            account_id=command.owner,
            channel=command.channel,
            external_location_id=command.external_location_id,
            warehouse_id=command.warehouse_id,
        ),
    )
