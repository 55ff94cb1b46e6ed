"""Names what a message is that is no CloudEvent as onhand reads them, and says what to send instead."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from schemas.cloudevents import JSON_CONTENT_TYPE, STRUCTURED_CONTENT_TYPE
from schemas.whole_numbers import load_json

if TYPE_CHECKING:
    from consumers.cloudevents import Record

CONTENT_TYPE: Final = "content-type"
_STRUCTURED: Final = STRUCTURED_CONTENT_TYPE.encode()

_OTHER_PREFIXES: Final = ("ce-", "ce_", "cloudevents:", "cloudevents_")
"""How attributes are called in other bindings (HTTP, AMQP), and with other capitals: ours begin with ce_."""

_OTHER_FORMATS: Final = ("avro", "protobuf", "x-protobuf", "xml", "msgpack", "x-msgpack", "cbor")
_COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
}
_WIDE: Final = ("utf-16", "utf-32")
_REGISTRY_PREFIX_LENGTH: Final = 5
_HEADERS: Final = "ce_specversion, ce_id, ce_type and ce_source"
_PLAIN: Final = f"send the JSON itself as {JSON_CONTENT_TYPE} with ce_ headers, or as {STRUCTURED_CONTENT_TYPE}"


def is_structured(header: str, value: bytes | None) -> bool:
    """Whether a header is the content type of the structured mode, in any case and with any parameters."""
    if value is None or header.lower() != CONTENT_TYPE:
        return False
    return value.partition(b";")[0].strip().lower() == _STRUCTURED


def dialect_of(record: "Record") -> str | None:
    """What a record that cannot be read is, and what to send; None where it is nothing that has a name."""
    value = record.value or b""
    found = (look(record, value) for look in _LOOKS)
    return next((words for words in found if words), None)


def _batch(record: "Record", _: bytes) -> str | None:
    if media_type(record) == "application/cloudevents-batch+json":
        return "a batch of events (application/cloudevents-batch+json) is not supported: send each as one message"
    return None


def _other_format(record: "Record", _: bytes) -> str | None:
    kind = media_type(record)
    subtype = kind.partition("/")[2]
    if set(subtype.replace("vnd.", "").replace(".", "+").split("+")) & set(_OTHER_FORMATS) or kind == "avro/binary":
        return f"the content type {kind[:80]} is not supported: {_PLAIN}"
    return None


def _nothing(_: "Record", value: bytes) -> str | None:
    return None if value.strip() else "an empty message: the command is missing"


def _compressed(_: "Record", value: bytes) -> str | None:
    for magic, name in _COMPRESSED.items():
        if value.startswith(magic):
            return f"{name} bytes: send plain JSON; compression.type of the Kafka producer compresses it on the way"
    return None


def _wide_text(_: "Record", value: bytes) -> str | None:
    encoding = json.detect_encoding(value)
    if encoding.startswith(_WIDE) and (text := _decoded(value, encoding)) and text.lstrip("\ufeff \r\n\t")[:1] in "{[<":
        return f"JSON in {encoding[:6].upper()}: send it in UTF-8"
    return None


def _registry(_: "Record", value: bytes) -> str | None:
    if value[:1] == b"\0" and len(value) > _REGISTRY_PREFIX_LENGTH:
        schema = int.from_bytes(value[1:_REGISTRY_PREFIX_LENGTH])
        return (
            f"a schema registry's prefix (a zero byte and the schema id {schema}) before the data: use a serializer "
            f"without a registry, and {_PLAIN}"
        )
    return None


def _markup(_: "Record", value: bytes) -> str | None:
    return f"XML: {_PLAIN}" if value.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" else None


def _json_of_another_form(record: "Record", value: bytes) -> str | None:
    document = any_json(value)
    if isinstance(document, list):
        return f"a list of {len(document)}: send each event as one message"
    if isinstance(document, str) and document.lstrip()[:1] in {"{", "["}:
        return "JSON in quotes (it was serialized twice): send the object itself"
    if isinstance(document, dict) and document.keys() == {"schema", "payload"}:
        return "Kafka Connect's envelope of schema and payload: set value.converter.schemas.enable=false"
    return _headers_of_another_form(record, document) if isinstance(document, dict) else None


def _headers_of_another_form(record: "Record", document: dict[str, Any]) -> str | None:
    names = [name for name, _ in record.headers]
    has_ours = any(name.startswith("ce_") for name in names)
    others = [name for name in names if name.lower().startswith(_OTHER_PREFIXES) and not name.startswith("ce_")]
    if others and not has_ours:
        return f"the attributes are in headers like {others[0][:40]!r}: for Kafka they begin with ce_, as {_HEADERS}"
    if has_ours and media_type(record) == STRUCTURED_CONTENT_TYPE and "specversion" not in document:
        return (
            f"the content type {STRUCTURED_CONTENT_TYPE} says that the attributes are in the body, and they are in "
            f"headers: send the content type {JSON_CONTENT_TYPE}"
        )
    if not has_ours and not document.keys() & {"specversion", "id", "source"}:
        return f"no CloudEvents attributes: send the headers {_HEADERS}, or send {STRUCTURED_CONTENT_TYPE}"
    return None


_LOOKS: Final[Sequence[Callable[["Record", bytes], str | None]]] = (
    _batch, _other_format, _nothing, _compressed, _wide_text, _registry, _markup, _json_of_another_form
)  # fmt: skip


def media_type(record: "Record") -> str:
    """The content type without its parameters, in small letters; empty where there is none."""
    values = [value for name, value in record.headers if name.lower() == CONTENT_TYPE and value]
    return values[0].partition(b";")[0].strip().lower().decode("ascii", "replace") if values else ""


def any_json(value: bytes) -> Any:
    """A JSON document in any encoding; None where it is no JSON."""
    try:
        return load_json(value.decode(json.detect_encoding(value)))
    except (ValueError, RecursionError):
        return None


def _decoded(value: bytes, encoding: str) -> str:
    try:
        return value.decode(encoding)
    except ValueError:
        return ""
