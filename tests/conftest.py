"""Real servers for the whole suite, and for each test a database, topics and settings of its own."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from consumers.connections import object_store
from consumers.settings import Settings
from pipeline.audit import audit
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from pipeline.store.migrate import upgrade
from tests.brokers import TestStack, running_stack
from tests.support.databases import Copies, template
from tests.support.desk import Desk
from tests.support.orders import fill_catalogue

hypothesis_settings.register_profile("any machine", deadline=None)  # a slow machine is no fault of the code
hypothesis_settings.load_profile("any machine")

_brokers: set[str] = set()
"""Which the suite ran against."""


def pytest_configure(config: pytest.Config) -> None:
    """Tests see none of the caller's onhand settings."""
    for name in [n for n in os.environ if n.startswith("ONHAND_") and n != "ONHAND_TEST_KAFKA"]:
        del os.environ[name]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line says which broker the suite ran against."""
    for broker in sorted(_brokers):
        terminalreporter.write_line(f"Kafka: {broker}")


def pytest_testnodedown(node: Any) -> None:
    """One of the processes that run tests side by side has ended."""
    _brokers.update(getattr(node, "workeroutput", {}).get("brokers", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In such a process: tell the first one."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["brokers"] = sorted(_brokers)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    """PostgreSQL, S3 and a Kafka broker, for the whole run."""
    data_dir: Path = tmp_path_factory.mktemp("stack") / "data"
    with running_stack(data_dir) as running:
        _brokers.add(running.broker)
        yield running


@pytest.fixture(scope="session")
def template_url(stack: TestStack) -> str:
    """A migrated database that is cloned for each test."""
    return template(stack.endpoints.database_url, "onhand_template", upgrade)


@pytest.fixture(scope="session")
def empty_copies(template_url: str) -> Iterator[Copies]:
    """Migrated, empty databases."""
    with Copies(template_url) as copies:
        yield copies


@pytest.fixture(scope="session")
def desk_copies(stack: TestStack) -> Iterator[Copies]:
    """Migrated databases with the catalogue of `desk`."""

    def fill(url: str) -> None:
        upgrade(url)
        database = Database(url)
        fill_catalogue(database, skus=60)
        with database.transaction() as connection:  # as if published: later it would have waited for too long
            connection.execute("DELETE FROM outbox")
        database.close()

    with Copies(template(stack.endpoints.database_url, "desk_template", fill)) as copies:
        yield copies


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty database; that of a test with a `desk` has its catalogue."""
    copies: Copies = request.getfixturevalue("desk_copies" if "desk" in request.fixturenames else "empty_copies")
    with copies.one() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A pool on a migrated, empty database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def audited(database: Database) -> Iterator[Database]:
    """An empty database; whatever a test does there, the invariants hold afterwards."""
    yield database
    broken = [finding for finding in audit(database) if finding.broken]
    assert not broken, broken


@pytest.fixture
def environment(stack: TestStack, database_url: str) -> dict[str, str]:
    """The ONHAND_* variables of a worker on servers, database, buckets and topics of this test's own."""
    unique = uuid.uuid4().hex[:12]
    kafka = stack.endpoints.kafka_bootstrap_servers
    return {
        **stack.endpoints.environ(),
        "ONHAND_KAFKA_BOOTSTRAP_SERVERS": f"{kafka},{kafka}",  # a list, as of a cluster
        "ONHAND_DATABASE_URL": database_url,
        "ONHAND_KAFKA_TOPIC_PREFIX": f"t{unique}.",
        "ONHAND_S3_UPLOADS_BUCKET": f"uploads-{unique}",
        "ONHAND_S3_WORK_BUCKET": f"work-{unique}",
        "ONHAND_S3_SNAPSHOTS_BUCKET": f"snapshots-{unique}",
        "ONHAND_UPLOADS_POLL_SECONDS": "0.2",
    }


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same as settings."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    """The S3 store, with the buckets of this test."""
    store = object_store(settings)
    for bucket in (settings.s3_uploads_bucket, settings.s3_work_bucket, settings.s3_snapshots_bucket):
        store.ensure_bucket(bucket)
    return store


@pytest.fixture(scope="session")
def objects(stack: TestStack) -> ObjectStore:
    """The S3 store, with buckets that all tests share."""
    store = ObjectStore(
        endpoint_url=stack.endpoints.s3_endpoint_url,
        region=stack.endpoints.s3_region,
        access_key_id=stack.endpoints.s3_access_key_id,
        secret_access_key=stack.endpoints.s3_secret_access_key,
    )
    for bucket in ("uploads", "work", "snapshots"):
        store.ensure_bucket(bucket)
    return store


@pytest.fixture
def desk(audited: Database, store: ObjectStore, settings: Settings) -> Desk:
    """A desk with a catalogue of 60 products more."""
    return Desk.of(audited, store, settings)
