"""Commands: orders that upstream systems give, each the data of one CloudEvent whose `type` is the command's name.

The CloudEvents `id` is the command id: of one `source`, the same id is carried out at most once for an account.
"""

import json
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from schemas.commands.base import Command
from schemas.commands.catalogue import CATALOGUE_COMMANDS
from schemas.commands.channels import CHANNEL_COMMANDS
from schemas.commands.stock import STOCK_COMMANDS
from schemas.commands.workflows import WORKFLOWS
from schemas.whole_numbers import has_fractions, load_json

COMMANDS: Final[dict[str, type[Command]]] = {
    command.TYPE: command for command in (*CATALOGUE_COMMANDS, *STOCK_COMMANDS, *WORKFLOWS, *CHANNEL_COMMANDS)
}
"""Every command by its CloudEvents type. Where it has a LINES_FORM, that is the same command with several lines."""

_MOST_FAULTS: Final = 100


def read_json(model: type[BaseModel], body: bytes | str) -> Any:
    """A body as `model`, or as its form with lines where it has `lines`. Whole numbers may be written as 5.0 or 1e1.

    Raises:
        pydantic.ValidationError: it is neither; the faults are those of the form that was meant.
    """
    try:
        return _read(model, body)
    except ValidationError:
        # Integers without a point are by far the more frequent: the others are looked for only when it went wrong.
        if (value := _with_integers(body)) is None:
            raise
    return read_value(model, value)


def read_value(model: type[BaseModel], value: Any) -> Any:
    """As `read_json`, of a value that `load_json` has read: a float in it is no whole number, however it looks.

    The value goes through JSON once more: a model is stricter with Python values (a UUID must not be text).
    """
    return _read(model, json.dumps(value))


def _read(model: type[BaseModel], body: bytes | str) -> Any:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        # The form with one line is by far the more frequent: the other one is tried only when it has shown itself.
        lines_form = getattr(model, "LINES_FORM", None)
        if lines_form is None or not _has_lines(error):
            raise
    return lines_form.model_validate_json(body)


def _with_integers(body: bytes | str) -> Any:
    """The document with its whole numbers as integers; None where that makes no difference."""
    try:
        text = body if isinstance(body, str) else body.decode()
        return load_json(text) if has_fractions(text) else None
    except (ValueError, RecursionError):  # no JSON: the faults of the body say so
        return None


def _has_lines(error: ValidationError) -> bool:
    """Whether it was `lines` that the form with one line did not know. With very many faults it is neither form."""
    return error.error_count() < _MOST_FAULTS and any(
        fault["loc"] == ("lines",)
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    )
