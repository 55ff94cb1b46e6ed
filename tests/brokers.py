"""Which Kafka the suite runs against: ONHAND_TEST_KAFKA, else Docker, else Apache Kafka by Maven, else the embedded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra.stack import EmbeddedStack, Endpoints, StackError
from infra.stack.containers import ContainerKafka, docker_available


@dataclass(frozen=True)
class TestStack:
    """The servers of a test run. `broker` says which Kafka it is, for people and for skips by name."""

    __test__ = False

    endpoints: Endpoints
    broker: str


@contextmanager
def running_stack(data_dir: Path) -> Iterator[TestStack]:
    """PostgreSQL and S3 as embedded servers, and the first Kafka that can be had.

    ONHAND_TEST_KAFKA is `docker`, `apache`, `embedded`, or the host:port of a broker whose topics may be written.
    """
    wanted = os.environ.get("ONHAND_TEST_KAFKA", "")
    if ":" in wanted:
        with EmbeddedStack(data_dir, broker=False) as endpoints:
            yield _with_kafka(endpoints, wanted, f"Kafka at {wanted} (ONHAND_TEST_KAFKA)")
    elif wanted == "docker" or (not wanted and docker_available()):
        with EmbeddedStack(data_dir, broker=False) as endpoints, _container() as address:
            yield _with_kafka(endpoints, address, "Apache Kafka in Docker")
    elif wanted == "apache" or (not wanted and shutil.which("mvn") and shutil.which("java")):
        with _apache_or_embedded(data_dir, must=bool(wanted)) as stack:
            yield stack
    else:
        with EmbeddedStack(data_dir) as endpoints:
            yield TestStack(endpoints, "embedded Tansu")


def _with_kafka(endpoints: Endpoints, address: str, broker: str) -> TestStack:
    return TestStack(replace(endpoints, kafka_bootstrap_servers=address, kafka_idempotence=True), broker)


@contextmanager
def _container() -> Iterator[str]:
    kafka = ContainerKafka()
    try:
        yield kafka.start()
    finally:
        kafka.stop()


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
