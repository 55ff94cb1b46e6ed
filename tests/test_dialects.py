"""Messages in other dialects: what can be read with certainty is read, all else is called by its name."""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

import pytest

from consumers.cloudevents import read_event
from consumers.rejections import rejection
from pipeline.errors import Invalid
from schemas.commands import COMMANDS
from schemas.errors import ErrorCode
from schemas.states import ResultStatus
from tests.support.records import record
from tests.test_cloudevents import ADD, ATTRIBUTES, DATA, Headers, body, headers, structured

STRUCTURED: Final = b"application/cloudevents+json"
MODES: Final[dict[str, tuple[bytes, Headers]]] = {
    "binary": (body(), headers()),
    "structured": (structured(), [("content-type", STRUCTURED)]),
    "structured without a content type": (structured(), []),
}


def as_base64(data: Any = DATA, **changes: Any) -> bytes:
    packed = b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode()
    return json.dumps({**ATTRIBUTES, "data_base64": packed, **changes}).encode()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (structured(), [("content-type", b"application/cloudevents+json; charset=utf-8")]),
        (structured(), [("Content-Type", b" APPLICATION/CloudEvents+JSON;charset=UTF-8")]),
        (structured(), [("content-type", STRUCTURED), ("ce_id", b"another"), ("ce_trace", b"1")]),
        (structured(), [("content-type", b"application/json")]),
        (body(), [*headers(), ("content-type", b"application/json; charset=utf-8")]),
        (body(), [*headers(), ("content-type", b"text/plain")]),
        (body(), [*headers(), ("content-type", None)]),
        (as_base64(), [("content-type", STRUCTURED)]),
        (as_base64(b"\xef\xbb\xbf" + body(), datacontenttype="application/json"), []),
        *((b"\xef\xbb\xbf" + value, found) for value, found in MODES.values()),
    ],
)
def test_the_content_type_decides_on_the_mode(value: bytes, found: Headers) -> None:
    assert read_event(record(value, found), COMMANDS) == ADD


DIALECTS: Final[dict[str, tuple[Callable[[bytes], bytes], str]]] = {
    "UTF-16 with a mark": (lambda v: v.decode().encode("utf-16"), "JSON in UTF-16: send it in UTF-8"),
    "UTF-16, little end first": (lambda v: v.decode().encode("utf-16-le"), "JSON in UTF-16"),
    "UTF-16, big end first": (lambda v: v.decode().encode("utf-16-be"), "JSON in UTF-16"),
    "UTF-32": (lambda v: v.decode().encode("utf-32"), "JSON in UTF-32"),
    "UTF-32, big end first": (lambda v: v.decode().encode("utf-32-be"), "JSON in UTF-32"),
    "registry": (lambda v: b"\0\0\0\0\x07" + v, "a schema registry's prefix (a zero byte and the schema id 7)"),
    "registry and Avro": (lambda _: b"\0\0\0\1\0\x08acme", "a schema registry's prefix (a zero byte and"),
    "gzip": (gzip.compress, "gzip bytes: send plain JSON"),
    "zstd": (lambda v: b"\x28\xb5\x2f\xfd" + v, "zstd bytes"),
    "list": (lambda v: b"[" + v + b"," + v + b"]", "a list of 2: send each event as one message"),
    "XML": (lambda _: b'<?xml version="1.0"?><event/>', "XML: send the JSON itself"),
    "in quotes": (lambda v: json.dumps(v.decode()).encode(), "JSON in quotes (it was serialized twice)"),
    "Kafka Connect": (lambda v: b'{"schema": {}, "payload": ' + v + b"}", "Kafka Connect's envelope"),
    "nothing": (lambda _: b"  ", "an empty message"),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_another_dialect_is_called_by_its_name_in_every_mode(mode: str, dialect: str) -> None:
    value, found = MODES[mode]
    spoil, words = DIALECTS[dialect]
    assert refusal(spoil(value), found).startswith(words)


def refusal(value: bytes | None, found: Headers) -> str:
    with pytest.raises(Invalid) as refused:
        read_event(record(value, found), COMMANDS)
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    return refused.value.detail


HTTP: Final[Headers] = [(name.replace("ce_", "ce-"), value) for name, value in headers()]


@pytest.mark.parametrize(
    ("value", "found", "words"),
    [
        (body(), HTTP, "the attributes are in headers like 'ce-specversion': for Kafka they begin with ce_"),
        (body(), [("CE_id", b"1")], "the attributes are in headers like 'CE_id'"),
        (body(), [("cloudEvents:id", b"1")], "the attributes are in headers like 'cloudEvents:id'"),
        (body(), [], "no CloudEvents attributes: send the headers ce_specversion"),
        (body(), [*headers(), ("content-type", STRUCTURED)], "the content type application/cloudevents+json says"),
        (b"[]", [("content-type", b"application/cloudevents-batch+json")], "a batch of events"),
        (b"\x08x", [*headers(), ("content-type", b"application/avro")], "the content type application/avro is not"),
        (b"\x08x", [("content-type", b"application/cloudevents+avro")], "the content type application/cloudevents"),
        (b"\x08x", [*headers(), ("content-type", b"application/x-protobuf; v=1")], "the content type application/x-"),
        (b"\x08x", [("content-type", b"application/cloudevents+protobuf")], "the content type application/cloudevents"),
        (structured(json.dumps(DATA)), [], "data: JSON in quotes; send the object itself"),
        (structured(data_base64="e30="), [], "body: give data, or data_base64 in its place"),
        (json.dumps(ATTRIBUTES).encode(), [], "body: give data, or data_base64 in its place"),
        (as_base64(data_base64="no base64!"), [], "data_base64: no base64"),
        (as_base64(b"\x08x"), [], "body: Invalid JSON"),
        (as_base64({**DATA, "quantity": 0}), [], "quantity: Input should be greater"),
    ],
)  # fmt: skip
def test_what_stands_in_the_wrong_place_is_called_by_its_name(value: bytes, found: Headers, words: str) -> None:
    assert refusal(value, found).startswith(words)


def told(value: bytes | None, found: Headers) -> tuple[str, str, str, str, str] | None:
    """Account, source, id, type and code of the result that the sender gets."""
    with pytest.raises(Invalid) as refused:
        read_event(record(value, found), COMMANDS)
    result = rejection(record(value, found), refused.value)
    if result is None:
        return None
    assert result.status is ResultStatus.REJECTED
    assert result.message == str(refused.value)
    return result.account_id, result.source, result.command_id, result.type, str(result.code)


BROKEN: Final = {**DATA, "quantity": "5"}
KNOWN: Final = ("acme", "shop", "c-1", "inventory.add", "INVALID_MESSAGE")


@pytest.mark.parametrize(
    ("value", "found", "expected"),
    [
        (body(quantity="5"), headers(), KNOWN),
        (structured(BROKEN), [], KNOWN),
        (as_base64(BROKEN), [], KNOWN),
        (structured(json.dumps(DATA)), [], KNOWN),
        (body(), HTTP, KNOWN),
        (body().decode().encode("utf-16"), headers(), KNOWN),
        (body(), headers(specversion=b"0.3"), KNOWN),
        (body(), headers(type=b""), (*KNOWN[:3], "", "INVALID_MESSAGE")),
        (body(), headers(type=b"inventory.steal"), (*KNOWN[:3], "inventory.steal", "UNKNOWN_TYPE")),
        (body(), headers(type=b"a\0b"), (*KNOWN[:3], "", "INVALID_MESSAGE")),
        (body(), headers(id=b""), None),
        (body(), headers(source=b""), None),
        (body(), headers(id=b"\xff\xfe" * 80), None),
        (body(account_id="../etc"), headers(), None),
        (body(account_id=["acme"]), headers(), None),
        (body(quantity="5"), headers(id=b"onhand:due:s1"), None),
        (body()[:-1], headers(), None),
        (b"[" + structured() + b"]", [], None),
        (None, headers(), None),
    ],
)
def test_the_sender_gets_a_result_where_the_message_says_whose_command_it_was(
    value: bytes | None, found: Headers, expected: tuple[str, ...] | None
) -> None:
    assert told(value, found) == expected


def test_what_a_bug_says_is_for_the_dead_letter_and_not_for_the_sender() -> None:
    reason = Invalid(ErrorCode.MESSAGE_NOT_PROCESSABLE, "KeyError('secret')")
    result = rejection(record(body(), headers()), reason)
    assert result is not None
    assert (result.code, "secret" in (result.message or "")) == (ErrorCode.MESSAGE_NOT_PROCESSABLE, False)
