"""The scheduler's eye on syncs: failed parts whose pause is over, jobs that are stuck, and files that are left over."""

import asyncio
import logging
import time
from typing import Final

from consumers.settings import Settings
from pipeline.errors import TryLater
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from pipeline.syncs.care import resume_stuck, send_due_parts, sweep_work

log = logging.getLogger(__name__)

_SECONDS: Final = 1.0
"""How often to look for parts that are due."""
_SWEEP_SECONDS: Final = 3600.0
"""How often to look for files that are left over."""


class SyncCare:
    """Looks after syncs, again and again. Any number may run."""

    def __init__(self, database: Database, objects: ObjectStore, settings: Settings) -> None:
        """Nothing is done before `run`."""
        self._database = database
        self._objects = objects
        self._work_bucket = settings.s3_work_bucket
        self._stuck_seconds = settings.sync_stuck_seconds

    async def run(self) -> None:
        """Go on until cancelled. Where a server is away, wait and go on."""
        next_look = time.monotonic()
        next_sweep = next_look + _SWEEP_SECONDS
        while True:
            try:
                await asyncio.to_thread(send_due_parts, self._database)
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + self._stuck_seconds / 4
                    for key in await asyncio.to_thread(resume_stuck, self._database, self._stuck_seconds):
                        log.warning("sync %s of %s did not move: sent again", key.sync_id, key.account_id)
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + _SWEEP_SECONDS
                    for key in await asyncio.to_thread(sweep_work, self._database, self._objects, self._work_bucket):
                        log.info("sync %s of %s: its left-over files were removed", key.sync_id, key.account_id)
            except TryLater as error:
                log.warning("syncs: %s", error)
            await asyncio.sleep(_SECONDS)
