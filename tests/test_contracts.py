"""The generated contracts are up to date, are JSON Schemas, and describe what the code reads and writes."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import contracts
from schemas.topics import TOPICS

_GENERATED = contracts.generate()
_JSON_TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}


def _nodes(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for child in children:
        yield from _nodes(child)


def _resolve(file: str, reference: str) -> Any:
    other, _, pointer = reference.partition("#")
    document = json.loads(_GENERATED[other.removeprefix("./") or file])
    for step in pointer.strip("/").split("/") if pointer else ():
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


def test_the_folder_holds_what_the_code_says() -> None:
    on_disk = {path.name: path.read_text("utf-8") for path in contracts.FOLDER.iterdir()}
    assert on_disk == _GENERATED, "run `python -m infra.contracts` and commit what it writes"


@pytest.mark.parametrize("file", sorted(_GENERATED))
def test_every_reference_resolves(file: str) -> None:
    references = [node["$ref"] for node in _nodes(json.loads(_GENERATED[file])) if isinstance(node.get("$ref"), str)]
    assert all(_resolve(file, reference) for reference in references)


@pytest.mark.parametrize("file", sorted(set(_GENERATED) - {"error_codes.json", "asyncapi.json"}))
def test_every_schema_is_well_formed(file: str) -> None:
    schema = json.loads(_GENERATED[file])
    assert schema["$schema"].endswith("2020-12/schema")
    for node in _nodes(schema):
        if isinstance(node.get("type"), str):
            assert node["type"] in _JSON_TYPES
        if isinstance(node.get("pattern"), str):
            re.compile(node["pattern"])
        if isinstance(node.get("required"), list):
            assert set(node["required"]) <= set(node["properties"])


def test_every_topic_is_a_channel_with_messages_and_an_operation() -> None:
    document = json.loads(_GENERATED["asyncapi.json"])
    assert set(document["channels"]) == set(TOPICS)
    assert all(channel["messages"] for channel in document["channels"].values())
    used = {operation["channel"]["$ref"].rpartition("/")[2] for operation in document["operations"].values()}
    assert used == set(TOPICS)


def test_what_we_read_refuses_unknown_fields_and_what_we_write_always_has_all_of_its_own() -> None:
    command = json.loads(_GENERATED["inventory.add.json"])
    assert command["additionalProperties"] is False
    event = json.loads(_GENERATED["inventory.level.changed.v1.json"])
    assert set(event["required"]) == set(event["properties"])
