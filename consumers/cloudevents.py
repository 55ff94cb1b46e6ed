"""Reads CloudEvents from Kafka records, in both content modes, and writes the headers of the binary mode."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from aiokafka import ConsumerRecord
from pydantic import BaseModel, ValidationError

from consumers.dialects import dialect_of, is_structured
from pipeline.errors import Invalid
from schemas.cloudevents import JSON_CONTENT_TYPE, SOURCE, SPEC_VERSION, Attributes, StructuredEvent
from schemas.commands import read_json, read_value
from schemas.errors import ErrorCode
from schemas.jobs import shown_url
from schemas.whole_numbers import has_fractions, load_json, quoted_integer

M = TypeVar("M", bound=BaseModel)

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]
Headers: TypeAlias = list[tuple[str, bytes]]

_PREFIX = "ce_"
_PREFIX_LENGTH = len(_PREFIX)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_USUAL_CONTENT_TYPE: Final = JSON_CONTENT_TYPE.encode()
_MOST_FAULTS = 5_000
_FAULTS_OF_THE_WHOLE = ("missing", "value_error")


class Received(NamedTuple, Generic[M]):
    """An event that keeps its contract."""

    id: str
    data: M
    source: str


def reader(models: Mapping[str, type[M]]) -> Callable[[Record], Received[M]]:
    """`read_event` for a topic that carries these types."""
    return lambda record: read_event(record, models)


def read_event(record: Record, models: Mapping[str, type[M]]) -> Received[M]:
    """Read a record as one of the events in `models` (by CloudEvents type).

    The content type `application/cloudevents+json` says that it is in structured mode. Any other record is in binary
    mode where it has a `ce_*` header, and else in structured mode.

    Raises:
        Invalid: UNKNOWN_TYPE; INVALID_MESSAGE, saying which field is wrong and why, or in which dialect the message is.
    """
    try:
        if headers := _attributes(record):
            attributes = Attributes.model_validate(headers)
            data = read_json(_model(attributes.type, models), _body(record))
        else:
            attributes, data = _read_structured(_body(record), models)
    except ValidationError as error:
        raise Invalid(ErrorCode.INVALID_MESSAGE, dialect_of(record) or fault_words(error)) from error
    except (ValueError, RecursionError) as error:  # no JSON, lone surrogates, nested too deep
        raise Invalid(ErrorCode.INVALID_MESSAGE, dialect_of(record) or f"body: {error}"[:200]) from error
    return Received(attributes.id, data, attributes.source)


def _read_structured(body: bytes, models: Mapping[str, type[M]]) -> tuple[Attributes, Any]:
    try:
        event = StructuredEvent.model_validate_json(body)
        return event, _data_of(event, _model(event.type, models))
    except ValidationError:
        if not has_fractions(text := body.decode()):
            raise
    # Integers may be written as 5.0. They are read from the digits: the event's data has them rounded.
    event = StructuredEvent.model_validate(load_json(text))
    return event, _data_of(event, _model(event.type, models))


def _attributes(record: Record) -> dict[str, str] | None:
    """The attributes that stand in headers; nothing in structured mode. A null header of Kafka is an empty one."""
    found = {}
    for key, value in record.headers:
        if key.startswith(_PREFIX):
            name = key[_PREFIX_LENGTH:]
            try:
                found[name] = value.decode() if value else ""
            except UnicodeDecodeError as error:
                raise Invalid(ErrorCode.INVALID_MESSAGE, f"{name[:80]}: not UTF-8, found {value!r:.80}") from error
        elif value != _USUAL_CONTENT_TYPE and is_structured(key, value):
            return None
    return found


def _body(record: Record) -> bytes:
    """The value. A byte order mark of UTF-8 says what is known anyway."""
    return (record.value or b"").removeprefix(_BYTE_ORDER_MARK)


def _data_of(event: StructuredEvent, model: type[M]) -> Any:
    if event.data is not None and event.data_base64 is None:
        return read_value(model, event.data)
    return read_json(model, event.packed().removeprefix(_BYTE_ORDER_MARK))


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
    name, found = field.removeprefix(".") or "body", fault["input"]
    if fault["type"] == "int_type" and isinstance(found, str) and (number := quoted_integer(found)):
        return f"{name}: a number in quotes; send {number}"
    if fault["type"] == "dict_type" and isinstance(found, str):  # in structured mode, a text in `data` is just a text
        return f"{name}: JSON in quotes; send the object itself"
    words = f"{name}: {fault['msg'].removeprefix('Value error, ')}"
    if fault["type"] in _FAULTS_OF_THE_WHOLE and isinstance(found, dict):
        return words  # what was found is all that stands around the field
    shown = shown_url(str(found)) if fault["loc"][-1:] == ("url",) else str(found)
    return f"{words}, found {shown[:60]!r}"


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
