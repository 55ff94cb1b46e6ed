"""A change takes more of a state than there is: what there is instead, and what can be done."""

from collections.abc import Sequence

from pipeline.errors import Invalid
from pipeline.inventory.level import Level
from schemas.errors import ErrorCode
from schemas.shortages import Holding
from schemas.states import InventoryState


class Shortage(Invalid):
    """INSUFFICIENT_STOCK, with all states of the levels that have too little."""

    def __init__(  # noqa: PLR0913 - what a person has to know
        self,
        levels: Sequence[Level],
        asked: int,
        state: InventoryState = InventoryState.AVAILABLE,
        *,
        counted: bool = False,
        where: str = "",
        documents: str = "",
    ) -> None:
        """`asked` units of `state` were to go; or, where they were `counted`, are on hand. `where` names the levels."""
        self._said = (levels, asked, state, counted)
        self._where = where
        states = {each: sum(level.quantity(each) for level in levels) for each in InventoryState}
        held = Holding({name: units for name, units in states.items() if units or name is state}, documents)
        what = f"{asked} counted" if counted else f"{asked} of {state} asked"
        place = f" ({where})" if where else ""
        found = f"{what}, found {held._replace(documents='').words}{place}"
        super().__init__(ErrorCode.INSUFFICIENT_STOCK, found, held.advice(state))

    @property
    def committed_levels(self) -> list[int]:
        """The ids of those of the levels that have units committed to documents."""
        return [level.level_id for level in self._said[0] if level.committed]

    def at(self, where: str) -> "Shortage":
        """The same with the name of its level."""
        levels, asked, state, counted = self._said
        return Shortage(levels, asked, state, counted=counted, where=where)

    def promised_to(self, documents: str) -> "Shortage":
        """The same with the documents that its committed units are promised to."""
        levels, asked, state, counted = self._said
        return Shortage(levels, asked, state, counted=counted, where=self._where, documents=documents)
