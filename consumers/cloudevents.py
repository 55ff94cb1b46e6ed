"""Reads CloudEvents from Kafka records, in both content modes, and writes the headers of the binary mode."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeAlias, TypeVar

from aiokafka import ConsumerRecord
from pydantic import BaseModel, ValidationError

from pipeline.errors import Invalid
from schemas.cloudevents import JSON_CONTENT_TYPE, SOURCE, SPEC_VERSION, Attributes, StructuredEvent
from schemas.errors import ErrorCode

M = TypeVar("M", bound=BaseModel)

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]
Headers: TypeAlias = list[tuple[str, bytes]]

_PREFIX = "ce_"


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
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
        headers = {key.removeprefix(_PREFIX): value for key, value in record.headers if key.startswith(_PREFIX)}
        if headers:
            attributes = Attributes.model_validate({name: _text(name, value) for name, value in headers.items()})
            data = _model(attributes.type, models).model_validate_json(record.value or b"")
        else:
            event = StructuredEvent.model_validate_json(record.value or b"")
            attributes = event
            # The data goes through JSON once more: a model is stricter with Python values (a UUID must not be text).
            data = _model(event.type, models).model_validate_json(json.dumps(event.data))
    except ValidationError as error:
        raise Invalid(ErrorCode.INVALID_MESSAGE, fault_words(error)) from error
    except (ValueError, RecursionError) as error:  # lone surrogates, nested too deep
        raise Invalid(ErrorCode.INVALID_MESSAGE, str(error)[:200]) from error
    return Received(attributes.id, data)


def _text(name: str, value: bytes | None) -> str:
    """An attribute's value. Kafka headers may be null: that is an empty one."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError as error:
        raise Invalid(ErrorCode.INVALID_MESSAGE, f"{name}: not UTF-8, found {value!r:.80}") from error


def _model(event_type: str, models: Mapping[str, type[M]]) -> type[M]:
    model = models.get(event_type)
    if model is None:
        raise Invalid(ErrorCode.UNKNOWN_TYPE, f"found {event_type[:80]}, expected {', '.join(models)}")
    return model


def fault_words(error: ValidationError) -> str:
    """The first three faults, each with its field, the reason and the value."""
    faults: list[Any] = error.errors(include_url=False, include_context=False)
    told = (f"{'.'.join(map(str, f['loc'])) or 'body'}: {f['msg']}, found {str(f['input'])[:60]!r}" for f in faults[:3])
    return "; ".join(told)


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
