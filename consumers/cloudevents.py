"""Reads CloudEvents from Kafka records, in both content modes, and writes the headers of the binary mode."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from aiokafka import ConsumerRecord
from pydantic import BaseModel, ValidationError

from pipeline.errors import Invalid
from schemas.cloudevents import JSON_CONTENT_TYPE, SOURCE, SPEC_VERSION, Attributes, StructuredEvent
from schemas.commands import read_json
from schemas.errors import ErrorCode
from schemas.jobs import shown_url

M = TypeVar("M", bound=BaseModel)

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]
Headers: TypeAlias = list[tuple[str, bytes]]

_PREFIX = "ce_"
_PREFIX_LENGTH = len(_PREFIX)
_MOST_FAULTS = 5_000
_FAULTS_OF_THE_WHOLE = ("missing", "value_error")


class Received(NamedTuple, Generic[M]):
    """An event that keeps its contract."""

    id: str
    data: M


def reader(models: Mapping[str, type[M]]) -> Callable[[Record], Received[M]]:
    """`read_event` for a topic that carries these types."""
    return lambda record: read_event(record, models)


def read_event(record: Record, models: Mapping[str, type[M]]) -> Received[M]:
    """Read a record as one of the events in `models` (by CloudEvents type).

    A record with a `ce_*` header is in binary mode, any other in structured mode.

    Raises:
        Invalid: UNKNOWN_TYPE; INVALID_MESSAGE, saying which field is wrong and why.
    """
    try:
        if headers := _attributes(record):
            attributes = Attributes.model_validate(headers)
            data = read_json(_model(attributes.type, models), record.value or b"")
        else:
            event = StructuredEvent.model_validate_json(record.value or b"")
            attributes = event
            # The data goes through JSON once more: a model is stricter with Python values (a UUID must not be text).
            data = read_json(_model(event.type, models), json.dumps(event.data))
    except ValidationError as error:
        raise Invalid(ErrorCode.INVALID_MESSAGE, fault_words(error)) from error
    except (ValueError, RecursionError) as error:  # lone surrogates, nested too deep
        raise Invalid(ErrorCode.INVALID_MESSAGE, str(error)[:200]) from error
    return Received(attributes.id, data)


def _attributes(record: Record) -> dict[str, str]:
    """The attributes that stand in headers. A Kafka header may be null: that is an empty one."""
    found = {}
    for key, value in record.headers:
        if key.startswith(_PREFIX):
            name = key[_PREFIX_LENGTH:]
            try:
                found[name] = value.decode() if value else ""
            except UnicodeDecodeError as error:
                raise Invalid(ErrorCode.INVALID_MESSAGE, f"{name[:80]}: not UTF-8, found {value!r:.80}") from error
    return found


def _model(event_type: str, models: Mapping[str, type[M]]) -> type[M]:
    model = models.get(event_type)
    if model is None:
        raise Invalid(ErrorCode.UNKNOWN_TYPE, f"found {event_type[:80]}, expected {', '.join(models)}")
    return model


def fault_words(error: ValidationError, most: int = 3) -> str:
    """The first faults, each with its field (`lines[0].quantity`), the reason and the value that was found."""
    if error.error_count() > _MOST_FAULTS:  # to read them out takes seconds
        return f"{error.error_count()} faults"
    return "; ".join(map(_fault, error.errors(include_url=False, include_context=False)[:most]))


def _fault(fault: Any) -> str:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in fault["loc"])
    words = f"{field.removeprefix('.') or 'body'}: {fault['msg'].removeprefix('Value error, ')}"
    if fault["type"] in _FAULTS_OF_THE_WHOLE and isinstance(fault["input"], dict):
        return words  # what was found is all that stands around the field
    found = shown_url(str(fault["input"])) if fault["loc"][-1:] == ("url",) else str(fault["input"])
    return f"{words}, found {found[:60]!r}"


def event_headers(event_type: str, event_id: str) -> Headers:
    """The headers of an event in binary mode."""
    return [("ce_id", event_id.encode()), *_headers_of_type(event_type)]


@cache
def _headers_of_type(event_type: str) -> Headers:
    return [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", SOURCE.encode()),
        ("content-type", JSON_CONTENT_TYPE.encode()),
    ]
