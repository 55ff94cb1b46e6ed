"""Object storage against a real S3 store: what is written is read back, and failures have the right name."""

import socket
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from consumers.connections import object_store
from consumers.settings import Settings
from pipeline.errors import Invalid, TryLater
from pipeline.objects import ObjectStore
from schemas.errors import ErrorCode

BUCKET = "work"
MIB = 2**20


@pytest.fixture
def key() -> str:
    return f"test-objects/{uuid4()}"


def store_at(port: int) -> ObjectStore:
    return ObjectStore(
        endpoint_url=f"http://127.0.0.1:{port}",
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",  # noqa: S106
    )


def refusal(raised: pytest.ExceptionInfo[Invalid]) -> tuple[ErrorCode, str]:
    return raised.value.code, raised.value.detail


def test_small_object_is_read_back(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"sku,quantity\n")

    info = objects.head(BUCKET, key)

    assert objects.download(BUCKET, key) == b"sku,quantity\n"
    assert info.size == 13
    assert '"' not in info.etag
    assert objects.head(BUCKET, key, info.etag) == info
    assert objects.head(BUCKET, key, f'"{info.etag}"') == info


def test_file_is_read_back_in_chunks(objects: ObjectStore, key: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096 * 20  # 20 MiB: several parts
    (tmp_path / "file").write_bytes(data)
    objects.put_file(BUCKET, key, tmp_path / "file")

    chunks = list(objects.stream(BUCKET, key, etag=objects.head(BUCKET, key).etag, chunk_size=3 * MIB))

    assert b"".join(chunks) == data
    assert {len(chunk) for chunk in chunks[:-1]} == {3 * MIB}


def test_empty_object_streams_nothing(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"")

    assert list(objects.stream(BUCKET, key, etag=objects.head(BUCKET, key).etag, chunk_size=MIB)) == []


def test_replaced_object_is_refused(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"first")
    etag = objects.head(BUCKET, key).etag
    objects.put_bytes(BUCKET, key, b"second")

    with pytest.raises(Invalid) as streamed:
        list(objects.stream(BUCKET, key, etag=etag, chunk_size=MIB))
    with pytest.raises(Invalid) as asked:
        objects.head(BUCKET, key, etag)

    expected = (ErrorCode.FILE_CHANGED, f"s3://{BUCKET}/{key}")
    assert refusal(streamed) == refusal(asked) == expected


def test_ranges_are_read_and_end_where_the_object_ends(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"0123456789")
    etag = objects.head(BUCKET, key).etag

    def read(start: int, size: int) -> bytes:
        return objects.read_range(BUCKET, key, start, size, etag=etag)

    assert [read(0, 3), read(3, 7), read(8, 100), read(10, 1), read(50, 5), read(2, 0)] == [
        b"012", b"3456789", b"89", b"", b"", b""
    ]  # fmt: skip


def test_a_range_of_an_empty_object_is_empty(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"")

    assert objects.read_range(BUCKET, key, 0, 10, etag=objects.head(BUCKET, key).etag) == b""


@pytest.mark.parametrize("start", [0, 1, 4, 9, 10, 11])
def test_stream_goes_on_where_it_is_wanted(objects: ObjectStore, key: str, start: int) -> None:
    objects.put_bytes(BUCKET, key, b"0123456789")

    chunks = list(objects.stream(BUCKET, key, etag=objects.head(BUCKET, key).etag, chunk_size=4, start=start))

    assert b"".join(chunks) == b"0123456789"[start:]
    assert {len(chunk) for chunk in chunks[:-1]} <= {4}


def test_ranges_of_an_object_that_was_replaced_are_refused(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"first")
    etag = objects.head(BUCKET, key).etag
    objects.put_bytes(BUCKET, key, b"second")

    for read in (
        lambda: objects.read_range(BUCKET, key, 1, 2, etag=etag),
        lambda: list(objects.stream(BUCKET, key, etag=etag, chunk_size=MIB, start=2)),
    ):
        with pytest.raises(Invalid) as raised:
            read()
        assert refusal(raised) == (ErrorCode.FILE_CHANGED, f"s3://{BUCKET}/{key}")


@pytest.fixture
def versioned(objects: ObjectStore) -> str:
    """A bucket that keeps versions."""
    bucket = f"onhand-{uuid4()}"
    objects.ensure_bucket(bucket)
    objects._client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def test_a_version_that_was_replaced_or_deleted_can_still_be_read(objects: ObjectStore, versioned: str) -> None:
    objects.put_bytes(versioned, "key", b"first")
    first = objects.head(versioned, "key")
    objects.put_bytes(versioned, "key", b"second one")
    second = objects.head(versioned, "key")
    objects.delete(versioned, "key")

    assert first.version_id != second.version_id
    for info, content in ((first, b"first"), (second, b"second one")):
        etag, version_id = info.etag, info.version_id
        chunks = objects.stream(versioned, "key", etag=etag, version_id=version_id, chunk_size=4, start=2)
        assert objects.head(versioned, "key", etag, version_id) == info
        assert objects.read_range(versioned, "key", 1, 3, etag=etag, version_id=version_id) == content[1:4]
        assert b"".join(chunks) == content[2:]
    with pytest.raises(Invalid) as raised:
        objects.head(versioned, "key")
    assert raised.value.code is ErrorCode.FILE_NOT_FOUND


def test_a_version_with_another_etag_is_refused(objects: ObjectStore, versioned: str) -> None:
    objects.put_bytes(versioned, "key", b"first")
    info = objects.head(versioned, "key")

    for read in (
        lambda: objects.head(versioned, "key", "other", info.version_id),
        lambda: objects.read_range(versioned, "key", 0, 1, etag="other", version_id=info.version_id),
    ):
        with pytest.raises(Invalid) as raised:
            read()
        assert raised.value.code is ErrorCode.FILE_CHANGED


@pytest.mark.parametrize("version_id", ["no such version", "0" * 32])
def test_a_version_that_never_was_is_not_found(objects: ObjectStore, versioned: str, version_id: str) -> None:
    objects.put_bytes(versioned, "key", b"first")
    etag = objects.head(versioned, "key").etag

    for read in (
        lambda: objects.head(versioned, "key", etag, version_id),
        lambda: objects.read_range(versioned, "key", 0, 1, etag=etag, version_id=version_id),
    ):
        with pytest.raises(Invalid) as raised:
            read()
        assert raised.value.code is ErrorCode.FILE_NOT_FOUND


def test_a_store_that_calls_a_version_a_bad_request_means_that_there_is_none() -> None:
    """As AWS does; its answer to HEAD says no more than the status."""

    class Aws(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(400 if "versionId" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Aws) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with pytest.raises(Invalid) as raised:
            store_at(server.server_port).head(BUCKET, "key", "etag", "v1")
        server.shutdown()
        thread.join()

    assert refusal(raised) == (ErrorCode.FILE_NOT_FOUND, f"s3://{BUCKET}/key in version v1")


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 8 * MIB, 30 * MIB + 7])
def test_stream_of_any_size_is_written(objects: ObjectStore, key: str, size: int) -> None:
    data = b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    odd = 1_000_003

    written = objects.upload_stream(BUCKET, key, (data[start : start + odd] for start in range(0, size, odd)))

    assert written == size
    assert objects.download(BUCKET, key) == data


@pytest.mark.parametrize("good_parts", [0, 4])
def test_broken_stream_leaves_nothing(objects: ObjectStore, key: str, good_parts: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(good_parts):
            yield bytes(8 * MIB)
        raise LookupError("the source broke")

    with pytest.raises(LookupError, match="the source broke"):
        objects.upload_stream(BUCKET, key, chunks())

    assert list(objects.list(BUCKET, key)) == []
    assert unfinished_uploads(objects, key) == []


def test_presigned_link_needs_no_credentials(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"for anybody")

    url = objects.presigned_get(BUCKET, key, 60)

    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own store
        assert answer.read() == b"for anybody"


def test_a_link_is_signed_for_the_address_that_people_use(objects: ObjectStore, settings: Settings, key: str) -> None:
    outer = str(settings.s3_endpoint_url).replace("127.0.0.1", "localhost")
    objects.put_bytes(BUCKET, key, b"for anybody")

    objects = object_store(settings.model_copy(update={"s3_public_endpoint_url": outer}))

    url = objects.presigned_get(BUCKET, key, 60)

    assert url.startswith(outer)
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own store
        assert answer.read() == b"for anybody"


def test_head_tells_when_an_object_was_written_and_what_its_writer_said_of_it(objects: ObjectStore, key: str) -> None:
    objects._client.put_object(Bucket="work", Key=key, Body=b"x", Metadata={"onhand-force": "true"})
    info = objects.head("work", key)
    assert info.metadata == {"onhand-force": "true"}
    assert abs((datetime.now(UTC) - info.last_modified).total_seconds()) < 300
    [listed] = objects.list("work", key)
    assert abs((listed.last_modified - info.last_modified).total_seconds()) <= 1


def test_listing_and_deleting_know_the_prefix(objects: ObjectStore, key: str) -> None:
    for name in ("b", "a"):
        objects.put_bytes(BUCKET, f"{key}/{name}", name.encode())
    objects.put_bytes(BUCKET, f"{key}-other", b"other")

    etag = objects.head(BUCKET, f"{key}/a").etag
    listed = list(objects.list(BUCKET, f"{key}/"))
    objects.delete_prefix(BUCKET, f"{key}/")
    remaining = [found.key for found in objects.list(BUCKET, key)]

    assert [(found.key, found.size) for found in listed] == [(f"{key}/a", 1), (f"{key}/b", 1)]
    assert listed[0].etag == etag
    assert remaining == [f"{key}-other"]


def test_deleting_twice_is_the_same_as_once(objects: ObjectStore, key: str) -> None:
    objects.put_bytes(BUCKET, key, b"x")

    objects.delete(BUCKET, key)
    objects.delete(BUCKET, key)

    assert list(objects.list(BUCKET, key)) == []


def test_deleting_takes_unfinished_uploads_along(objects: ObjectStore, key: str) -> None:
    started = objects._client.create_multipart_upload(Bucket=BUCKET, Key=key)
    objects._client.upload_part(Bucket=BUCKET, Key=key, UploadId=started["UploadId"], PartNumber=1, Body=bytes(5 * MIB))
    assert unfinished_uploads(objects, key) == [key]

    objects.delete_prefix(BUCKET, key)

    assert unfinished_uploads(objects, key) == []


def test_bucket_is_made_once(objects: ObjectStore) -> None:
    name = f"onhand-{uuid4()}"

    objects.ensure_bucket(name)
    objects.ensure_bucket(name)

    assert list(objects.list(name)) == []
    objects._client.delete_bucket(Bucket=name)


def test_missing_object_is_named(objects: ObjectStore, key: str) -> None:
    expected = (ErrorCode.FILE_NOT_FOUND, f"s3://{BUCKET}/{key}")
    for read in (
        lambda: objects.head(BUCKET, key),
        lambda: objects.download(BUCKET, key),
        lambda: list(objects.stream(BUCKET, key, etag="x", chunk_size=MIB)),
    ):
        with pytest.raises(Invalid) as raised:
            read()
        assert refusal(raised) == expected


def test_missing_bucket_is_named(objects: ObjectStore) -> None:
    expected = (ErrorCode.FILE_NOT_FOUND, "bucket 'no-such-bucket' does not exist")
    for use in (
        lambda: objects.head("no-such-bucket", "key"),
        lambda: objects.download("no-such-bucket", "key"),
        lambda: list(objects.list("no-such-bucket")),
        lambda: objects.delete_prefix("no-such-bucket", "key"),
        lambda: objects.put_bytes("no-such-bucket", "key", b"x"),
        lambda: objects.upload_stream("no-such-bucket", "key", [bytes(9 * MIB)]),
    ):
        with pytest.raises(Invalid) as raised:
            use()
        assert refusal(raised) == expected


def test_impossible_bucket_name_is_refused(objects: ObjectStore) -> None:
    with pytest.raises(Invalid) as raised:
        objects.head("not a bucket!", "key")

    assert raised.value.code is ErrorCode.FILE_NOT_FOUND
    assert "not a bucket!" in raised.value.detail


def test_wrong_credentials_are_forbidden(objects: ObjectStore, key: str) -> None:
    port = int(objects._client.meta.endpoint_url.rsplit(":", 1)[1])

    with pytest.raises(Invalid) as raised:
        store_at(port).download(BUCKET, key)

    assert refusal(raised) == (ErrorCode.FILE_FORBIDDEN, f"s3://{BUCKET}/{key}")


def test_absent_store_is_for_later() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        store = store_at(unused.getsockname()[1])

        with pytest.raises(TryLater, match=f"s3://{BUCKET}/key"):
            store.head(BUCKET, "key")


def test_connection_lost_in_the_middle_is_for_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_half, args=(server,))
        thread.start()
        chunks = store_at(server.getsockname()[1]).stream(BUCKET, "key", etag="e", chunk_size=10)

        assert next(chunks) == b"x" * 10
        with pytest.raises(TryLater, match=f"s3://{BUCKET}/key"):
            list(chunks)
        thread.join()


def answer_half(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "e"\r\n\r\n' + b"x" * 500)


def unfinished_uploads(objects: ObjectStore, prefix: str) -> list[str]:
    answer = objects._client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
    return [upload["Key"] for upload in answer.get("Uploads", [])]
