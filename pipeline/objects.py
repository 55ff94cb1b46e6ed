"""Object storage: the few S3 operations that onhand needs, with failures in onhand's own two words."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.errors import Invalid
from pipeline.iterable_file import IterableFile
from pipeline.object_failures import failures
from schemas.errors import ErrorCode

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

_NO_VERSION: Final = "null"
"""What stores call the version of an object that was written while the bucket kept no versions."""
_PART_BYTES: Final = 8 * 2**20
# At most ten parts wait in memory (a constant of s3transfer), two are on their way at a time.
_TRANSFER: Final = TransferConfig(
    multipart_threshold=_PART_BYTES,
    multipart_chunksize=_PART_BYTES,
    max_concurrency=2,
    preferred_transfer_client="classic",
)


@dataclass(frozen=True)
class ObjectInfo:
    """One version of an object: its ETag without quotes, its size in bytes, and when it was written.

    `version_id` is what the bucket calls the version, None where it keeps only one. `metadata` is what the writer said
    of it, and is not in a listing.
    """

    etag: str
    size: int
    last_modified: datetime
    version_id: str | None = field(default=None, kw_only=True)
    metadata: Mapping[str, str] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class ListedObject(ObjectInfo):
    """An object as a listing shows it."""

    key: str


class ObjectStore:
    """One S3-compatible store. Safe to share between threads.

    What is read is pinned by `etag`, and by `version_id` where the bucket keeps versions: then one that was replaced
    can still be read. Without either it is what is there now.

    Every method raises:
        Invalid: FILE_NOT_FOUND, FILE_FORBIDDEN, or FILE_CHANGED where another ETag was asked for.
        TryLater: the store is away, overloaded, or broke the connection.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        region: str,
        access_key_id: str | None,
        secret_access_key: str | None,
        public_endpoint_url: str | None = None,
    ) -> None:
        """No endpoint: AWS. No key: the usual AWS credential chain. Nothing connects before the first call.

        `public_endpoint_url` is the store's address for people, where it differs: links are signed for that host.
        """
        client = partial(
            boto3.client,
            "s3",
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 4},
                # Stores other than AWS do not all know the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self._client: S3Client = client(endpoint_url=endpoint_url)
        self._signer: S3Client = client(endpoint_url=public_endpoint_url) if public_endpoint_url else self._client

    def head(self, bucket: str, key: str, etag: str | None = None, version_id: str | None = None) -> ObjectInfo:
        """What is there under the key, in the version asked for; FILE_CHANGED when that is not `etag`."""
        try:
            with failures(bucket, key):
                answer = self._client.head_object(Bucket=bucket, Key=key, **_pin(etag, version_id))
        except Invalid as error:
            if error.code is ErrorCode.FILE_NOT_FOUND:
                self._require_bucket(bucket)  # the answer to HEAD has no body that would say which of the two it is
            raise
        except ClientError as error:
            if version_id is None or _status(error) != 400:
                raise
            self._require_bucket(bucket)  # again: it is the version's name that is wrong where this goes well
            raise Invalid(ErrorCode.FILE_NOT_FOUND, f"s3://{bucket}/{key} in version {version_id}") from error
        return ObjectInfo(
            etag=_bare(answer["ETag"]),
            size=answer["ContentLength"],
            last_modified=answer["LastModified"],
            version_id=None if answer.get("VersionId") in {"", _NO_VERSION} else answer.get("VersionId"),
            metadata=answer.get("Metadata", {}),
        )

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is an object under the key."""
        try:
            self.head(bucket, key)
        except Invalid as error:
            if error.code is not ErrorCode.FILE_NOT_FOUND:
                raise
            return False
        return True

    def stream(  # noqa: PLR0913 - what to read, and from where
        self, bucket: str, key: str, *, etag: str, chunk_size: int, version_id: str | None = None, start: int = 0
    ) -> Iterator[bytes]:
        """The bytes from `start` on of exactly this version, in chunks of `chunk_size` bytes, the last one shorter."""
        body = self._open(bucket, key, _pin(etag, version_id), f"bytes={start}-" if start else None)
        if body is None:
            return
        try:
            chunks = body.iter_chunks(chunk_size)
            while True:
                with failures(bucket, key):
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                yield chunk
        finally:
            body.close()

    def read_range(  # noqa: PLR0913 - what to read, and from where
        self, bucket: str, key: str, start: int, size: int, *, etag: str | None, version_id: str | None = None
    ) -> bytes:
        """`size` bytes from `start` on of exactly this version; fewer where it ends before."""
        if size <= 0:
            return b""
        body = self._open(bucket, key, _pin(etag, version_id), f"bytes={start}-{start + size - 1}")
        if body is None:
            return b""
        try:
            with failures(bucket, key):
                return body.read()
        finally:
            body.close()

    def download(self, bucket: str, key: str) -> bytes:
        """The whole object; for small ones."""
        with failures(bucket, key):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put_bytes(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object; for small ones."""
        with failures(bucket, key):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def put_file(self, bucket: str, key: str, path: Path) -> None:
        """Write an object from a file of any size."""
        with path.open("rb") as file:
            self._upload(bucket, key, file)

    def upload_stream(self, bucket: str, key: str, chunks: Iterable[bytes]) -> int:
        """Write an object of unknown size in bounded memory; its size in bytes.

        What the iterable raises is raised here, and then there is no object (or still the one that was there before).
        The iterable is read in another thread, and has been left alone when this returns.
        """
        source = IterableFile(chunks)
        self._upload(bucket, key, io.BufferedReader(source))
        return source.size

    def presigned_get(self, bucket: str, key: str, seconds: int) -> str:
        """A URL that anybody can fetch the object from for so long; S3 allows at most seven days."""
        with failures(bucket, key):
            return self._signer.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds
            )

    def list(self, bucket: str, prefix: str = "") -> Iterator[ListedObject]:
        """All objects whose key begins with `prefix`, in the order of their keys, read page by page."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
        while True:
            with failures(bucket):
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", []):
                yield ListedObject(
                    key=found["Key"],
                    etag=_bare(found["ETag"]),
                    size=found["Size"],
                    last_modified=found["LastModified"],
                )

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        with failures(bucket, key):
            self._client.delete_object(Bucket=bucket, Key=key)

    def delete_prefix(self, bucket: str, prefix: str) -> None:
        """Remove all objects whose key begins with `prefix`, and what broken-off uploads left under such keys."""
        with failures(bucket):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                self._delete(bucket, [found["Key"] for found in page.get("Contents", [])])
            for uploads in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
                for upload in uploads.get("Uploads", []):
                    self._client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def ensure_bucket(self, bucket: str) -> None:
        """Make the bucket unless it is there; then no right to make buckets is needed."""
        try:
            self._require_bucket(bucket)
        except Invalid as error:
            if error.code is not ErrorCode.FILE_NOT_FOUND:
                raise
            self._make_bucket(bucket)

    def _make_bucket(self, bucket: str) -> None:
        region: Any = self._client.meta.region_name
        # us-east-1 is the one region that S3 refuses to be told.
        place: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with failures(bucket), suppress(self._client.exceptions.BucketAlreadyOwnedByYou):
            self._client.create_bucket(Bucket=bucket, **place)

    def _open(self, bucket: str, key: str, pin: dict[str, Any], wanted: str | None) -> "StreamingBody | None":
        """The bytes asked for; None where the object ends before they begin."""
        part: dict[str, Any] = {} if wanted is None else {"Range": wanted}
        with failures(bucket, key):
            try:
                return self._client.get_object(Bucket=bucket, Key=key, **pin, **part)["Body"]
            except ClientError as error:
                if _status(error) == 416:
                    return None
                raise

    def _require_bucket(self, bucket: str) -> None:
        with failures(bucket):
            self._client.head_bucket(Bucket=bucket)

    def _upload(self, bucket: str, key: str, file: IO[bytes]) -> None:
        with failures(bucket, key):
            self._client.upload_fileobj(file, bucket, key, Config=_TRANSFER)

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        if not keys:
            return
        answer = self._client.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        for error in answer.get("Errors", []):
            raise ClientError(
                {"Error": {"Code": error.get("Code", ""), "Message": error.get("Message", "")}}, "DeleteObjects"
            )


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _bare(etag: str) -> str:
    return etag.strip('"')


def _pin(etag: str | None, version_id: str | None) -> dict[str, Any]:
    pin = {} if etag is None else {"IfMatch": f'"{_bare(etag)}"'}
    return pin if version_id is None else {**pin, "VersionId": version_id}
