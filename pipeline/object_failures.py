"""What the failures of an S3 store mean to onhand."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from urllib3.exceptions import HTTPError

from pipeline.errors import Invalid, TryLater
from schemas.errors import ErrorCode

_BAD_NAMES: Final = {"InvalidBucketName", "KeyTooLongError", "InvalidURI", "InvalidArgument"}
_PASSING: Final = {
    "SlowDown",
    "Throttling",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "ExpiredToken",  # the credentials are renewed, or an operator renews them
    "InvalidToken",
    "RequestTimeTooSkewed",
    "NoSuchUpload",  # a lifecycle rule or another process took the unfinished upload away
}


@contextmanager
def failures(bucket: str, key: str | None = None) -> Iterator[None]:
    """The one place where the store's failures become onhand's. No key: what is missing can only be the bucket."""
    name = f"s3://{bucket}/{key or ''}"
    try:
        yield
    except ParamValidationError as error:
        raise Invalid(ErrorCode.FILE_NOT_FOUND, f"{name}: {error}") from error
    except ClientError as error:
        raise _meaning(error, bucket, key, name) from error
    except (BotoCoreError, HTTPError) as error:
        raise TryLater(f"{name}: {error}") from error


@contextmanager
def own_bucket() -> Iterator[None]:
    """For a bucket that is onhand's own: what it refuses is the operator's to mend, no fault of the work."""
    try:
        yield
    except Invalid as error:
        raise TryLater(str(error)) from error


@contextmanager
def own_object() -> Iterator[None]:
    """For an object that onhand wrote into its own bucket: only that it is gone is Invalid, and lasts."""
    try:
        yield
    except Invalid as error:
        if error.code is ErrorCode.FILE_NOT_FOUND and error.detail.startswith("s3://"):
            raise
        raise TryLater(str(error)) from error


def _meaning(error: ClientError, bucket: str, key: str | None, name: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500 or status in {408, 429} or code in _PASSING:
        return TryLater(f"{name}: {error}")
    if code == "NoSuchBucket" or (key is None and status == 404):
        return Invalid(ErrorCode.FILE_NOT_FOUND, f"bucket {bucket!r} does not exist")
    if status in {404, 405} or code in {"NoSuchKey", *_BAD_NAMES}:  # 405: the version says that it was deleted
        return Invalid(ErrorCode.FILE_NOT_FOUND, name)
    if status == 403 or code == "AccessDenied":
        return Invalid(ErrorCode.FILE_FORBIDDEN, name)
    return Invalid(ErrorCode.FILE_CHANGED, name) if status == 412 else error
