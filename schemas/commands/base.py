"""What every command says."""

from typing import Annotated, ClassVar, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from schemas.identifiers import ID_PATTERN, MAX_ID_LENGTH, PRINTABLE_PATTERN, AccountId, AccountIdField, Text, nfc

RESERVED_IDS: Final = "onhand:"
"""Command ids that begin so are onhand's own: the scheduler's. Nobody else's command may have one."""

MAX_LINES = 250
MAX_NOTE_LENGTH = 1_000

ReasonCode = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN)]
"""One of schemas.reasons.Reason, or one that the account has registered."""

Note = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NOTE_LENGTH, pattern=PRINTABLE_PATTERN)]
DocumentNumber = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=PRINTABLE_PATTERN), AfterValidator(nfc)
]
"""The number of an order, purchase order, return… in the sender's system."""


class Contract(BaseModel):
    """Unknown fields are refused: a misspelt one must not silently mean nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T")
Lines = Annotated[tuple[T, ...], Field(min_length=1, max_length=MAX_LINES)]
"""All of them are carried out, in their order, or none."""


class Command(Contract):
    """What every command says.

    A provider (3PL) that acts on the stock of a customer who has linked it sends its own `account_id` and the
    customer's as `customer_account_id`.
    """

    TYPE: ClassVar[str]
    LINES_FORM: ClassVar["type[Command] | None"] = None
    """The same command with `lines`, where it can have several."""

    account_id: AccountIdField
    customer_account_id: AccountIdField | None = None
    actor: Text | None = None

    @property
    def owner(self) -> AccountId:
        """Whose stock and catalogue the command is about."""
        return self.customer_account_id or self.account_id


class StockOrder(Command):
    """What every change of stock says beside its lines."""

    reason: ReasonCode | None = None
    note: Note | None = None
    document: DocumentNumber | None = None
