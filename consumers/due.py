"""The scheduler's clock: applies schedules whose time has come."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from pipeline.commands.due import apply_due
from pipeline.errors import TryLater
from pipeline.store.database import Database

log = logging.getLogger(__name__)

_SECONDS: Final = 1.0
"""How often to look; a schedule is applied about that long after its time."""


class DueSchedules:
    """Applies what is due, exactly once however many of these run."""

    def __init__(self, database: Database) -> None:
        """Nothing happens before `run`."""
        self._database = database

    async def run(self) -> None:
        """Look until cancelled. Where the database is away, wait and go on."""
        while True:
            try:
                while await asyncio.to_thread(apply_due, self._database, datetime.now(UTC)):
                    pass
            except TryLater as error:
                log.warning("schedules: %s", error)
            await asyncio.sleep(_SECONDS)
