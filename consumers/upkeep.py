"""The scheduler's housekeeping: partitions for the months to come, and an end for what is kept for a time only."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from consumers.settings import Settings
from pipeline.errors import TryLater
from pipeline.retention import (
    create_partitions,
    create_sync_partitions,
    delete_old_commands,
    drop_oldest_sync_month,
    fold_oldest_month,
    forget_old_events,
)
from pipeline.store.database import Database

log = logging.getLogger(__name__)


class Upkeep:
    """Does what is due, again and again. Any number may run."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Nothing is done before `run`."""
        self._database = database
        self._settings = settings

    async def run(self) -> None:
        """Go on until cancelled. What cannot be done now is tried again in the next round."""
        steps: tuple[Callable[[], Awaitable[None]], ...] = (
            self._partitions, self._sync_partitions, self._change_log, self._sync_rows, self._commands, self._events,
        )  # fmt: skip
        while True:
            for step in steps:
                try:
                    await step()
                except TryLater as error:
                    log.warning("upkeep: %s", error)
            await asyncio.sleep(self._settings.upkeep_seconds)

    async def _partitions(self) -> None:
        for month in await asyncio.to_thread(create_partitions, self._database):
            log.info("upkeep: the change log has a partition for %s", f"{month:%Y-%m}")

    async def _sync_partitions(self) -> None:
        for month in await asyncio.to_thread(create_sync_partitions, self._database):
            log.info("upkeep: the rows of syncs have partitions for %s", f"{month:%Y-%m}")

    async def _change_log(self) -> None:
        months = self._settings.log_retention_months
        if months is None:
            return
        while month := await asyncio.to_thread(fold_oldest_month, self._database, months):
            log.info("upkeep: the change log of %s was folded and dropped", f"{month:%Y-%m}")

    async def _sync_rows(self) -> None:
        months = self._settings.sync_item_retention_months
        if months is None:
            return
        while month := await asyncio.to_thread(drop_oldest_sync_month, self._database, months):
            log.info("upkeep: the rows of the syncs of %s were dropped", f"{month:%Y-%m}")

    async def _commands(self) -> None:
        days = self._settings.command_retention_days
        total = 0
        while count := await asyncio.to_thread(delete_old_commands, self._database, days):
            total += count
        if total:
            log.info("upkeep: %s commands older than %s days were deleted", total, days)

    async def _events(self) -> None:
        if count := await asyncio.to_thread(forget_old_events, self._database):
            log.info("upkeep: what was heard of %s uploaded objects was forgotten", count)
