"""From a message about a dropped file to the sync that it starts."""

from typing import Any

import pytest

from pipeline.errors import Invalid
from pipeline.uploads.notifications import is_upload_key, sync_request_for, sync_requests
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync
from schemas.uploads import S3Notification

AWS = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "eu-central-1",
    "eventTime": "2026-01-01T00:00:00.000Z",
    "eventName": "ObjectCreated:Put",
    "userIdentity": {"principalId": "AWS:X"},
    "requestParameters": {"sourceIPAddress": "192.0.2.1"},
    "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
    "s3": {
        "s3SchemaVersion": "1.0",
        "configurationId": "onhand",
        "bucket": {"name": "uploads", "ownerIdentity": {"principalId": "X"}, "arn": "arn:aws:s3:::uploads"},
        "object": {"key": "acme/w1/stock.csv", "size": 1024, "eTag": "d41d8cd9", "sequencer": "0055AED6DCD90281E5"},
    },
}


def record(key: str = "acme/w1/stock.csv", *, event: str = "ObjectCreated:Put", bucket: str = "uploads") -> Any:
    return {**AWS, "eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e1"}}}


def requests(*records: Any, **more: Any) -> list[RequestSync]:
    return sync_requests(S3Notification.model_validate({"Records": records, **more}), "uploads")


def test_a_message_of_aws_starts_a_sync_of_that_version_of_the_object() -> None:
    [request] = requests(AWS)
    assert (request.account_id, request.warehouse_id) == ("acme", "w1")
    assert (request.url, request.etag) == ("s3://uploads/acme/w1/stock.csv", "d41d8cd9")


def test_a_message_of_minio_is_the_same() -> None:
    minio = {"EventName": "s3:ObjectCreated:Put", "Key": "uploads/acme/w1/stock.csv"}
    [request] = requests({**AWS, "eventName": "s3:ObjectCreated:Put", "eventSource": "minio:s3"}, **minio)
    assert request == requests(AWS)[0]


@pytest.mark.parametrize(
    "event", ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy"]
)
def test_every_way_of_creating_an_object_counts(event: str) -> None:
    assert len(requests(record(event=event))) == 1


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("acme/w1/my+stock.csv", "acme/w1/my stock.csv"),
        ("acme/w1/my%20stock.csv", "acme/w1/my stock.csv"),
        ("acme/w1/a%2Bb.csv", "acme/w1/a+b.csv"),
        ("acme%2Fw1%2Fstock.csv", "acme/w1/stock.csv"),
        ("acme/w1/caf%C3%A9%231%3F.CSV", "acme/w1/café#1?.CSV"),
    ],
)
def test_keys_are_url_encoded(encoded: str, key: str) -> None:
    [request] = requests(record(encoded))
    assert request.url == f"s3://uploads/{key}"


def test_each_record_of_a_message_is_a_sync() -> None:
    found = requests(record("acme/w1/a.csv"), record("acme/w2/b.csv"), record("other/w1/a.csv"))
    assert [(r.account_id, r.warehouse_id) for r in found] == [("acme", "w1"), ("acme", "w2"), ("other", "w1")]
    assert len({r.sync_id for r in found}) == 3


@pytest.mark.parametrize(
    "other",
    [
        record(bucket="elsewhere"),
        record(event="ObjectRemoved:Delete"),
        record(event="s3:ObjectAccessed:Get"),
        record(event="ObjectTagging:Put"),
        record("anything", event="ObjectRemoved:Delete"),
    ],
)
def test_what_is_no_new_object_in_the_uploads_bucket_starts_nothing(other: Any) -> None:
    assert [r.account_id for r in requests(other, record())] == ["acme"]


def test_the_test_message_of_a_new_notification_starts_nothing() -> None:
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00Z", "Bucket": "uploads"}
    assert sync_requests(S3Notification.model_validate(test), "uploads") == []


LAYOUTS = ["stock.csv", "acme/stock.csv", "acme/w1/sub/stock.csv", "acme/w1/stock.txt", "/w1/a.csv", "acme//a.csv",
           "acme/w1/.csv/", "acme/w1/", ""]  # fmt: skip


@pytest.mark.parametrize("key", LAYOUTS)
def test_a_key_of_another_layout_is_refused_and_says_the_right_one(key: str) -> None:
    assert not is_upload_key(key)
    with pytest.raises(Invalid) as refused:
        requests(record(key))
    assert refused.value.code is ErrorCode.UPLOAD_KEY_LAYOUT
    assert "{account_id}/{warehouse_id}/{name}.csv" in str(refused.value)


@pytest.mark.parametrize(("key", "field"), [("a b/w1/x.csv", "account_id"), ("acme/.hidden/x.csv", "warehouse_id")])
def test_a_key_whose_parts_are_no_ids_is_refused_and_says_which(key: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        sync_request_for("uploads", key, "e1")
    assert refused.value.code is ErrorCode.UPLOAD_KEY_LAYOUT
    assert field in refused.value.detail


def test_a_record_without_an_etag_cannot_be_pinned_and_is_refused() -> None:
    bare = record()
    del bare["s3"]["object"]["eTag"]
    with pytest.raises(Invalid) as refused:
        requests(bare)
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    assert "eTag" in refused.value.detail


def test_the_same_version_of_an_object_is_the_same_sync_and_another_version_another() -> None:
    def sync_id(key: str, etag: str) -> object:
        return sync_request_for("uploads", key, etag).sync_id

    same = sync_id("acme/w1/a.csv", "e1")
    assert sync_id("acme/w1/a.csv", '"e1"') == same
    assert requests(record("acme%2Fw1/a.csv"))[0].sync_id == same
    assert len({same, sync_id("acme/w1/a.csv", "e2"), sync_id("acme/w1/b.csv", "e1")}) == 3
