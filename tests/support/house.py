"""A house for workers as processes: servers, topics, buckets and a catalogue of a test's own."""

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path

from consumers.event_audit import audit_events
from consumers.settings import Settings
from pipeline.audit import audit
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from tests.support.desk import Desk
from tests.support.kafka import Kafka
from tests.support.orders import fill_catalogue
from tests.support.polling import eventually
from tests.support.workers import Worker


@dataclass
class House:
    """Servers, topics, buckets and a catalogue of a test's own."""

    environ: dict[str, str]
    settings: Settings
    database: Database
    objects: ObjectStore
    kafka: Kafka
    logs: Path

    @property
    def desk(self) -> Desk:
        return Desk.of(self.database, self.objects, self.settings)

    def worker(self, *roles: str, **settings: str) -> Worker:
        """Start a worker with further settings."""
        environ = {**self.environ, **{f"ONHAND_{name.upper()}": value for name, value in settings.items()}}
        return Worker(environ, *roles, log=self.logs / f"{'-'.join(roles)}-{uuid.uuid4().hex[:6]}.log")

    def published(self) -> bool:
        """Whether nothing waits in the outbox."""
        return self.desk.ask("SELECT count(*) FROM outbox") == [(0,)]

    def prove(self) -> None:
        """All invariants hold, on the database and on the topic."""
        eventually(self.published, "everything published")
        findings = [*audit(self.database), asyncio.run(audit_events(self.settings, self.database))]
        assert [finding for finding in findings if finding.broken] == []
        assert findings[-1].checked > 0


def build(environ: dict[str, str], logs: Path, *, skus: int) -> House:
    """A house without workers, whose catalogue has so many products S0, S1, …"""
    names = {name.removeprefix("ONHAND_").lower(): value for name, value in environ.items()}
    settings = Settings.model_validate(names)
    objects = ObjectStore(
        endpoint_url=settings.s3_endpoint_url, region=settings.s3_region, access_key_id=settings.s3_access_key_id,
        secret_access_key=environ["ONHAND_S3_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    for bucket in (settings.s3_uploads_bucket, settings.s3_work_bucket, settings.s3_snapshots_bucket):
        objects.ensure_bucket(bucket)
    database = Database(environ["ONHAND_DATABASE_URL"])
    fill_catalogue(database, skus=skus)
    return House(environ, settings, database, objects, Kafka(settings), logs)
