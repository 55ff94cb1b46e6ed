"""The generated contracts are up to date, are JSON Schemas, and describe what the code reads and writes."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import contracts
from schemas.commands import COMMANDS
from schemas.commands.base import MAX_LINES
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
    command = json.loads(_GENERATED["warehouse.upsert.json"])
    assert command["additionalProperties"] is False
    event = json.loads(_GENERATED["inventory.level.changed.v1.json"])
    assert set(event["required"]) == set(event["properties"])


_WITH_LINES = [name for name, model in COMMANDS.items() if model.LINES_FORM is not None]


@pytest.mark.parametrize("name", _WITH_LINES)
def test_a_command_that_can_have_lines_is_one_form_or_the_other(name: str) -> None:
    schema = json.loads(_GENERATED[f"{name}.json"])
    forms = [_resolve(f"{name}.json", form["$ref"]) for form in schema["anyOf"]]
    models = (COMMANDS[name], COMMANDS[name].LINES_FORM)
    for form, model in zip(forms, models, strict=True):
        assert model is not None
        assert form["additionalProperties"] is False
        assert set(form["properties"]) == set(model.model_fields)
        assert set(form["required"]) == {name for name, field in model.model_fields.items() if field.is_required()}
    one, several = forms
    line = _resolve(f"{name}.json", several["properties"]["lines"]["items"]["$ref"])
    assert several["properties"]["lines"]["maxItems"] == MAX_LINES
    # What one line says beside the command's own fields is what a line of several says.
    assert set(line["properties"]) == set(one["properties"]) - set(several["properties"])


def test_only_commands_that_can_have_lines_have_two_forms() -> None:
    assert _WITH_LINES
    assert [name for name in COMMANDS if "anyOf" in json.loads(_GENERATED[f"{name}.json"])] == _WITH_LINES
