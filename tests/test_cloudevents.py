"""Reading CloudEvents from records: both content modes, and everything that can be wrong with a message."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.cloudevents import Received, event_headers, read_event
from consumers.commands import read_command
from pipeline.errors import Invalid
from schemas.commands import COMMANDS
from schemas.commands.base import Command
from schemas.commands.stock import AddInventory, AddInventoryLines
from schemas.errors import ErrorCode
from schemas.jobs import SYNC_REQUESTS, RequestSync
from tests.support.records import record

DATA = {"account_id": "acme", "warehouse_id": "w1", "sku": "A", "quantity": 5}
ATTRIBUTES = {"specversion": "1.0", "id": "c-1", "type": "inventory.add", "source": "shop"}
Headers = list[tuple[str, bytes | None]]


def headers(**changes: bytes | None) -> Headers:
    """The headers of binary mode; an attribute that is changed to b"" is left out."""
    attributes: dict[str, bytes | None] = {name: value.encode() for name, value in ATTRIBUTES.items()}
    return [(f"ce_{name}", value) for name, value in {**attributes, **changes}.items() if value != b""]


def body(**changes: Any) -> bytes:
    """The data of an inventory.add."""
    return json.dumps({**DATA, **changes}).encode()


def structured(data: Any = DATA, **changes: Any) -> bytes:
    """An inventory.add in structured mode."""
    return json.dumps({**ATTRIBUTES, **changes, "data": data}).encode()


def refusal(value: bytes | None, with_headers: Headers = ()) -> Invalid:  # type: ignore[assignment]
    with pytest.raises(Invalid) as refused:
        read_event(record(value, with_headers), COMMANDS)
    return refused.value


ADD = Received("c-1", AddInventory.model_validate(DATA), "shop")


def test_a_command_in_binary_mode() -> None:
    assert read_event(record(body(), headers()), COMMANDS) == ADD


def test_a_command_in_structured_mode() -> None:
    assert read_event(record(structured()), COMMANDS) == ADD
    typed: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    assert read_event(record(structured(), typed), COMMANDS) == ADD


def test_extensions_and_optional_attributes_are_accepted_in_both_modes() -> None:
    assert read_event(record(body(), headers(traceparent=b"00-1", time=b"2026-01-01T00:00:00Z")), COMMANDS) == ADD
    extended = structured(traceparent="00-1", time="2026-01-01T00:00:00Z", datacontenttype="application/json")
    assert read_event(record(extended), COMMANDS) == ADD


def test_headers_of_others_are_none_of_our_business() -> None:
    assert read_event(record(body(), [*headers(), ("trace", b"\xff\xfe"), ("empty", None)]), COMMANDS) == ADD


def test_what_onhand_writes_it_can_read() -> None:
    written = [(key, value) for key, value in event_headers("inventory.add", "c-1")]
    assert read_event(record(body(), written), COMMANDS) == ADD._replace(source="onhand")


@pytest.mark.parametrize("structured_mode", [True, False])
def test_ids_and_times_may_be_text_in_both_modes(structured_mode: bool) -> None:
    sync_id = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    data = {"account_id": "acme", "sync_id": sync_id, "warehouse_id": "w1", "url": "s3://b/k"}
    message = (
        record(structured(data, type="sync.request"))
        if structured_mode
        else record(json.dumps(data).encode(), headers(type=b"sync.request"))
    )
    received = read_event(message, SYNC_REQUESTS)
    assert isinstance(received.data, RequestSync)
    assert str(received.data.sync_id) == sync_id


@pytest.mark.parametrize("attribute", ["specversion", "id", "type", "source"])
def test_a_missing_attribute_is_named(attribute: str) -> None:
    binary = refusal(body(), headers(**{attribute: b""}))
    assert (binary.code, binary.detail.split(":")[0]) == (ErrorCode.INVALID_MESSAGE, attribute)
    event = json.loads(structured())
    del event[attribute]
    in_body = refusal(json.dumps(event).encode())
    assert (in_body.code, in_body.detail.split(":")[0]) == (ErrorCode.INVALID_MESSAGE, attribute)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "x" * 101}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"source": ""}, "source"),
        ({"time": "yesterday"}, "time"),
    ],
)
def test_a_wrong_attribute_is_named(changes: dict[str, Any], field: str) -> None:
    in_body = refusal(structured(**changes))
    assert (in_body.code, in_body.detail.split(":")[0]) == (ErrorCode.INVALID_MESSAGE, field)
    if isinstance(changes[field], str) and changes[field]:
        binary = refusal(body(), headers(**{field: changes[field].encode()}))
        assert (binary.code, binary.detail.split(":")[0]) == (ErrorCode.INVALID_MESSAGE, field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": "5"}, "quantity"),
        ({"quantity": 5.5}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 10**9 + 1}, "quantity"),
        ({"quantity": 10**30}, "quantity"),
        ({"quantity": float("nan")}, "quantity"),
        ({"quantity": float("inf")}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"qty": 5}, "qty"),
        ({"account_id": "../etc"}, "account_id"),
        ({"warehouse_id": "x" * 101}, "warehouse_id"),
        ({"sku": " A"}, "sku"),
        ({"sku": "A\x00"}, "sku"),
        ({"sku": "x" * 2_000_000}, "sku"),
        ({"reason": "r" * 256}, "reason"),
        ({"sku": ["A"]}, "sku"),
    ],
)
def test_a_wrong_field_is_named_in_both_modes_in_few_words(changes: dict[str, Any], field: str) -> None:
    for error in (refusal(body(**changes), headers()), refusal(structured({**DATA, **changes}))):
        assert error.code is ErrorCode.INVALID_MESSAGE
        assert error.detail.split(":")[0] == field
        assert len(str(error)) < 500


LINE = {"warehouse_id": "w1", "sku": "A", "quantity": 5}


def lines(*found: Any, **changes: Any) -> dict[str, Any]:
    """The data of an inventory.add with several lines."""
    return {"account_id": "acme", "lines": found, **changes}


def test_a_command_with_several_lines_is_read_in_both_modes() -> None:
    data = lines(LINE, {**LINE, "sku": "B"}, reason="received")
    expected = Received("c-1", AddInventoryLines.model_validate(data), "shop")
    assert read_event(record(json.dumps(data).encode(), headers()), COMMANDS) == expected
    assert read_event(record(structured(data)), COMMANDS) == expected


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (lines(LINE, {**LINE, "quantity": 0}), "lines[1].quantity: Input should be greater than or equal to 1, found"),
        (lines(LINE, {"sku": "A", "quantity": 1}), "lines[1].warehouse_id: Field required"),
        (lines(LINE, "text"), "lines[1]: Input should be an object, found 'text'"),
        (lines(), "lines: Tuple should have at least 1 item"),
        (lines(*[LINE] * 251), "lines: Tuple should have at most 250 items"),
        (lines(LINE, lines=None), "lines: Input should be a valid array, found 'None'"),
        (lines(LINE, **LINE), "warehouse_id: Extra inputs are not permitted"),
        (lines(LINE, {**LINE, "reason": "other"}), "lines[1].reason: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_field_of_a_line_is_named_with_its_line(data: dict[str, Any], fault: str) -> None:
    for error in (refusal(json.dumps(data).encode(), headers()), refusal(structured(data))):
        assert error.code is ErrorCode.INVALID_MESSAGE
        assert error.detail.startswith(fault), error.detail


def test_a_rule_about_several_fields_is_told_without_repeating_the_message() -> None:
    data = {**DATA, "whole_warehouse": True, "location_id": "a1"}
    error = refusal(json.dumps(data).encode(), headers(type=b"inventory.replace"))
    assert error.detail == "body: whole_warehouse and location_id exclude each other"


@pytest.mark.parametrize("data", [lines(*[1] * 200_000), {f"field{n}": 1 for n in range(50_000)} | DATA])
def test_a_message_full_of_faults_is_refused_in_few_words(data: dict[str, Any]) -> None:
    error = refusal(json.dumps(data).encode(), headers())
    assert error.code is ErrorCode.INVALID_MESSAGE
    assert error.detail.endswith(" faults")


def test_a_command_cannot_have_an_id_of_onhands_own() -> None:
    with pytest.raises(Invalid) as refused:
        read_command(record(body(), headers(id=b"onhand:due:s-1")))
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    assert refused.value.detail.startswith("id: begins with 'onhand:'")
    assert read_command(record(body(), headers())) == ADD


def test_all_missing_fields_are_named() -> None:
    error = refusal(b'{"account_id": "acme"}', headers())
    assert all(name in error.detail for name in ("warehouse_id", "sku", "quantity"))


def test_a_type_that_the_topic_does_not_carry_is_told_with_those_that_it_does() -> None:
    for error in (refusal(body(), headers(type=b"inventory.steal")), refusal(structured(type="inventory.steal"))):
        assert error.code is ErrorCode.UNKNOWN_TYPE
        assert "found inventory.steal" in error.detail
        assert "inventory.add" in error.detail


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"null", b"[]", b'"text"', b"{", b"\xff\xfe", b"not json", b'{"data": 1}', b"[" * 100_000,
        b'{"a":' * 100_000, b'"\\ud800"', b" " * 2_000_000, b'{"quantity": ' + b"9" * 5000 + b"}",
        structured("text"), structured(None), structured([DATA]), b'{"sku": "\\ud800"}', b"\x00" * 10,
    ],
)  # fmt: skip
def test_what_is_no_event_is_an_invalid_message_in_both_modes(value: bytes | None) -> None:
    assert refusal(value).code is ErrorCode.INVALID_MESSAGE
    assert refusal(value, headers()).code is ErrorCode.INVALID_MESSAGE


def test_data_nested_too_deep_is_refused() -> None:
    nested = b'{"a":' * 150 + b"1" + b"}" * 150
    event = structured()[:-1] + b', "x": ' + nested + b"}"
    assert read_event(record(event), COMMANDS) == ADD  # an extension, and ignored
    deep = structured({**DATA, "reason": "@"}).replace(b'"@"', b"[" * 5000 + b"]" * 5000)
    assert refusal(deep).code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("name", ["id", "type", "specversion", "extension"])
def test_an_attribute_header_that_is_no_text_is_refused_and_named(name: str) -> None:
    error = refusal(body(), headers(**{name: b"\xff\xfe"}))
    assert (error.code, error.detail.split(":")[0]) == (ErrorCode.INVALID_MESSAGE, name)


@pytest.mark.parametrize("name", ["id", "type", "specversion"])
def test_a_null_header_is_an_empty_attribute(name: str) -> None:
    error = refusal(body(), headers(**{name: None}))
    assert (error.code, error.detail.split(":")[0]) == (ErrorCode.INVALID_MESSAGE, name)
    assert read_event(record(body(), headers(extension=None)), COMMANDS) == ADD


names = st.sampled_from(["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type", "x"]) | st.text()
values = st.sampled_from([b"1.0", b"inventory.add", b"x"]) | st.binary(max_size=30) | st.none()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
near_misses = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((*ATTRIBUTES, *DATA, "data"), json_values)
).map(lambda found: json.dumps({**ATTRIBUTES, **DATA, "data": DATA, **found}).encode())  # fmt: skip


@given(st.binary(max_size=200) | near_misses | st.none(), st.lists(st.tuples(names, values), max_size=6), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything_but_invalid(value: bytes | None, found: Headers, complete: bool) -> None:
    try:
        received = read_event(record(value, [*headers(), *found] if complete else found), COMMANDS)
    except Invalid as error:
        str(error).encode()
    else:
        assert isinstance(received.data, Command)
