"""Apache Kafka without Docker: one node in KRaft mode, from Maven Central. `python -m infra.stack.apache_kafka DIR`."""

import argparse
import base64
import sys
import uuid
from pathlib import Path

from infra.stack.broker import wait_for_broker
from infra.stack.directory import DataDirectory
from infra.stack.foreground import serve
from infra.stack.kafka_programs import fetch_jars, find_jars, find_java
from infra.stack.process import ChildProcess
from infra.stack.server import Server, clean_environment

# Kafka writes to its standard output, which ChildProcess has in a file: there a failing start is looked up
LOGGING = """\
status = error
rootLogger.level = warn
rootLogger.appenderRefs = stdout
rootLogger.appenderRef.stdout.ref = STDOUT
appenders = stdout
appender.stdout.type = Console
appender.stdout.name = STDOUT
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{ISO8601} %p %m (%c)%n
"""
# relative to the working directory: in a properties file a comma or a backslash of a path would mean something
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{client}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs=data
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
"""


class ApacheKafka(Server):
    """A real broker: idempotent and transactional producers, and topics, messages and offsets that outlive a stop."""

    name = "kafka"
    ports_needed = 2

    def launch(self, ports: list[int]) -> str:
        """Fetch the programs and format the storage the first time, start it; `host:port` to bootstrap from."""
        java = find_java()
        jars = find_jars() or fetch_jars(self._process("maven"))
        client, controller = ports
        (self.directory / "server.properties").write_text(SETTINGS.format(client=client, controller=controller))
        (self.directory / "log4j2.properties").write_text(LOGGING)
        environment = clean_environment(self.directory)
        run: list[str | Path] = [java, "-Dlog4j2.configurationFile=log4j2.properties", "-cp", jars / "*"]
        if not (self.directory / "data" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
            order = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster]
            formatting = self._process("kafka-format")
            formatting.start([*run, *order, "-c", "server.properties"], cwd=self.directory, environment=environment)
            formatting.wait_until_done(seconds=60)
        process = self._process(self.name, grace=20.0)
        process.start(
            [*run, "-Xms256m", "-Xmx1g", "kafka.Kafka", "server.properties"],
            cwd=self.directory,
            environment=environment,
        )
        address = f"127.0.0.1:{client}"
        wait_for_broker(process, address, seconds=90)
        return address

    def _process(self, name: str, *, grace: float = 5.0) -> ChildProcess:
        log = self.log.with_name(f"{name}.log")
        return self.child(ChildProcess(name, log, keep_open=self.keep_open, grace=grace))


def main() -> int:
    """Run the broker alone until Ctrl-C or SIGTERM, printing its address as an `ONHAND_*` line when it serves."""
    parser = argparse.ArgumentParser(prog="python -m infra.stack.apache_kafka", description=main.__doc__)
    parser.add_argument("data_dir", type=Path)
    directory = DataDirectory(parser.parse_args().data_dir)
    started: list[ApacheKafka] = []

    def start() -> dict[str, str]:
        kafka = ApacheKafka(directory.path, keep_open=(directory.claim(),))
        started.append(kafka)
        return {"ONHAND_KAFKA_BOOTSTRAP_SERVERS": kafka.start()}

    def stop() -> None:
        for kafka in started:
            kafka.stop()
        directory.release()

    return serve(start, stop)


if __name__ == "__main__":
    sys.exit(main())
