"""Commands: orders that upstream systems give, each the data of one CloudEvent whose `type` is the command's name.

The CloudEvents `id` is the command id: the same id is carried out at most once for an account.
"""

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from schemas.commands.base import Command
from schemas.commands.catalogue import CATALOGUE_COMMANDS
from schemas.commands.channels import CHANNEL_COMMANDS
from schemas.commands.stock import STOCK_COMMANDS
from schemas.commands.workflows import WORKFLOWS

COMMANDS: Final[dict[str, type[Command]]] = {
    command.TYPE: command for command in (*CATALOGUE_COMMANDS, *STOCK_COMMANDS, *WORKFLOWS, *CHANNEL_COMMANDS)
}
"""Every command by its CloudEvents type. Where it has a LINES_FORM, that is the same command with several lines."""

_MOST_FAULTS: Final = 100


def read_json(model: type[BaseModel], body: bytes | str) -> Any:
    """A body as `model`, or as its form with lines where it has `lines`.

    Raises:
        pydantic.ValidationError: it is neither; the faults are those of the form that was meant.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        # The form with one line is by far the more frequent: the other one is tried only when it has shown itself.
        lines_form = getattr(model, "LINES_FORM", None)
        if lines_form is None or not _has_lines(error):
            raise
    return lines_form.model_validate_json(body)


def _has_lines(error: ValidationError) -> bool:
    """Whether it was `lines` that the form with one line did not know. With very many faults it is neither form."""
    return error.error_count() < _MOST_FAULTS and any(
        fault["loc"] == ("lines",)
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    )
