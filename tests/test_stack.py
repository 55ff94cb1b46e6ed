"""The embedded stack, with its real servers: what it promises to whoever starts it, and to the machine it runs on."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.stack import EmbeddedStack, Endpoints, StackError, server
from infra.stack.apache_kafka import ApacheKafka
from infra.stack.broker import EmbeddedBroker
from infra.stack.containers import docker_available
from infra.stack.directory import DataDirectory
from infra.stack.ports import claim_ports
from infra.stack.process import ChildProcess

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


@pytest.fixture(scope="class")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "data"


@pytest.fixture(scope="class")
def endpoints(data_dir: Path) -> Iterator[Endpoints]:
    with EmbeddedStack(data_dir) as started:
        yield started


def s3(endpoints: Endpoints) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoints.s3_endpoint_url,
        region_name=endpoints.s3_region,
        aws_access_key_id=endpoints.s3_access_key_id,
        aws_secret_access_key=endpoints.s3_secret_access_key,
    )


def servers_of(pid: int) -> list[psutil.Process]:
    """The processes below `pid`, without those that were there before these tests."""
    running = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and child not in _before:
                running.append(child)
    return running


_before: list[psutil.Process] = []


@pytest.fixture(autouse=True, scope="module")
def only_what_these_tests_start() -> Iterator[None]:
    """The servers that other tests of the run use are not looked at here."""
    _before[:] = psutil.Process().children(recursive=True)
    yield
    _before.clear()


def wait_until_gone(processes: list[psutil.Process], seconds: float = 15) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=seconds)[1]


def run_stack(data_dir: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """The stack as a program of its own, once it serves, and the lines it printed."""
    program = subprocess.Popen(
        [sys.executable, "-m", "infra.stack", "--kafka", "none", str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    lines = [program.stdout.readline().strip() for _ in range(5)]
    return program, dict(line.split("=", 1) for line in lines)


class TestRunningStack:
    def test_has_a_database_named_onhand(self, endpoints: Endpoints) -> None:
        with psycopg.connect(endpoints.database_url) as connection:
            row = connection.execute("select current_database(), pg_encoding_to_char(encoding) from pg_database "
                                     "where datname = current_database()").fetchone()  # fmt: skip
        assert row == ("onhand", "UTF8")

    @pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"])
    def test_database_keeps_what_it_confirmed(self, endpoints: Endpoints, setting: str) -> None:
        with psycopg.connect(endpoints.database_url) as connection:
            assert connection.execute("select current_setting(%s)", [setting]).fetchone() == ("on",)

    def test_database_asks_for_a_password(self, endpoints: Endpoints) -> None:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(re.sub(r":\w+@", ":wrong@", endpoints.database_url))

    def test_objects_are_read_back_and_shared_by_presigned_links(self, endpoints: Endpoints) -> None:
        client = s3(endpoints)
        client.create_bucket(Bucket="shelf")
        client.put_object(Bucket="shelf", Key="a/b.csv", Body=b"sku,quantity\n")
        assert client.get_object(Bucket="shelf", Key="a/b.csv")["Body"].read() == b"sku,quantity\n"
        link = client.generate_presigned_url("get_object", Params={"Bucket": "shelf", "Key": "a/b.csv"})
        assert urllib.request.urlopen(link).read() == b"sku,quantity\n"  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link.split("?")[0])  # noqa: S310

    def test_a_bucket_has_to_be_made_before_it_is_written(self, endpoints: Endpoints) -> None:
        client = s3(endpoints)
        with pytest.raises(client.exceptions.NoSuchBucket):
            client.put_object(Bucket="nobody-made-this", Key="a", Body=b"")

    def test_broker_takes_topics_and_messages(self, endpoints: Endpoints) -> None:
        async def round_trip(address: str) -> bytes | None:
            admin = AIOKafkaAdminClient(bootstrap_servers=address)
            await admin.start()
            await admin.create_topics([NewTopic("greetings", 2, 1)])
            await admin.close()
            async with AIOKafkaProducer(bootstrap_servers=address) as producer:
                await producer.send_and_wait("greetings", b"hello", key=b"k")
            consumer = AIOKafkaConsumer(
                "greetings", bootstrap_servers=address, group_id="readers", auto_offset_reset="earliest"
            )
            async with consumer:
                return (await asyncio.wait_for(consumer.getone(), 20)).value

        assert asyncio.run(round_trip(endpoints.kafka_bootstrap_servers)) == b"hello"

    def test_names_its_endpoints_as_environment_variables(self, endpoints: Endpoints) -> None:
        variables = endpoints.environ()
        assert variables["ONHAND_DATABASE_URL"] == endpoints.database_url
        assert set(variables) == {
            "ONHAND_DATABASE_URL",
            "ONHAND_KAFKA_BOOTSTRAP_SERVERS",
            "ONHAND_S3_ENDPOINT_URL",
            "ONHAND_S3_ACCESS_KEY_ID",
            "ONHAND_S3_SECRET_ACCESS_KEY",
            "ONHAND_S3_REGION",
            "ONHAND_KAFKA_IDEMPOTENCE",
        }
        assert variables["ONHAND_KAFKA_IDEMPOTENCE"] == "false"  # the embedded broker knows no producer ids

    @pytest.mark.usefixtures("endpoints")
    def test_listens_on_the_loopback_interface_only(self) -> None:
        listening = [
            (process.name(), connection.laddr.ip, connection.laddr.port)
            for process in servers_of(os.getpid())
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 3
        assert [found for found in listening if found[1] not in LOOPBACK] == []

    def test_tells_no_other_user_its_passwords(self, endpoints: Endpoints, data_dir: Path) -> None:
        secrets = [endpoints.s3_secret_access_key, endpoints.database_url.split(":")[2].split("@")[0]]
        for process in servers_of(os.getpid()):
            assert not any(secret in " ".join(process.cmdline()) for secret in secrets)
        for file in (path for path in data_dir.rglob("*") if path.is_file() and path.stat().st_mode & 0o004):
            if all(parent.stat().st_mode & 0o001 for parent in file.parents if data_dir in parent.parents):
                assert not any(secret.encode() in file.read_bytes() for secret in secrets), file

    @pytest.mark.usefixtures("endpoints")
    def test_refuses_a_second_stack_on_the_same_directory(self, data_dir: Path) -> None:
        with pytest.raises(StackError, match=rf"in use by process {os.getpid()}\b.*stop that one"):
            EmbeddedStack(data_dir).start()


def test_next_start_has_the_same_rows_objects_and_addresses(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path / "data", broker=False) as first:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("create table kept as select 7 as answer")
        s3(first).create_bucket(Bucket="kept")
        s3(first).put_object(Bucket="kept", Key="object", Body=b"seven")
    assert wait_until_gone(servers_of(os.getpid()), 0) == []
    # as after a crash, with the process id given to somebody else in the meantime
    (tmp_path / "data/postgres/data/postmaster.pid").write_text(f"{os.getppid()}\n")
    with EmbeddedStack(tmp_path / "data", broker=False) as second:
        assert second == first
        assert "ONHAND_KAFKA_BOOTSTRAP_SERVERS" not in second.environ()
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("select answer from kept").fetchone() == (7,)
        assert s3(second).get_object(Bucket="kept", Key="object")["Body"].read() == b"seven"


def test_a_directory_with_foreign_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match="files in it that are not a stack's"):
        EmbeddedStack(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_killing_the_owner_leaves_no_server_behind_and_the_next_start_works(tmp_path: Path) -> None:
    owner, variables = run_stack(tmp_path / "data")
    with psycopg.connect(variables["ONHAND_DATABASE_URL"]) as connection:
        connection.execute("create table confirmed as select 1 as row")
    servers = servers_of(owner.pid)
    assert len(servers) >= 4
    owner.kill()
    owner.wait()
    # at once: it waits for the servers of the dead one
    with EmbeddedStack(tmp_path / "data", broker=False) as endpoints:
        assert wait_until_gone(servers, 1) == []
        with psycopg.connect(endpoints.database_url) as connection:
            assert connection.execute("select row from confirmed").fetchone() == (1,)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux kills a child whose parent is killed")
def test_killing_the_guards_as_well_leaves_no_server_behind(tmp_path: Path) -> None:
    owner, _ = run_stack(tmp_path / "data")
    servers = servers_of(owner.pid)
    for process in [psutil.Process(owner.pid), *psutil.Process(owner.pid).children()]:
        process.kill()
    owner.wait()
    assert wait_until_gone(servers) == []
    with EmbeddedStack(tmp_path / "data", broker=False) as endpoints:  # recovers
        assert psycopg.connect(endpoints.database_url).execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_in_order(tmp_path: Path, number: signal.Signals) -> None:
    program, _ = run_stack(tmp_path / "data")
    servers = servers_of(program.pid)
    program.send_signal(number)
    assert program.wait(20) == 0
    assert wait_until_gone(servers, 1) == []
    assert "database system is shut down" in (tmp_path / "data/logs/postgres.log").read_text()


@pytest.mark.parametrize("problem", [StackError("no broker today"), KeyboardInterrupt()])
def test_a_start_that_fails_half_way_stops_what_had_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException
) -> None:
    def fail(_broker: EmbeddedBroker, _ports: list[int]) -> str:
        time.sleep(0.5)
        raise problem

    monkeypatch.setattr(EmbeddedBroker, "launch", fail)
    with pytest.raises(type(problem)):
        EmbeddedStack(tmp_path / "data").start()
    assert servers_of(os.getpid()) == []
    directory = DataDirectory(tmp_path / "data")
    directory.claim()  # nothing holds it any more
    directory.release()


def test_stop_may_be_called_before_a_start_and_again_after_it(tmp_path: Path) -> None:
    stack = EmbeddedStack(tmp_path / "data", broker=False)
    stack.stop()
    stack.start()
    stack.stop()
    stack.stop()
    assert servers_of(os.getpid()) == []


def test_ports_taken_by_others_in_the_last_moment_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as others:
        taken: dict[Path, int] = {}

        def claim_and_lose_the_first_time(remembered: Path, count: int) -> list[int]:
            ports = claim_ports(remembered, count)
            if remembered not in taken:
                taken[remembered] = ports[0]
                others.enter_context(socket.create_server(("127.0.0.1", ports[0])))
            return ports

        monkeypatch.setattr(server, "claim_ports", claim_and_lose_the_first_time)
        with EmbeddedStack(tmp_path / "data") as endpoints:
            assert len(taken) == 3
            assert not any(str(port) in " ".join(endpoints.environ().values()) for port in taken.values())


def test_apache_kafka_without_java_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"needs Java.*install a Java of version 17"):
        ApacheKafka(tmp_path / "data").start()


def test_apache_kafka_with_an_old_java_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("""#!/bin/sh\necho 'openjdk version "11.0.2" 2019-01-15' >&2\n""")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StackError, match="says 11: install a Java of version 17"):
        ApacheKafka(tmp_path / "data").start()


def test_asking_for_docker_where_there_is_none_is_quick_and_quiet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    began = time.monotonic()
    assert docker_available() is False
    assert time.monotonic() - began < 2
    assert capfd.readouterr() == ("", "")


def test_a_server_that_exits_is_reported_at_once_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = ChildProcess("server", tmp_path / "server.log")
    process.start(["/bin/sh", "-c", "echo the disk is on fire; exit 3"], cwd=tmp_path, environment={})

    def never() -> None:
        raise ConnectionRefusedError

    began = time.monotonic()
    with pytest.raises(StackError, match=r"server exited with code 3(.|\n)*the disk is on fire"):
        process.wait_until_healthy(never, seconds=30, retry_on=(OSError,))
    assert time.monotonic() - began < 5


def test_a_server_that_ignores_its_stop_signal_is_killed(tmp_path: Path) -> None:
    process = ChildProcess("server", tmp_path / "server.log", grace=0.3)
    process.start(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], cwd=tmp_path, environment={})
    while not [child for child in servers_of(os.getpid()) if child.name() == "sh"]:
        time.sleep(0.05)
    process.stop()
    assert servers_of(os.getpid()) == []


def test_a_server_that_dies_is_noticed(tmp_path: Path) -> None:
    stack = EmbeddedStack(tmp_path / "data", broker=False)
    with stack:
        stack.check()
        [postgres] = [p for p in servers_of(os.getpid()) if p.name() == "postgres" and p.parent().name() != "postgres"]
        postgres.kill()
        wait_until_gone([postgres])
        with pytest.raises(StackError, match=r"postgres.*exited"):
            for _ in range(50):  # the guard needs a moment to notice
                stack.check()
                time.sleep(0.1)
