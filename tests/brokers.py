"""Which Kafka the suite runs against: ONHAND_TEST_KAFKA, else Docker, else Apache Kafka by Maven, else the embedded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra.stack import EmbeddedStack, Endpoints, StackError
from infra.stack.containers import ContainerKafka, ContainerPostgres, ContainerS3, docker_available


@dataclass(frozen=True)
class TestStack:
    """The servers of a test run. `broker` says which Kafka it is, for people and for skips by name."""

    __test__ = False

    endpoints: Endpoints
    broker: str


@contextmanager
def running_stack(data_dir: Path) -> Iterator[TestStack]:
    """With Docker all three servers in containers; else PostgreSQL and S3 embedded, and the first Kafka there is.

    ONHAND_TEST_KAFKA is `docker`, `apache`, `embedded`, or the host:port of a broker whose topics may be written.
    """
    wanted = os.environ.get("ONHAND_TEST_KAFKA", "")
    if ":" in wanted:
        with EmbeddedStack(data_dir, broker=False) as endpoints:
            with_kafka = replace(endpoints, kafka_bootstrap_servers=wanted, kafka_idempotence=True)
            yield TestStack(with_kafka, f"Kafka at {wanted} (ONHAND_TEST_KAFKA)")
    elif wanted == "docker" or (not wanted and docker_available()):
        with _containers() as endpoints:
            yield TestStack(endpoints, "Apache Kafka in Docker, with PostgreSQL and RustFS")
    elif wanted == "apache" or (not wanted and shutil.which("mvn") and shutil.which("java")):
        with _apache_or_embedded(data_dir, must=bool(wanted)) as stack:
            yield stack
    else:
        with EmbeddedStack(data_dir) as endpoints:
            yield TestStack(endpoints, "embedded Tansu")


@contextmanager
def _containers() -> Iterator[Endpoints]:
    postgres, s3, kafka = ContainerPostgres(), ContainerS3(), ContainerKafka()
    try:
        yield Endpoints(
            database_url=postgres.start(),
            kafka_bootstrap_servers=kafka.start(),
            s3_endpoint_url=s3.start(),
            s3_access_key_id=s3.access_key_id,
            s3_secret_access_key=s3.secret_access_key,
        )
    finally:
        for container in (kafka, s3, postgres):
            container.stop()


@contextmanager
def _apache_or_embedded(data_dir: Path, *, must: bool) -> Iterator[TestStack]:
    stack, broker = EmbeddedStack(data_dir, kafka="apache"), "Apache Kafka from Maven"
    try:
        endpoints = stack.start()
    except StackError as error:
        if must:
            raise
        stack = EmbeddedStack(data_dir)
        endpoints, broker = stack.start(), f"embedded Tansu (Apache Kafka did not start: {error})"
    try:
        yield TestStack(endpoints, broker)
    finally:
        stack.stop()
