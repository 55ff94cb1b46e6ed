"""Everything on one machine: embedded servers made ready, and workers, for `onhand up`, the demo and the benchmarks."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from consumers.connections import object_store
from consumers.settings import Settings
from consumers.topics import apply_topics
from infra.stack import EmbeddedStack
from infra.stack.process import ChildProcess
from pipeline.objects import ObjectStore

KafkaKind = Literal["embedded", "apache"]

WORKERS: Final = (("commands", "uploads", "snapshots", "scheduler"), ("relay",), ("syncs",))
"""The roles of each worker process: syncs have one to themselves, so that large files do not slow commands."""
_STOP_SECONDS: Final = 30.0


class Platform:
    """Servers and workers from entering the context until leaving it, or until this process is gone.

    Entering makes the schema, the topics and the buckets. Leaving stops the workers first and then the servers, so that
    what a worker is in the middle of is finished. `environ` and `settings` are there once it was entered.
    """

    environ: dict[str, str]
    settings: Settings

    def __init__(
        self,
        data_dir: Path,
        worker_roles: Sequence[Sequence[str]] = WORKERS,
        *,
        kafka: KafkaKind = "embedded",
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        """`overrides`: further ONHAND_* variables for the workers and for `settings`."""
        self.logs = data_dir / "logs"
        self._worker_roles = worker_roles
        self._stack = EmbeddedStack(data_dir, kafka=kafka)
        self._overrides = dict(overrides or {})
        self._workers: list[ChildProcess] = []

    def __enter__(self) -> Self:
        """Start everything. StackError when a server does not come up; then nothing is left running."""
        try:
            self.environ = self._stack.start().environ() | self._overrides
            self.settings = _settings(self.environ)
            self._prepare()
            for roles in self._worker_roles:
                self.start_worker(roles)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start_worker(self, roles: Sequence[str]) -> ChildProcess:
        """One more worker process. It is stopped with the others, or before by its own `stop`."""
        name = f"worker-{len(self._workers) + 1}"
        worker = ChildProcess(name, self.logs.resolve() / f"{name}.log", grace=_STOP_SECONDS)
        self._workers.append(worker)
        command = [sys.executable, "-P", "-m", "infra.cli", "worker", *roles]
        worker.start(command, cwd=self.logs.parent, environment=dict(os.environ) | self.environ)
        return worker

    def check(self) -> None:
        """StackError, with the end of its log, when a server or a worker has died."""
        self._stack.check()
        for worker in self._workers:
            worker.check()

    @property
    def objects(self) -> ObjectStore:
        """The S3 store."""
        return object_store(self.settings)

    @property
    def worker_pids(self) -> list[int]:
        """The processes of the workers."""
        return [pid for worker in self._workers for pid in worker.pids()]

    def _prepare(self) -> None:
        settings = self.settings
        from pipeline.store import migrate  # noqa: PLC0415 - Alembic is slow to import

        migrate.upgrade(settings.database_url.get_secret_value())
        asyncio.run(apply_topics(settings))
        for bucket in (settings.s3_uploads_bucket, settings.s3_work_bucket, settings.s3_snapshots_bucket):
            self.objects.ensure_bucket(bucket)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.request_stop()
        for worker in self._workers:
            worker.join()
        self._stack.stop()


def _settings(environ: Mapping[str, str]) -> Settings:
    """The settings of a process that has these variables on top of ours."""
    prefix = "ONHAND_"
    given = {name.removeprefix(prefix).lower(): value for name, value in environ.items() if name.startswith(prefix)}
    return Settings.model_validate(given)
