"""Writes the contracts for other languages: a JSON Schema for each message, the error codes, and the AsyncAPI document.

`python -m infra.contracts` brings `schemas/generated` up to date; a test fails while it is not.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

import schemas
from schemas.cloudevents import JSON_CONTENT_TYPE, STRUCTURED_CONTENT_TYPE, Attributes
from schemas.errors import ErrorCode
from schemas.snapshot import Snapshot
from schemas.topics import DEFAULT_PREFIX, S3_NOTIFICATION, TOPICS, DeadLetterHeader, Direction, Topic, TopicSpec

VERSION: Final = "1.0.0"
"""Of the contracts as a whole: a field more raises the second number, anything that breaks a reader the first."""
FOLDER: Final = Path(schemas.__file__).parent / "generated"

_NOTIFICATION: Final = "s3.notification"
_DEAD_LETTER: Final = "dead.letter"
_ACTIONS: Final = {Direction.IN: ("receive",), Direction.OUT: ("send",), Direction.INTERNAL: ("send", "receive")}

Json = dict[str, Any]


def generate() -> dict[str, str]:
    """The text of every generated file by its name. The same code gives the same bytes."""
    documents: dict[str, Any] = {}
    for spec in TOPICS.values():
        for name, model in _payloads(spec):
            documents[name] = _schema(name, model, written_by_us=spec.direction is not Direction.IN)
    documents["snapshot"] = _schema("snapshot", Snapshot, written_by_us=True)
    documents["error_codes"] = [{"code": code, "meaning": code.meaning, "hint": code.hint} for code in ErrorCode]
    documents["asyncapi"] = _asyncapi()
    return {
        f"{name}.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def write() -> list[str]:
    """Make the folder hold exactly what `generate` gives; the names of the files that changed or went."""
    FOLDER.mkdir(exist_ok=True)
    wanted = generate()
    gone = [path for path in sorted(FOLDER.iterdir()) if path.name not in wanted]
    changed = [name for name, text in wanted.items() if not _holds(FOLDER / name, text)]
    for path in gone:
        path.unlink()
    for name in changed:
        (FOLDER / name).write_text(wanted[name], "utf-8")
    return changed + [path.name for path in gone]


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def _payloads(spec: TopicSpec) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, model in spec.payloads:
        yield str(name), model
    if spec.name is Topic.UPLOADS:
        yield _NOTIFICATION, S3_NOTIFICATION


def _schema(name: str, model: type[BaseModel], *, written_by_us: bool) -> Json:
    """What we read is described as we check it, what we write as it looks: there every field is always present."""
    mode: JsonSchemaMode = "serialization" if written_by_us else "validation"
    lines_form = getattr(model, "LINES_FORM", None)
    schema = (
        model.model_json_schema(mode=mode)
        if lines_form is None
        else {
            "title": model.__name__,
            "description": f"{inspect.getdoc(model)} With `lines`: several of them, all or none.",
            **TypeAdapter[Any](model | lines_form).json_schema(mode=mode),
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:onhand:{name}",
        **schema,
    }


def _asyncapi() -> Json:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "onhand",
            "version": VERSION,
            "description": "Commands in, change events out. The messages are CloudEvents 1.0 in binary mode "
            f"(attributes in ce_* headers); what onhand receives may also be in structured mode "
            f"({STRUCTURED_CONTENT_TYPE}).",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON_CONTENT_TYPE,
        "channels": {spec.name: _channel(spec) for spec in TOPICS.values()},
        "operations": {
            f"{action}-{spec.name}": _operation(action, spec)
            for spec in TOPICS.values()
            for action in _ACTIONS[spec.direction]
        },
        "components": {
            "messages": {name: message for spec in TOPICS.values() for name, message in _messages(spec).items()}
        },
    }


def _channel(spec: TopicSpec) -> Json:
    config: Json = spec.config()
    config["cleanup.policy"] = config["cleanup.policy"].split(",")
    config["retention.ms"] = int(config["retention.ms"])
    address = DEFAULT_PREFIX + spec.name
    return {
        "address": address,
        "description": spec.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(spec)},
        "bindings": {
            "kafka": {
                "topic": address,
                "partitions": spec.partitions,
                "topicConfiguration": config,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(action: str, spec: TopicSpec) -> Json:
    operation: Json = {
        "action": action,
        "channel": {"$ref": f"#/channels/{spec.name}"},
        "messages": [{"$ref": f"#/channels/{spec.name}/messages/{name}"} for name in _messages(spec)],
    }
    if spec.direction is Direction.INTERNAL:
        operation["tags"] = [{"name": "internal", "description": "Not for others: it changes without notice."}]
    return operation


def _messages(spec: TopicSpec) -> dict[str, Json]:
    key = {"kafka": {"key": {"type": "string", "description": spec.key}, "bindingVersion": "0.5.0"}}
    messages: dict[str, Json] = {
        name: {
            "name": name,
            "title": model.__name__,
            "summary": inspect.getdoc(model),
            "contentType": JSON_CONTENT_TYPE,
            **({} if name == _NOTIFICATION else {"headers": _event_headers(name)}),
            "payload": {"$ref": f"./{name}.json"},
            "bindings": key,
        }
        for name, model in _payloads(spec)
    }
    if spec.name is Topic.DEAD_LETTERS:
        messages[_DEAD_LETTER] = {
            "name": _DEAD_LETTER,
            "title": "DeadLetter",
            "summary": spec.about,
            "contentType": "application/octet-stream",
            "headers": _dead_letter_headers(),
            "bindings": key,
        }
    return messages


def _event_headers(event_type: str) -> Json:
    attributes = Attributes.model_json_schema()
    # A header is there or it is not: the schema of a value that may be null is that of the value.
    headers = {_header(name): schema.get("anyOf", [schema])[0] for name, schema in attributes["properties"].items()}
    headers["ce_type"] = {"const": event_type}
    return {"type": "object", "properties": headers, "required": [_header(name) for name in attributes["required"]]}


def _header(attribute: str) -> str:
    # The Kafka protocol binding of CloudEvents gives this one attribute the transport's own header.
    return "content-type" if attribute == "datacontenttype" else f"ce_{attribute}"


def _dead_letter_headers() -> Json:
    names = [str(header) for header in DeadLetterHeader]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


if __name__ == "__main__":
    sys.stdout.writelines(f"schemas/generated/{name}\n" for name in write())
