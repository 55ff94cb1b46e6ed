"""Syncs without a broker: files are put into the bucket, requests and chunks are handed straight to the pipeline."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import dict_row

from consumers.settings import Settings
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from pipeline.syncs.apply import apply_chunk
from pipeline.syncs.finish import finish_sync
from pipeline.syncs.requests import abort_sync, request_sync
from pipeline.syncs.services import SyncLimits, SyncServices
from pipeline.syncs.split import split_range
from pipeline.uploads.source import SourceLimits
from pipeline.web import WebLimits
from schemas.jobs import AbortSync, RequestSync, SyncChunk, SyncFinish, SyncRange


@dataclass
class Desk:
    """Account acme at its desk. `limits` and `sources` can be changed before a sync is requested."""

    database: Database
    objects: ObjectStore
    uploads: str
    work: str
    limits: SyncLimits = field(default_factory=SyncLimits)
    sources: SourceLimits = field(init=False)

    def __post_init__(self) -> None:
        web = WebLimits(timeout_seconds=5, max_bytes=10**9, deadline_seconds=60)
        self.sources = SourceLimits(self.uploads, (), web)

    @classmethod
    def of(cls, database: Database, objects: ObjectStore, settings: Settings) -> "Desk":
        return cls(database, objects, settings.s3_uploads_bucket, settings.s3_work_bucket)

    @property
    def services(self) -> SyncServices:
        return SyncServices(self.database, self.objects, self.uploads, self.work, self.sources, self.limits)

    def limit(self, **changes: int) -> None:
        """Change the size of chunks, and other limits."""
        self.limits = replace(self.limits, **changes)

    def limit_web(self, **changes: Any) -> None:
        """Change what may be fetched."""
        self.sources = replace(self.sources, web=replace(self.sources.web, **changes))

    def put(self, content: str | bytes, key: str = "acme/w1/stock.csv") -> str:
        """Drop a file; its URL."""
        self.objects.put_bytes(self.uploads, key, content.encode() if isinstance(content, str) else content)
        return f"s3://{self.uploads}/{key}"

    def request(self, url: str, **changes: Any) -> UUID:
        """Ask for a sync and have it planned, up to the point where its chunks wait."""
        request = RequestSync.model_validate(
            {"account_id": "acme", "sync_id": uuid4(), "warehouse_id": "w1", "url": url, **changes}
        )
        request_sync(request, self.services)
        self.read_ranges(request.sync_id)
        return request.sync_id

    def ranges(self, sync_id: UUID) -> list[int]:
        """The numbers of its ranges that were not read yet."""
        return [n for (n,) in self.ask("SELECT range FROM sync_ranges WHERE sync_id = %s AND status = 'pending' "
                                       "ORDER BY range", sync_id)]  # fmt: skip

    def read_ranges(self, sync_id: UUID) -> None:
        """Read the ranges that are left, as the messages that carry their numbers would."""
        for number in self.ranges(sync_id):
            split_range(SyncRange(account_id="acme", sync_id=sync_id, range=number), self.services)

    def chunks(self, sync_id: UUID) -> list[int]:
        """The numbers of its chunks that were not reached yet."""
        return [c for (c,) in self.ask("SELECT chunk FROM sync_chunks WHERE sync_id = %s AND status = 'pending' "
                                       "ORDER BY chunk", sync_id)]  # fmt: skip

    def apply(self, sync_id: UUID, chunk: int) -> None:
        """Apply one chunk, as the message that carries its number would."""
        apply_chunk(SyncChunk(account_id="acme", sync_id=sync_id, chunk=chunk), self.services)

    def apply_all(self, sync_id: UUID) -> None:
        """Apply what is left, and end the job."""
        for chunk in self.chunks(sync_id):
            self.apply(sync_id, chunk)
        finish_sync(SyncFinish(account_id="acme", sync_id=sync_id), self.services)

    def run(self, sync_id: UUID) -> None:
        """Do all that is left of a sync: ranges, chunks and its end. One that is held stays so."""
        self.read_ranges(sync_id)
        if self.job(sync_id)["status"] != "held":
            self.apply_all(sync_id)

    def sync(self, content: str | bytes, **changes: Any) -> UUID:
        """A sync from the drop to its end."""
        sync_id = self.request(self.put(content), **changes)
        self.run(sync_id)
        return sync_id

    def abort(self, sync_id: UUID, reason: str = "wrong file") -> None:
        """Ask for its abort."""
        abort_sync(AbortSync(account_id="acme", sync_id=sync_id, reason=reason), self.database)

    def job(self, sync_id: UUID) -> dict[str, Any]:
        """The row of the job."""
        with self.database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute("SELECT * FROM sync_jobs WHERE sync_id = %s", [sync_id]).fetchone()
        assert row is not None
        return row

    def counts(self, sync_id: UUID) -> tuple[str, int, int, int, int]:
        """Status, total, success, error, aborted."""
        job = self.job(sync_id)
        return (job["status"], *(job[f"{name}_count"] for name in ("total", "success", "error", "aborted")))

    def items(self, sync_id: UUID) -> dict[int, tuple[str, set[str]]]:
        """Row → status and error codes."""
        rows = self.ask("SELECT row, status, errors FROM sync_items WHERE sync_id = %s ORDER BY row", sync_id)
        return {row: (status, {error["code"] for error in errors or ()}) for row, status, errors in rows}

    def work_files(self) -> list[str]:
        """What lies in the work bucket."""
        return [found.key for found in self.objects.list(self.work)]

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.database.transaction() as connection:
            cursor = connection.execute(query, parameters)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []
