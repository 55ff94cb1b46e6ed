"""Messages about dropped files: every store's way to write them, in every service's way to wrap them."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.envelopes import MAX_DEPTH, Announcement, read_announcement
from pipeline.errors import Invalid
from pipeline.uploads.drops import Announced
from schemas.errors import ErrorCode

KEY = "acme/w1/stock.csv"

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
        "object": {"key": KEY, "size": 1024, "eTag": "d41d8cd9", "sequencer": "0055AED6DCD90281E5"},
    },
}


def record(key: str = KEY, *, event: str = "ObjectCreated:Put", bucket: str = "uploads", **more: Any) -> Any:
    return {**AWS, "eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e1", **more}}}


def bridge(key: str = KEY, kind: str = "Object Created", **more: Any) -> Any:
    detail = {"version": "0", "bucket": {"name": "uploads"}, "object": {"key": key, "size": 24, "etag": "e1", **more}}
    return {"version": "0", "detail-type": kind, "source": "aws.s3", "time": "2026-01-31T07:02:12Z", "detail": detail}


STORES: dict[str, Any] = {
    "AWS": {"Records": [AWS]},
    "MinIO": {
        "EventName": "s3:ObjectCreated:Put",
        "Key": f"uploads/{KEY}",
        "Records": [record("acme%2Fw1%2Fstock.csv", event="s3:ObjectCreated:Put", versionId="null")],
    },
    "Ceph": {"Records": [record(event="ObjectCreated:CompleteMultipartUpload", versionId="")]},
    "NooBaa after a multipart upload": {
        "Records": [{**AWS, "s3": {"bucket": {"name": "uploads"}, "object": {"key": KEY}}}]
    },
    "RustFS": {"Records": [record(event="s3:ObjectCreated:Post", userMetadata={})]},
    "one record alone": AWS,
    "a list of records": [AWS],
    "EventBridge": bridge(),
}

Wrap = Callable[[Any], Any]

ENVELOPES: dict[str, Wrap] = {
    "plain": lambda m: m,
    "a JSON text": json.dumps,
    "SNS": lambda m: {"Type": "Notification", "TopicArn": "arn:…:drops", "Subject": "S3", "Message": json.dumps(m)},
    "SNS as Lambda gets it": lambda m: {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(m)}}]},
    "SQS": lambda m: {"Messages": [{"MessageId": "m-1", "ReceiptHandle": "r-1", "Body": json.dumps(m)}]},
    "SQS as Lambda gets it": lambda m: {
        "Records": [{"messageId": "m-1", "body": json.dumps(m), "eventSource": "aws:sqs"}]
    },
    "one message of SQS": lambda m: {"MessageId": "m-1", "Body": json.dumps(m)},
    "Kafka Connect": lambda m: {"schema": {"type": "struct", "optional": False}, "payload": m},
    "Kafka Connect with a text": lambda m: {"schema": {"type": "string"}, "payload": json.dumps(m)},
    "NooBaa's log": lambda m: {"meta": {"connect": "drops.json", "name": "drops"}, "notif": m},
    "a CloudEvent": lambda m: {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": m},
    "a collector of logs": lambda m: {"@timestamp": "2026-01-01T00:00:00Z", "message": json.dumps(m)},
}


def read(message: Any) -> Announcement:
    return read_announcement(json.dumps(message).encode())


def announcement(*records: Any) -> Announcement:
    return read({"Records": records})


def keys(*records: Any) -> list[tuple[str, ...]]:
    found = announcement(*records)
    assert found.faults == []
    return [drop.keys for drop in found.drops]


def fault(message: Any) -> Invalid:
    found = read(message)
    assert found.drops == []
    [reason] = found.faults
    return reason


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_the_message_of_each_store_is_read_in_each_envelope(store: str, envelope: str) -> None:
    found = read(ENVELOPES[envelope](STORES[store]))
    assert (found.faults, found.other_events) == ([], [])
    [drop] = found.drops
    assert (drop.bucket, drop.keys[0]) == ("uploads", KEY)


@pytest.mark.parametrize("store", STORES)
def test_envelopes_are_read_within_each_other(store: str) -> None:
    for outer, inner in product(ENVELOPES, repeat=2):
        found = read(ENVELOPES[outer](ENVELOPES[inner](STORES[store])))
        assert found.faults == [], (outer, inner)
        assert [drop.keys[0] for drop in found.drops] == [KEY], (outer, inner)


def test_the_longest_way_that_is_known_is_not_too_long() -> None:
    message: Any = STORES["AWS"]
    for envelope in ("SNS", "SQS as Lambda gets it", "Kafka Connect with a text", "a JSON text"):
        message = ENVELOPES[envelope](message)
    assert [drop.keys for drop in read(message).drops] == [(KEY,)]


def test_a_message_that_is_wrapped_without_end_is_refused() -> None:
    message: Any = STORES["AWS"]
    for _ in range(MAX_DEPTH + 1):
        message = {"payload": message}
    assert f"more than {MAX_DEPTH} times" in fault(message).detail


@pytest.mark.parametrize("store", ["", "s3:"])
@pytest.mark.parametrize("way", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_way_of_creating_an_object_counts(store: str, way: str) -> None:
    assert len(keys(record(event=f"{store}ObjectCreated:{way}"))) == 1


OTHER_EVENTS = [
    record(event="ObjectRemoved:Delete"),
    record(event="s3:ObjectAccessed:Get"),
    record(event="ObjectTagging:Put"),
    record(event="s3:ObjectAcl:Put"),
    record(event="ObjectRestore:Completed"),
    record(event="s3:Replication:OperationCompletedReplication"),
    record(event="ObjectSynced:Create"),
    record(event="LifecycleExpiration:Delete"),
    record(event="s3:ObjectLifecycle:Expiration:Current"),
    record(event="s3:ReducedRedundancyLostObject"),
    record("", event="s3:ObjectCreated:PutTagging"),
    record("acme%2Fw1%2Fstock.csv", event="s3:ObjectCreated:PutTagging"),
    record(event="s3:ObjectCreated:PutRetention"),
    record(event="s3:ObjectCreated:PutLegalHold"),
    record(event="s3:TestEvent"),
    record("acme/w1/%FF.csv", event="s3:ObjectRemoved:DeleteMarkerCreated"),
    {"eventName": "s3:ObjectRemoved:Delete"},
    bridge(kind="Object Deleted"),
    bridge(kind="Object Tags Added"),
    bridge(kind="Object Restore Completed"),
    {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00Z", "Bucket": "uploads"},
]


@pytest.mark.parametrize("other", OTHER_EVENTS, ids=lambda other: str(other.get("eventName", other))[:40])
def test_other_events_start_nothing_and_are_no_mistake_in_any_envelope(other: Any) -> None:
    for envelope, wrap in ENVELOPES.items():
        found = read(wrap({"Records": [other]}))
        assert (found.drops, found.faults, len(found.other_events)) == ([], [], 1), envelope
    assert [drop.keys for drop in announcement(other, record()).drops] == [(KEY,)]


@pytest.mark.parametrize("message", [{"Records": []}, {"Messages": []}])
def test_a_message_without_records_is_about_nothing(message: Any) -> None:
    found = read(message)
    assert (found.drops, found.faults, len(found.other_events)) == ([], [], 1)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"a": 1, "b": 2}, "an object with the fields a, b"),
        ({}, "an object with no fields"),
        ([], "an empty list"),
        (None, "null"),
        (7, "found 7"),
        ("Hello", "a text that is no JSON: 'Hello'"),
        ({"payload": "Hello"}, "payload: found a text that is no JSON: 'Hello'"),
        ({"Records": None}, "the fields Records"),
        ({"Records": {}}, "the fields Records"),
        ({"Records": [{"body": '{"order": 7}'}]}, "Records[0].body: found an object with the fields order"),
        ({"Records": [{**AWS, "eventName": "PutObject"}]}, "'PutObject'"),
        ({"Records": [{"eventName": "ObjectCreated:Put"}]}, "s3: Field required"),
        ({"Records": [record(key="")]}, "Records[0]: found bucket 'uploads' and key ''"),
        ({"Records": [record(key="acme/w1/" + "x" * 1024)]}, "which name no object"),
        ({"Type": "SubscriptionConfirmation", "Message": "You have", "SubscribeURL": "https://…"}, "SubscribeURL"),
        (bridge(kind="AWS API Call via CloudTrail"), "'AWS API Call via CloudTrail' of 'aws.s3'"),
        ({**bridge(), "detail": {"bucket": "uploads"}}, "detail: bucket"),
    ],
)
def test_what_is_no_s3_event_is_refused_saying_what_it_is_and_what_is_expected(message: Any, told: str) -> None:
    refused = fault(message)
    assert refused.code is ErrorCode.INVALID_MESSAGE
    assert told in refused.detail
    for word in ("Records[].s3", "EventBridge", "SNS", "SQS", "Kafka Connect", "NooBaa"):
        assert word in str(refused)


@pytest.mark.parametrize("value", [b"", b"not json", b"\xff", b'{"Records": ' + b"[" * 100_000])
def test_what_is_no_json_is_refused(value: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read_announcement(value)
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    assert "expected Records[].s3" in str(refused.value)


_NAMES = st.text(max_size=8) | st.sampled_from([
    "Records", "s3", "eventName", "bucket", "object", "key", "name", "Message", "Messages", "body", "payload", "notif",
    "detail", "detail-type", "Event", "Type",
])  # fmt: skip
_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ObjectCreated:Put", KEY])
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner | inner.map(json.dumps), max_size=5),
    max_leaves=30,
)


@given(message=_JSON)
def test_no_message_vanishes_whatever_it_is(message: Any) -> None:
    found = read(message)
    assert found.drops or found.faults or found.other_events


@given(value=st.binary(max_size=200))
def test_no_bytes_vanish_whatever_they_are(value: bytes) -> None:
    try:
        found = read_announcement(value)
    except Invalid as refused:
        assert refused.code is ErrorCode.INVALID_MESSAGE
    else:
        assert found.drops or found.faults or found.other_events


@pytest.mark.parametrize(
    ("encoded", "asked"),
    [
        ("acme/w1/stock.csv", ("acme/w1/stock.csv",)),
        ("acme/w1/my+stock.csv", ("acme/w1/my stock.csv", "acme/w1/my+stock.csv")),
        ("acme/w1/my%20stock.csv", ("acme/w1/my stock.csv", "acme/w1/my%20stock.csv")),
        ("acme/w1/a%2Bb.csv", ("acme/w1/a+b.csv", "acme/w1/a%2Bb.csv")),
        ("acme%2Fw1%2Fstock.csv", ("acme/w1/stock.csv", "acme%2Fw1%2Fstock.csv")),
        ("acme/w1/caf%C3%A9%231%3F.CSV", ("acme/w1/café#1?.CSV", "acme/w1/caf%C3%A9%231%3F.CSV")),
        ("acme/w1/a+b 50%.csv", ("acme/w1/a b 50%.csv", "acme/w1/a+b 50%.csv")),
        ("acme/w1/a+b%20c.csv", ("acme/w1/a b c.csv", "acme/w1/a+b c.csv", "acme/w1/a+b%20c.csv")),
        ("acme/w1/%FF.csv", ("acme/w1/%FF.csv",)),
    ],
)
def test_keys_are_url_encoded_or_else_as_they_stand(encoded: str, asked: tuple[str, ...]) -> None:
    assert keys(record(encoded)) == [asked]
    [drop] = read(bridge(encoded)).drops
    assert drop.keys[0] == encoded
    assert set(drop.keys) == set(asked)


def test_what_an_event_says_of_the_version_is_kept_where_it_says_something() -> None:
    found = announcement(record(), record(versionId="v7", sequencer="0A"), record(versionId=None, sequencer=""))
    assert [(drop.version_id, drop.sequencer) for drop in found.drops] == [(None, None), ("v7", "0A"), (None, None)]
    [drop] = read(bridge(**{"version-id": "v7", "sequencer": "0A"})).drops
    assert drop == Announced("uploads", (KEY,), "v7", "0A")


@pytest.mark.parametrize(
    "bad", [None, 7, "record", [], {}, {"eventName": 3}, {"eventName": "ObjectCreated:Put"},
            {**AWS, "s3": {"bucket": {"name": "uploads"}, "object": {"key": 7}}}, record(key="\ud800")],
)  # fmt: skip
def test_a_bad_record_does_not_take_the_good_ones_beside_it_along(bad: Any) -> None:
    found = announcement(record("acme/w1/a.csv"), bad, record("acme/w1/b.csv"))
    assert [drop.keys for drop in found.drops] == [("acme/w1/a.csv",), ("acme/w1/b.csv",)]
    assert [reason.code for reason in found.faults] == [ErrorCode.INVALID_MESSAGE]
