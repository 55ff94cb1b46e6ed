"""The result that a sender gets for a command that became a dead letter, where the message says whose command it was.

Nothing was decided about it, so nothing is recorded: a corrected message is carried out under the same id. The account
is what the message says, like that of every command; who may write to the topic may send commands for any account.
"""

from base64 import b64decode
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from consumers.cloudevents import Record
from consumers.dialects import any_json
from pipeline.errors import Invalid
from schemas.cloudevents import Attribute, EventId
from schemas.commands.base import RESERVED_IDS
from schemas.errors import ErrorCode
from schemas.events import CommandResult
from schemas.identifiers import AccountIdField
from schemas.states import ResultStatus

_PREFIX_LENGTH: Final = 3
_OUR_FAULTS: Final = {ErrorCode.MESSAGE_NOT_PROCESSABLE}
"""What a trace says of these is for the dead letter and not for the sender."""


def _or_nothing(value: object, read: ValidatorFunctionWrapHandler) -> str:
    try:
        return str(read(value))
    except ValidationError:
        return ""


class _Sender(BaseModel):
    """By what the sender knows its command; its type may be what is wrong."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    account_id: AccountIdField
    id: EventId
    source: Attribute
    type: Annotated[Attribute, WrapValidator(_or_nothing)] = ""


def rejection(record: Record, reason: Invalid) -> CommandResult | None:
    """The result for a record that is a dead letter; None where account, source or id cannot be read.

    There is none for ids that are onhand's own: it could be taken for the result of onhand's command.
    """
    try:
        sender = _Sender.model_validate(_found(record))
    except ValidationError:
        return None
    if sender.id.startswith(RESERVED_IDS):
        return None
    told = Invalid(reason.code) if reason.code in _OUR_FAULTS else reason
    return CommandResult(
        account_id=sender.account_id,
        command_id=sender.id,
        source=sender.source,
        type=sender.type,
        status=ResultStatus.REJECTED,
        code=told.code,
        message=str(told),
    )


def _found(record: Record) -> dict[str, Any]:
    """Attributes and account id, wherever they stand: in headers of either binding, or in the body."""
    document = _object(any_json(record.value or b""))
    headers = {
        name[_PREFIX_LENGTH:].lower(): (value or b"").decode(errors="replace")
        for name, value in record.headers
        if name.lower().startswith(("ce_", "ce-"))
    }
    if headers.keys() & {"id", "source"}:
        return {**headers, "account_id": document.get("account_id")}
    return {**document, "account_id": _data(document).get("account_id")}


def _data(document: dict[str, Any]) -> dict[str, Any]:
    """The data of a structured event, also where it is in quotes or in base64."""
    data, packed = document.get("data"), document.get("data_base64")
    try:
        if isinstance(data, str):
            return _object(any_json(data.encode()))
        return _object(any_json(b64decode(packed)) if isinstance(packed, str) else data)
    except ValueError:
        return {}


def _object(document: Any) -> dict[str, Any]:
    return document if isinstance(document, dict) else {}
