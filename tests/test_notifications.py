"""From a message about a dropped file to the sync that it starts."""

import json
from typing import Any

import pytest

from consumers.uploads import Announcement, read_announcement
from pipeline.errors import Invalid
from pipeline.uploads.notifications import is_upload_key, sync_request_for
from schemas.errors import ErrorCode
from schemas.jobs import RequestSync

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


def record(
    key: str = "acme/w1/stock.csv", *, event: str = "ObjectCreated:Put", bucket: str = "uploads", **more: Any
) -> Any:
    return {**AWS, "eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e1", **more}}}


def announcement(*records: Any, **more: Any) -> Announcement:
    return read_announcement(json.dumps({"Records": records, **more}).encode(), "uploads")


def requests(*records: Any, **more: Any) -> list[RequestSync]:
    found = announcement(*records, **more)
    assert found.faults == []
    return [drop.request for drop in found.drops]


def fault(found: Any) -> Invalid:
    [reason] = announcement(found).faults
    return reason


def test_a_message_of_aws_starts_a_sync_of_that_version_of_the_object() -> None:
    [request] = requests(AWS)
    assert (request.account_id, request.warehouse_id) == ("acme", "w1")
    assert (request.url, request.etag) == ("s3://uploads/acme/w1/stock.csv", "d41d8cd9")


def test_a_message_of_minio_is_the_same() -> None:
    minio = {"EventName": "s3:ObjectCreated:Put", "Key": "uploads/acme/w1/stock.csv"}
    [request] = requests({**AWS, "eventName": "s3:ObjectCreated:Put", "eventSource": "minio:s3"}, **minio)
    assert request == requests(AWS)[0]


@pytest.mark.parametrize("store", ["", "s3:"])
@pytest.mark.parametrize("way", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_way_of_creating_an_object_counts(store: str, way: str) -> None:
    assert len(requests(record(event=f"{store}ObjectCreated:{way}"))) == 1


def test_a_version_of_the_object_is_named_where_the_bucket_keeps_versions() -> None:
    assert [r.version_id for r in requests(record(), record(versionId="v7"), record(versionId=None))] == [
        None, "v7", None
    ]  # fmt: skip


@pytest.mark.parametrize(("sent", "kept"), [("0055AED6DCD90281E5", "0055AED6DCD90281E5"), ("17A2b", "17A2b"),
                                            (None, None), ("", None), ("later", None)])  # fmt: skip
def test_the_sequencer_is_kept_where_it_is_one(sent: str | None, kept: str | None) -> None:
    [drop] = announcement(record(sequencer=sent)).drops
    assert drop.sequencer == kept


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz", "a.csv.zip", "a.zip", "2026-01-01 a.b.csv"])
def test_a_file_may_be_packed(name: str) -> None:
    assert is_upload_key(f"acme/w1/{name}")
    assert len(requests(record(f"acme/w1/{name}"))) == 1


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
        record("acme/w1/%FF.csv", event="s3:ObjectRemoved:DeleteMarkerCreated"),
        {"eventName": "s3:ObjectRemoved:Delete"},
        record("acme/w1/submitted/0b9d/stock.csv"),
        record("acme/w1/submitted/stock.csv"),
        record("acme/w1/submitted/no+upload+at+all"),
        record("rejects/0b9d.csv"),
        record("rejects/w1/0b9d.csv"),
    ],
)
def test_what_is_no_new_object_in_the_uploads_bucket_starts_nothing(other: Any) -> None:
    assert [r.account_id for r in requests(other, record())] == ["acme"]


def test_the_test_message_of_a_new_notification_starts_nothing() -> None:
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00Z", "Bucket": "uploads"}
    assert read_announcement(json.dumps(test).encode(), "uploads") == Announcement()


LAYOUTS = ["stock.csv", "acme/stock.csv", "acme/w1/sub/stock.csv", "acme/w1/stock.txt", "/w1/a.csv", "acme//a.csv",
           "acme/w1/.csv/", "acme/w1/", "", "acme/w1/stock.gz", "acme/w1/submitted",
           "acme/w1/rejects/a.csv"]  # fmt: skip


@pytest.mark.parametrize("key", LAYOUTS)
def test_a_key_of_another_layout_is_refused_and_says_the_right_one(key: str) -> None:
    assert not is_upload_key(key)
    refused = fault(record(key))
    assert refused.code is ErrorCode.UPLOAD_KEY_LAYOUT
    assert "{account_id}/{warehouse_id}/{name}.csv" in str(refused)


@pytest.mark.parametrize(("key", "field"), [("a b/w1/x.csv", "account_id"), ("acme/.hidden/x.csv", "warehouse_id")])
def test_a_key_whose_parts_are_no_ids_is_refused_and_says_which(key: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        sync_request_for("uploads", key, "e1")
    assert refused.value.code is ErrorCode.UPLOAD_KEY_LAYOUT
    assert field in refused.value.detail


@pytest.mark.parametrize("key", ["acme/w1/%FF.csv", "acme/w1/a%00b.csv", "acme/w1/a%0Ab.csv"])
def test_a_key_that_no_url_can_name_is_refused(key: str) -> None:
    assert fault(record(key)).code is ErrorCode.UPLOAD_KEY_LAYOUT


def test_a_record_without_an_etag_cannot_be_pinned_and_is_refused() -> None:
    bare = record()
    del bare["s3"]["object"]["eTag"]
    refused = fault(bare)
    assert refused.code is ErrorCode.INVALID_MESSAGE
    assert "eTag" in refused.detail


@pytest.mark.parametrize(
    "bad", [None, 7, "record", [], {}, {"eventName": 3}, {"eventName": "ObjectCreated:Put"},
            {**AWS, "s3": {"bucket": {"name": "uploads"}, "object": {"key": 7}}}, record("no/layout")],
)  # fmt: skip
def test_a_bad_record_does_not_take_the_good_ones_beside_it_along(bad: Any) -> None:
    found = announcement(record("acme/w1/a.csv"), bad, record("acme/w1/b.csv"))
    assert [drop.key for drop in found.drops] == ["acme/w1/a.csv", "acme/w1/b.csv"]
    assert [reason.code for reason in found.faults] != []


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"7", b"not json", b'{"Records": null}', b'{"Records": {}}',
                                   b"\xff", b'{"Records": ' + b"[" * 100_000])  # fmt: skip
def test_what_is_no_event_message_is_refused(value: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read_announcement(value, "uploads")
    assert refused.value.code is ErrorCode.INVALID_MESSAGE


def test_the_same_version_of_an_object_is_the_same_sync_and_another_version_another() -> None:
    def sync_id(key: str, etag: str) -> object:
        return sync_request_for("uploads", key, etag).sync_id

    same = sync_id("acme/w1/a.csv", "e1")
    assert sync_id("acme/w1/a.csv", '"e1"') == same
    assert requests(record("acme%2Fw1/a.csv"))[0].sync_id == same
    assert len({same, sync_id("acme/w1/a.csv", "e2"), sync_id("acme/w1/b.csv", "e1")}) == 3
