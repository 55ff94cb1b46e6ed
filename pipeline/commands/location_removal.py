"""A bin is deleted, with what is in it where that was asked for."""

from pipeline.commands.draft import Draft
from pipeline.errors import Invalid
from pipeline.inventory.operations import Empty
from pipeline.store.locations import LocationKey
from schemas.commands.catalogue import DeleteLocation
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED


def location_key(command: DeleteLocation) -> LocationKey:
    """The location that is to go."""
    return LocationKey(command.owner, command.warehouse_id, command.location_id)


def act(draft: Draft, command: DeleteLocation) -> None:
    """Take the stock out, each level's in its change log, and delete the location.

    Raises:
        Invalid: UNKNOWN_WAREHOUSE, LOCATION_IS_BUILT_IN, UNKNOWN_LOCATION, LOCATION_NOT_EMPTY.
    """
    location = location_key(command)
    if location._replace(location_id=UNASSIGNED) not in draft.book.locations:
        raise Invalid(ErrorCode.UNKNOWN_WAREHOUSE, command.warehouse_id)
    if location.location_id == UNASSIGNED:
        raise Invalid(ErrorCode.LOCATION_IS_BUILT_IN, UNASSIGNED)
    if location not in draft.book.locations or location in draft.book.gone:
        raise Invalid(ErrorCode.UNKNOWN_LOCATION, f"{command.location_id} in {command.warehouse_id}")
    # Other commands of the batch may name levels there that the catalogue does not allow: those do not exist.
    for key in sorted(draft.book.by_location.get(location, set()) & draft.book.levels.keys()):
        level = draft.level(key)
        if level.incoming:
            raise Invalid(ErrorCode.LOCATION_NOT_EMPTY, f"{key.sku}: {level.incoming} incoming")
        if level.committed:
            raise Invalid(ErrorCode.LOCATION_NOT_EMPTY, f"{key.sku}: {level.committed} committed to orders")
        if any(level[2:]):
            if not command.remove_inventory:
                raise Invalid(ErrorCode.LOCATION_NOT_EMPTY, f"{key.sku}: {level.on_hand} on hand")
            draft.post(key, Empty())
    draft.delete_location(location)
