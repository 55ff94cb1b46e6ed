"""Waits for what others do, with a bar on a terminal, and never for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from rich.progress import TaskID

from infra.cli.failures import Failure
from infra.cli.output import progress
from infra.platform import Platform
from pipeline import views

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 60.0
"""How long nothing may move before it is given up."""
_LOOK_SECONDS: Final = 0.1


class Waiting:
    """Runs readers in the background from entering the context until leaving it. Waiting fails when one of them does.

    Every wait raises:
        Failure: nothing has moved for a minute.
        StackError: a worker has died.
    """

    def __init__(self, platform: Platform, readers: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Nothing runs before the context is entered."""
        self._platform = platform
        self._coroutines = tuple(readers)
        self._readers: list[asyncio.Task[None]] = []
        self._bar = progress("")

    async def __aenter__(self) -> Self:
        """Start the readers."""
        self._readers = [asyncio.create_task(reader) for reader in self._coroutines]
        self._bar.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def for_count(self, count: Callable[[], int], wanted: int, what: str) -> None:
        """Until so many have come."""
        task = self._bar.add_task(what, total=wanted)

        async def look() -> tuple[int, bool]:
            self._bar.update(task, completed=count())
            return count(), count() >= wanted

        await self._wait(look, f"{wanted:,} {what}", task)

    async def for_job(
        self,
        find: Callable[[], views.Row | None],
        what: str,
        progress_of: Callable[[views.Row], tuple[int, int | None]],
    ) -> views.Row:
        """Until a job has ended; the job. `progress_of` says how much of it is done, of how much."""
        task = self._bar.add_task(what, total=None)

        async def look() -> tuple[views.Row | None, bool]:
            job = await asyncio.to_thread(find)
            if job is not None:
                completed, total = progress_of(job)
                self._bar.update(task, completed=completed, total=total)
            return job, job is not None and job["finished_at"] is not None

        job = await self._wait(look, what, task)
        assert job is not None  # noqa: S101 - _wait returns what was done
        return job

    async def _wait(self, look: Callable[[], Awaitable[tuple[T, bool]]], what: str, task: TaskID) -> T:
        seen, done = await look()
        moved_at = time.monotonic()
        while not done:
            await asyncio.wait(self._readers, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for reader in self._readers:
                if reader.done():
                    reader.result()
            self._platform.check()
            before, (seen, done) = seen, await look()
            if seen != before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > _PATIENCE_SECONDS:
                raise Failure(f"Waited {_PATIENCE_SECONDS:g} s for {what} in vain; the last that was seen: {seen}")
        self._bar.remove_task(task)
        return seen
