"""The embedded stack: PostgreSQL, an S3 store and a Kafka broker on this machine, as one context manager."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal

from infra.stack.broker import EmbeddedBroker
from infra.stack.credentials import load_or_create
from infra.stack.directory import DataDirectory
from infra.stack.endpoints import Endpoints
from infra.stack.errors import StackError
from infra.stack.objectstore import ObjectStore
from infra.stack.postgres import Postgres
from infra.stack.server import Server

KafkaKind = Literal["embedded", "apache"]


class EmbeddedStack:
    """Servers with their data in `data_dir`, for this process: when it ends, in whichever way, they end.

    Database and objects outlive a stop and are there at the next start on the same directory, at the same addresses
    where the ports are still free. Messages outlive it with `kafka="apache"` only. `broker=False` starts no broker.
    An object starts once. No signal handlers are installed.
    """

    def __init__(self, data_dir: Path, *, broker: bool = True, kafka: KafkaKind = "embedded") -> None:
        self._directory = DataDirectory(data_dir)
        self._broker_kind: KafkaKind | None = kafka if broker else None
        self._servers: list[Server] = []

    def start(self) -> Endpoints:
        """Start all servers at once and wait until they serve.

        StackError when the directory is not ours or is in use, or a server does not come up; then, and when
        interrupted, what had started is stopped again.
        """
        if self._servers:
            raise StackError("this stack was started before: make a new EmbeddedStack")
        lock = (self._directory.claim(),)
        try:
            path = self._directory.path
            credentials = load_or_create(path / "credentials.json")
            postgres = Postgres(path, credentials, keep_open=lock)
            objects = ObjectStore(path, credentials, keep_open=lock)
            broker = _broker(self._broker_kind, path, lock) if self._broker_kind else None
            self._servers = [postgres, objects, *([broker] if broker else [])]
            with ThreadPoolExecutor(len(self._servers)) as pool:
                try:
                    pending = [pool.submit(server.start) for server in self._servers]
                    addresses = [future.result() for future in pending]
                except BaseException:
                    for server in self._servers:
                        server.request_stop()  # lets the other threads fail, which leaving the pool waits for
                    raise
        except BaseException:
            self.stop()
            raise
        return Endpoints(
            database_url=addresses[0],
            kafka_bootstrap_servers=addresses[2] if broker else "",
            s3_endpoint_url=addresses[1],
            s3_access_key_id=credentials.s3_access_key_id,
            s3_secret_access_key=credentials.s3_secret_access_key,
            kafka_idempotence=self._broker_kind != "embedded",
        )

    def check(self) -> None:
        """StackError, with the end of its log, when a server has died."""
        for server in self._servers:
            server.check()

    def stop(self) -> None:
        """Stop all servers in order and give the directory up.

        May be called at any time, more than once, and from a signal handler; interrupted, it can be called again.
        """
        for server in self._servers:
            server.request_stop()
        for server in self._servers:
            server.join()
        self._directory.release()

    def __enter__(self) -> Endpoints:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _broker(kind: KafkaKind, data_dir: Path, lock: tuple[int]) -> Server:
    if kind == "embedded":
        return EmbeddedBroker(data_dir, keep_open=lock)
    # here, because apache_kafka is a program too, and must not be imported before it is run
    from infra.stack.apache_kafka import ApacheKafka  # noqa: PLC0415

    return ApacheKafka(data_dir, keep_open=lock)
