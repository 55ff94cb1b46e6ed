"""Splits a batch where its order matters: what a command relied on must not be changed by one that came after it.

Within a run the catalogue commands take effect first, all at once: a thousand products are one statement. As far as
anybody can tell that is the order given, unless a catalogue command follows a command of stock about the same thing.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from pipeline.commands.received import ReceivedCommand
from schemas.commands import catalogue, channels, stock, workflows
from schemas.commands.base import Command

_CHANGES: Final[dict[type[Command], str]] = {
    catalogue.UpsertWarehouse: "warehouse",
    catalogue.UpsertProduct: "sku",
    catalogue.UpsertLot: "lot",
    catalogue.UpsertReason: "reason",
    catalogue.CreateLocation: "location",
    catalogue.UpdateLocation: "location",
    catalogue.RenameLocation: "location",
    catalogue.LinkAccount: "provider",
    catalogue.UnlinkAccount: "provider",
    channels.LinkChannel: "channel",
    channels.UnlinkChannel: "channel",
}
"""What a catalogue command changes that a command of stock can rely on."""

CATALOGUE: Final = {*_CHANGES, catalogue.UpsertAccount, catalogue.UpsertVendor}
"""The commands that do not touch stock."""

_SAYS_LITTLE: Final = (
    stock.CancelSchedule, workflows.TransferReceived, channels.ChannelCounts, catalogue.DeleteLocation
)  # fmt: skip
"""Commands that rely on things, or set a name free, that they do not name. So does a count of a whole warehouse."""

_KINDS: Final = {
    "sku": "sku",
    "warehouse_id": "warehouse",
    "from_warehouse_id": "warehouse",
    "to_warehouse_id": "warehouse",
    "location_id": "location",
    "from_location_id": "location",
    "to_location_id": "location",
    "lot_id": "lot",
    "reason": "reason",
    "code": "reason",
    "external_location_id": "channel",
    "provider_account_id": "provider",
}
"""The fields that name what a command is about, and what that is."""

Subject = tuple[str, str, str]
"""Owner, kind and id. Two things of one id, in two warehouses say, are taken for one: that costs a run and no more."""


def runs(received: Sequence[ReceivedCommand]) -> Iterator[Sequence[ReceivedCommand]]:
    """The batch in parts, in order; each part can be carried out with its catalogue commands first."""
    if not any(type(delivery.command) in CATALOGUE for delivery in received):
        yield received
        return
    start = 0
    relied_on: set[Subject] = set()
    on_anything = False
    for position, delivery in enumerate(received):
        command = delivery.command
        is_catalogue = type(command) in CATALOGUE
        if is_catalogue and (on_anything or relied_on & _changed(command)):
            yield received[start:position]
            start, relied_on, on_anything = position, set(), False
        if not is_catalogue:
            relied_on.update(_subjects(command, command.owner))
            relied_on.add((command.owner, "provider", command.account_id))
            on_anything = on_anything or isinstance(command, _SAYS_LITTLE) or _counts_warehouse(command)
    yield received[start:]


def _counts_warehouse(command: Command) -> bool:
    lines = getattr(command, "lines", None) or (command,)
    return any(getattr(line, "whole_warehouse", False) for line in lines)


def _changed(command: Command) -> set[Subject]:
    kind = _CHANGES.get(type(command))
    return {subject for subject in _subjects(command, command.owner) if subject[1] == kind}


def _subjects(part: BaseModel, owner: str) -> Iterator[Subject]:
    for name, value in part:
        if isinstance(value, tuple):  # lines
            for line in value:
                if isinstance(line, BaseModel):
                    yield from _subjects(line, owner)
        elif value is not None and name in _KINDS:
            yield owner, _KINDS[name], value
