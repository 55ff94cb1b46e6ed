"""Integers of messages in every form of JSON: what JSON Schema takes for an integer is one, and nothing else."""

import json
from base64 import b64encode
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from consumers.cloudevents import read_event
from consumers.commands import read_command
from pipeline.errors import Invalid
from schemas.commands import COMMANDS, read_json
from tests.support.commands import samples
from tests.support.mutations import Path, fields
from tests.support.records import record
from tests.test_cloudevents import ADD, ATTRIBUTES, DATA, headers

_HERE: Final = "@here@"


class Field(NamedTuple):
    """An integer field of a command: a good command with a gap where it stands, and what its schema allows."""

    type: str
    path: Path
    text: str
    least: int
    most: int

    def with_number(self, number: str) -> str:
        return self.text.replace(json.dumps(_HERE), number)

    def allows(self, number: str) -> bool:
        """As JSON Schema has it: the number counts, not how it is written. A delta is 0 only beside other units."""
        value = Decimal(number)
        whole = value == value.to_integral_value()
        says_nothing = self.path[-1] == "delta" and value == 0 and '"damaged"' not in self.text
        return whole and self.least <= value <= self.most and not says_nothing


def _integers() -> list[Field]:
    return [
        Field(type_, path, json.dumps(_replaced(data, path)), *limits)
        for type_, data in samples()
        if type_ in COMMANDS
        for path in fields(data)
        if (limits := _limits(_form(type_, data), path))
    ]


def _form(type_: str, data: dict[str, Any]) -> type[BaseModel]:
    model = COMMANDS[type_]
    return model.LINES_FORM or model if "lines" in data else model


def _limits(model: type[BaseModel], path: Path) -> tuple[int, int] | None:
    """Least and most of an integer in the published JSON Schema; None where the field is something else."""
    document = model.model_json_schema()
    place: Any = document
    for step in path:
        place = _resolved(document, place)
        place = place["items"] if isinstance(step, int) else place.get("properties", {}).get(step, {})
    found = _resolved(document, place)
    return (found["minimum"], found["maximum"]) if found.get("type") == "integer" else None


def _resolved(document: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    """What a place of a schema refers to, without the null that it may be in its stead."""
    choices = [choice for choice in place.get("anyOf", [place]) if choice.get("type") != "null"]
    found: dict[str, Any] = choices[0] if choices else {}
    return document["$defs"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found


def _replaced(data: Any, path: Path) -> Any:
    step, *inner = path
    copy = data.copy()
    copy[step] = _replaced(data[step], tuple(inner)) if inner else _HERE
    return copy


INTEGERS: Final = _integers()


def test_every_kind_of_number_is_among_the_fields() -> None:
    assert {field.path[-1] for field in INTEGERS} == {
        "available", "counted", "damaged", "delta", "expected_quantity", "expected_version", "max_missing_percent",
        "max_zeroed_percent", "quantity",
    }  # fmt: skip


@st.composite
def numbers(draw: st.DrawFn, field: Field) -> str:
    """A number at or near the edges of a field, or anywhere, written in some form; often no integer."""
    edges = [0, 1, 5, 100, field.least, field.most, 2**53, 2**63 - 1, 10**15, 10**9]
    value = draw(st.sampled_from(edges)) + draw(st.integers(-2, 2))
    value = draw(st.just(value) | st.integers(field.least, field.most))
    zeros = "0" * draw(st.integers(0, 30))
    shift = draw(st.integers(0, 25))
    forms = [
        f"{value}", f"{value}.0{zeros}", f"{value}e0", f"{value}E+0", f"{value}.0{zeros}e0",
        f"{value * 10**shift}e-{shift}", f"{value}.{zeros}1", f"{value}.5", f"{value}e-1", f"{value}e{shift}",
        f"{value}.25e{shift}", f"{value}.9{'9' * shift}", f"{value}e300", f"{value}e-300",
    ]  # fmt: skip
    return draw(st.sampled_from(forms))


@given(st.sampled_from(INTEGERS).flatmap(lambda field: st.tuples(st.just(field), numbers(field))))
@settings(max_examples=1_500, deadline=None, derandomize=True)
def test_what_the_published_schema_takes_for_an_integer_within_its_limits_is_accepted_and_nothing_else(
    drawn: tuple[Field, str],
) -> None:
    field, number = drawn
    try:
        command = read_json(COMMANDS[field.type], field.with_number(number))
    except ValidationError:
        assert not field.allows(number), (field.type, field.path, number)
    else:
        assert field.allows(number), (field.type, field.path, number)
        value: Any = command.model_dump()
        for step in field.path:
            value = value[step]
        assert (type(value), value) == (int, int(Decimal(number)))


@pytest.mark.parametrize("field", INTEGERS, ids=lambda field: f"{field.type} {'.'.join(map(str, field.path))}")
def test_each_integer_field_takes_a_float_that_is_whole(field: Field) -> None:
    sent, plain = (read_json(COMMANDS[field.type], field.with_number(number)) for number in ("1.0", "1"))
    assert sent == plain


IN_EVERY_MODE = {
    "binary": lambda body: record(body.encode(), headers()),
    "structured": lambda body: record(f'{json.dumps(ATTRIBUTES)[:-1]}, "data": {body}}}'.encode()),
    "base64": lambda body: record(
        json.dumps({**ATTRIBUTES, "data_base64": b64encode(body.encode()).decode()}).encode()
    ),
}


@pytest.mark.parametrize("mode", IN_EVERY_MODE)
@pytest.mark.parametrize("number", ["5", "5.0", "5.00", "0.5e1", "50e-1", "5E+0", "5e0", "0.000005e6"])
def test_five_is_five_in_every_mode(mode: str, number: str) -> None:
    body = json.dumps({**DATA, "quantity": _HERE}).replace(json.dumps(_HERE), number)
    assert read_event(IN_EVERY_MODE[mode](body), COMMANDS) == ADD


@pytest.mark.parametrize("mode", IN_EVERY_MODE)
@pytest.mark.parametrize(
    ("number", "version"),
    [("9007199254740993.0", 2**53 + 1), ("9223372036854775807.0", 2**63 - 1), ("9.223372036854775807e18", 2**63 - 1),
     ("9223372036854775808.0", None), ("9007199254740993.5", None), ("1e19", None), ("1e300", None),
     ("1e999999999", None), ("4.99999999999999999999", None), ("5.00000000000000000001", None), ("1e-999999999", None)],
)  # fmt: skip
def test_no_unit_is_lost_to_a_binary_fraction_in_any_mode(mode: str, number: str, version: int | None) -> None:
    body = json.dumps({**DATA, "expected_version": _HERE}).replace(json.dumps(_HERE), number)
    if version is None:
        with pytest.raises(Invalid) as refused:
            read_event(IN_EVERY_MODE[mode](body), COMMANDS)
        assert refused.value.detail.startswith("expected_version: ")
    else:
        assert read_event(IN_EVERY_MODE[mode](body), COMMANDS).data.expected_version == version  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", IN_EVERY_MODE)
@pytest.mark.parametrize(
    ("number", "words"),
    [('"5"', "quantity: a number in quotes; send 5"), ('"5.0"', "quantity: a number in quotes; send 5"),
     ('" 12 "', "quantity: a number in quotes; send 12"),
     ("5.5", "quantity: Input should be a valid integer, found '5.5'"),
     ('"five"', "quantity: Input should be a valid integer, found 'five'"),
     ("true", "quantity: Input should be a valid integer, found 'True'"),
     ("NaN", "quantity: "), ("Infinity", "quantity: ")],
)  # fmt: skip
def test_what_is_no_integer_is_a_fault_of_its_field(mode: str, number: str, words: str) -> None:
    body = json.dumps({**DATA, "quantity": _HERE}).replace(json.dumps(_HERE), number)
    with pytest.raises(Invalid) as refused:
        read_command(IN_EVERY_MODE[mode](body))
    assert refused.value.detail.startswith(words)


def test_each_of_250_lines_may_have_a_float() -> None:
    line = {"warehouse_id": "w1", "sku": "A", "quantity": 5.0, "expected_version": 1.0}
    command = read_json(COMMANDS["inventory.add"], json.dumps({"account_id": "acme", "lines": [line] * 250}))
    assert [each.quantity for each in command.lines] == [5] * 250


def test_a_text_that_looks_like_a_number_stays_as_it_is() -> None:
    data = {**DATA, "sku": "1e3", "reason": "5.0", "quantity": 5.0}
    command = read_json(COMMANDS["inventory.add"], json.dumps(data))
    assert (command.sku, command.reason, command.quantity) == ("1e3", "5.0", 5)
