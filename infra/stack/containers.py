"""The servers as containers, where the Docker engine of this machine answers: the same images as in compose.yaml."""

import asyncio
import importlib
import secrets
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import boto3
import psycopg
from aiokafka.errors import KafkaError
from botocore.exceptions import BotoCoreError, ClientError

from infra.stack.broker import fetch_metadata
from infra.stack.endpoints import Endpoints
from infra.stack.errors import StackError
from infra.stack.ports import claim_ports

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

START_SECONDS = 90.0
ANSWER_SECONDS = 1


def docker_available() -> bool:
    """Whether a Docker engine answers. Takes a second or so at most, and says nothing when there is none."""
    try:
        docker = importlib.import_module("docker")  # an optional dependency, without types
    except ImportError:
        return False
    try:
        client = docker.from_env(timeout=ANSWER_SECONDS)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (docker.errors.DockerException, OSError):
        return False


class Container(ABC):
    """One server in a container, on a free port of 127.0.0.1. Its data are gone when it stops."""

    image: ClassVar[str]
    port_inside: ClassVar[int]
    retry_on: ClassVar[tuple[type[Exception], ...]]

    def __init__(self) -> None:
        self._container: DockerContainer | None = None

    def start(self) -> str:
        """Start it and wait until it serves; the address clients connect to. StackError when it does not come up."""
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - an optional dependency

        with tempfile.TemporaryDirectory() as nowhere:
            port = claim_ports(Path(nowhere) / "ports", 1)[0]
        container = DockerContainer(self.image)
        # with_bind_ports takes no address and would publish the port to the network
        cast("dict[str, Any]", container.ports)[f"{self.port_inside}/tcp"] = ("127.0.0.1", port)
        self.configure(container, port)
        self._container = container
        try:
            container.start()
            return self._wait(f"127.0.0.1:{port}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the container. May be called at any time and more than once."""
        container, self._container = self._container, None
        if container is not None:
            container.stop()

    @abstractmethod
    def configure(self, container: "DockerContainer", port: int) -> None:
        """Set environment and command; `port` is where clients of this machine will find it."""

    @abstractmethod
    def probe(self, host_and_port: str) -> str:
        """The address, or one of `retry_on` while it does not serve."""

    def _wait(self, host_and_port: str) -> str:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.probe(host_and_port)
            except self.retry_on as problem:
                if time.monotonic() > deadline:
                    raise StackError(f"{self.image} did not answer in {START_SECONDS:.0f} s: {problem}") from problem
                time.sleep(0.2)


class ContainerKafka(Container):
    """Apache Kafka, one node in KRaft mode. The address is `host:port` to bootstrap from."""

    image = "apache/kafka:4.3.1"
    port_inside = 9092
    retry_on = (KafkaError, OSError)

    def configure(self, container: "DockerContainer", port: int) -> None:
        """Settings for one node that tells clients the port of this machine."""
        container.with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_LISTENERS="HOST://:9092,CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"HOST://127.0.0.1:{port}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
            # one node never calls itself; the advertised port would not lead back to it from inside
            KAFKA_INTER_BROKER_LISTENER_NAME="HOST",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        )

    def probe(self, host_and_port: str) -> str:
        """Ask for metadata."""
        asyncio.run(fetch_metadata(host_and_port))
        return host_and_port


class ContainerPostgres(Container):
    """PostgreSQL 18 with the database `onhand`. The address is its URL."""

    image = "postgres:18"
    port_inside = 5432
    retry_on = (psycopg.OperationalError,)

    def __init__(self) -> None:
        super().__init__()
        self._password = secrets.token_hex(16)

    def configure(self, container: "DockerContainer", port: int) -> None:  # noqa: ARG002
        """Name the database and its user."""
        container.with_envs(POSTGRES_USER="onhand", POSTGRES_PASSWORD=self._password, POSTGRES_DB="onhand")

    def probe(self, host_and_port: str) -> str:
        """Log in; while the image prepares the database it listens on no port."""
        url = f"postgresql://onhand:{self._password}@{host_and_port}/onhand"
        psycopg.connect(url, connect_timeout=3).close()
        return url


class ContainerS3(Container):
    """RustFS. The address is the endpoint's URL; log in with `access_key_id` and `secret_access_key`."""

    image = "rustfs/rustfs:1.0.0"
    port_inside = 9000
    retry_on = (BotoCoreError, ClientError)

    def __init__(self) -> None:
        super().__init__()
        self.access_key_id = "onhand"
        self.secret_access_key = secrets.token_hex(16)

    def configure(self, container: "DockerContainer", port: int) -> None:  # noqa: ARG002
        """Set the login, and leave the console out."""
        container.with_command(["/data"]).with_envs(
            RUSTFS_ADDRESS=":9000",
            RUSTFS_CONSOLE_ENABLE="false",
            RUSTFS_ACCESS_KEY=self.access_key_id,
            RUSTFS_SECRET_KEY=self.secret_access_key,
        )

    def probe(self, host_and_port: str) -> str:
        """List the buckets."""
        url = f"http://{host_and_port}"
        boto3.client(
            "s3",
            endpoint_url=url,
            region_name=Endpoints.s3_region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        ).list_buckets()
        return url
