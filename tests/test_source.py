"""Where the file of a sync may be, and that it is pinned to one version wherever it is."""

from dataclasses import replace
from uuid import uuid4

import pytest

from pipeline.errors import Invalid
from pipeline.objects import ObjectStore
from pipeline.uploads.source import ObjectSource, SourceLimits, fetch, locate
from pipeline.web import WebLimits
from schemas.errors import ErrorCode
from tests.support.web import web_file

LIMITS = SourceLimits("uploads", ("work",), WebLimits(timeout_seconds=5, max_bytes=1000, allow_private=True))


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"{uuid4()}.csv"


def code_of(url: str, objects: ObjectStore, account_id: str = "acme", limits: SourceLimits = LIMITS) -> ErrorCode:
    with pytest.raises(Invalid) as raised:
        locate(url, account_id, None, None, objects, limits)
    return raised.value.code


def test_an_account_reads_below_its_own_name_and_in_buckets_that_are_open_to_all(
    objects: ObjectStore, name: str
) -> None:
    for bucket, key in (("uploads", f"acme/w1/{name}"), ("uploads", f"acme/{name}"), ("work", f"other/{name}")):
        objects.put_bytes(bucket, key, b"sku,quantity\n")
        etag = objects.head(bucket, key).etag
        found = locate(f"s3://{bucket}/{key}", "acme", None, None, objects, LIMITS)
        assert found == ObjectSource(bucket, key, etag, None, 13)


@pytest.mark.parametrize(
    "url",
    [
        "s3://uploads/other/w1/stock.csv",
        "s3://uploads/acme",
        "s3://uploads/acme-2/w1/stock.csv",
        "s3://uploads/acme/../other/w1/stock.csv",
        "s3://uploads/acme/./stock.csv",
        "s3://work/../uploads/other/w1/stock.csv",
        "s3://snapshots/acme/stock.csv",
        "s3://uploads",
        "s3://",
    ],
)
def test_no_other_object_is_looked_at(objects: ObjectStore, url: str) -> None:
    assert code_of(url, objects) is ErrorCode.URL_NOT_ALLOWED


def test_the_files_of_rejects_belong_to_no_account_that_has_their_name(objects: ObjectStore, name: str) -> None:
    objects.put_bytes("uploads", f"rejects/{name}", b"sku,quantity\n")

    assert code_of(f"s3://uploads/rejects/{name}", objects, "rejects") is ErrorCode.URL_NOT_ALLOWED


def test_an_object_that_was_replaced_is_refused_and_one_of_a_version_that_is_kept_is_not(
    objects: ObjectStore, name: str
) -> None:
    bucket = f"onhand-{uuid4()}"
    objects.ensure_bucket(bucket)
    objects._client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    limits = replace(LIMITS, source_buckets=(bucket,))
    objects.put_bytes(bucket, name, b"first")
    first = locate(f"s3://{bucket}/{name}", "acme", None, None, objects, limits)
    objects.put_bytes(bucket, name, b"second one")

    with pytest.raises(Invalid) as raised:
        locate(f"s3://{bucket}/{name}", "acme", first.etag, None, objects, limits)

    assert raised.value.code is ErrorCode.FILE_CHANGED
    assert first.version_id is not None
    assert locate(f"s3://{bucket}/{name}", "acme", first.etag, first.version_id, objects, limits) == first


def test_an_object_that_is_too_large_is_refused_before_it_is_read(objects: ObjectStore, name: str) -> None:
    objects.put_bytes("work", name, b"x" * 1001)

    assert code_of(f"s3://work/{name}", objects) is ErrorCode.FILE_TOO_LARGE


def test_a_file_from_the_web_can_be_read_in_any_order_and_is_gone_afterwards() -> None:
    with web_file(b"sku,quantity\nA,1\n") as url, fetch(url, None, LIMITS) as found:
        assert found.file.read(3) == b"sku"
        found.file.seek(13)
        assert found.file.read() == b"A,1\n"
        assert found.size == 17
    assert found.file.closed


def test_a_file_from_the_web_without_an_etag_is_pinned_by_its_bytes() -> None:
    with web_file(b"first", b"first", b"second") as url:
        with fetch(url, None, LIMITS) as found:
            etag = found.etag
        with fetch(url, etag, LIMITS) as again:
            assert again.etag == etag
        with pytest.raises(Invalid) as raised, fetch(url, etag, LIMITS):
            pass
    assert raised.value.code is ErrorCode.FILE_CHANGED


def test_a_file_from_the_web_that_is_too_large_is_refused() -> None:
    with web_file(b"x" * 1001) as url, pytest.raises(Invalid) as raised, fetch(url, None, LIMITS):
        pass
    assert raised.value.code is ErrorCode.FILE_TOO_LARGE
