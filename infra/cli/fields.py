"""The fields of a command as a person writes them, read off its JSON Schema."""

from dataclasses import dataclass, replace
from typing import Any, Final

from schemas.commands.base import Command

_FORMATS: Final = {"date-time": "instant, as 2026-01-31T12:00:00Z", "date": "date, as 2026-01-31"}

_Schema = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One field: its type in words, and whether what is written is always text."""

    name: str
    type: str
    required: bool
    default: Any
    is_text: bool


def fields_of(model: type[Command]) -> list[Field]:
    """The fields of a command, required ones first; of one that can have `lines` also these."""
    fields = _fields(model)
    if model.LINES_FORM is not None:
        one_line = {field.name for field in fields}
        lines = (field for field in _fields(model.LINES_FORM) if field.name not in one_line)
        fields += [replace(f, type=f"{f.type}, instead of the fields of one line", required=False) for f in lines]
    return sorted(fields, key=lambda field: not field.required)


def _fields(model: type[Command]) -> list[Field]:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return [
        Field(
            name,
            " or ".join(_words(choice, definitions) for choice in choices),
            name in schema.get("required", ()),
            found.get("default"),
            all(choice.get("type") == "string" for choice in choices),
        )
        for name, found in schema["properties"].items()
        if (choices := _choices(found, definitions))
    ]


def _choices(schema: _Schema, definitions: _Schema) -> list[_Schema]:
    """What a value may be, references followed; null is not among it: the field is left out then."""
    if "$ref" in schema:
        return _choices(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return [choice for other in schema["anyOf"] for choice in _choices(other, definitions)]
    return [] if schema.get("type") == "null" else [schema]


def _words(schema: _Schema, definitions: _Schema) -> str:
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        return " | ".join(value or "empty" for value in values)
    match schema["type"]:
        case "integer":
            return f"whole number from {schema['minimum']:,} to {schema['maximum']:,}"
        case "boolean":
            return "true or false"
        case "array":
            return (
                f"list of {' or '.join(_words(item, definitions) for item in _choices(schema['items'], definitions))}"
            )
        case "object":
            return f"{{{', '.join(_members(schema, definitions))}}}"
        case _:
            return _FORMATS.get(schema.get("format", "")) or f"text of up to {schema['maxLength']:,} characters"


def _members(schema: _Schema, definitions: _Schema) -> list[str]:
    """The names of an object's fields; where any name is allowed, what stands behind one."""
    if "patternProperties" in schema:
        choices = (choice for value in schema["patternProperties"].values() for choice in _choices(value, definitions))
        return [f"any name: {_words(choice, definitions)}" for choice in choices]
    required = schema.get("required", [])
    return [*required, *(f"{name}?" for name in schema["properties"] if name not in required)]
