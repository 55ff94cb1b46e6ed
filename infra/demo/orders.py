"""The single commands of the demo, and what each must be answered with."""

from collections.abc import Iterable, Iterator
from typing import Final

from infra.cli.messages import Message
from infra.cli.orders import key_of
from infra.demo.catalogue import ACCOUNT, MAIN, RESERVE, SHOP, SHOP_ONLY_SKU, bin_id, sku
from infra.demo.expected import Answer, Expected, Place
from schemas.commands.base import Command
from schemas.commands.stock import AddInventory, RemoveInventory, ReplaceInventory
from schemas.errors import ErrorCode
from schemas.identifiers import UNASSIGNED
from schemas.states import ResultStatus

ROUNDS: Final = 50
OPENING_SHOP_STOCK: Final = 40
_ACTOR: Final = "demo"

_StockCommand = AddInventory | RemoveInventory | ReplaceInventory


def message(command: Command, command_id: str) -> Message:
    """The command as it is sent, in order with the others of its level."""
    data = command.model_dump_json(exclude_none=True).encode()
    return Message(command.TYPE, command_id, key_of(command, command_id), data)


def catalogue_messages(commands: Iterable[Command], expected: Expected) -> Iterator[Message]:
    """Commands that all must be carried out."""
    for command in commands:
        fields = command.model_dump()
        parts = (fields.get("warehouse_id"), fields.get("location_id"), fields.get("sku"))
        command_id = ":".join((command.TYPE, *(part for part in parts if part)))
        expected.answers[Answer(command_id, ResultStatus.APPLIED)] += 1
        yield message(command, command_id)


def opening_shop_stock(products: int, expected: Expected) -> Iterator[Message]:
    """The stock of the warehouse without bins."""
    for n in range(1, products + 1):
        command = _fill(ReplaceInventory, SHOP, sku(n), OPENING_SHOP_STOCK)
        yield _sent(command, f"opening-{n}", expected)


def rounds(expected: Expected) -> Iterator[list[Message]]:
    """What the shop and the main warehouse do while the upload runs: eight commands a round, one of them rejected."""
    refusals = _refusals()
    for n in range(1, ROUNDS + 1):
        commands = [
            _fill(AddInventory, SHOP, sku(n), 7),
            _fill(RemoveInventory, SHOP, sku(n), 2),
            _fill(ReplaceInventory, SHOP, sku(n), 12),
            _fill(ReplaceInventory, SHOP, sku(n), 12),  # counted again, and no change
            _fill(AddInventory, MAIN, sku(n), 5),
            _fill(RemoveInventory, MAIN, sku(n), 1),
            _fill(AddInventory, RESERVE, sku(n), 3, bin_id(n)),
        ]
        messages = [_sent(command, f"round-{n}-{k}", expected) for k, command in enumerate(commands)]
        refused, code = refusals[n % len(refusals)]
        expected.answers[Answer(f"round-{n}-refused", ResultStatus.REJECTED, code)] += 1
        yield [*messages, message(refused, f"round-{n}-refused")]


def repeats(expected: Expected) -> list[Message]:
    """To be sent when round 1 was answered: the same command once more, and another one under its id."""
    expected.answers[Answer("round-1-0", ResultStatus.DUPLICATE)] += 1
    expected.answers[Answer("round-1-0", ResultStatus.REJECTED, ErrorCode.IDEMPOTENCY_MISMATCH)] += 1
    return [message(_fill(AddInventory, SHOP, sku(1), quantity), "round-1-0") for quantity in (7, 8)]


def _refusals() -> list[tuple[_StockCommand, ErrorCode]]:
    return [
        (_fill(RemoveInventory, SHOP, sku(1), 1_000_000), ErrorCode.INSUFFICIENT_STOCK),
        (_fill(AddInventory, SHOP, "GONE", 1), ErrorCode.UNKNOWN_SKU),
        (_fill(AddInventory, "nowhere", sku(1), 1), ErrorCode.UNKNOWN_WAREHOUSE),
        (_fill(AddInventory, MAIN, SHOP_ONLY_SKU, 1), ErrorCode.SKU_NOT_IN_WAREHOUSE),
        (_fill(AddInventory, MAIN, sku(1), 1, "bin-999"), ErrorCode.UNKNOWN_LOCATION),
        (_fill(AddInventory, SHOP, sku(1), 1, bin_id(1)), ErrorCode.LOCATION_NOT_ALLOWED),
    ]


def _fill(
    order: type[_StockCommand], warehouse: str, product: str, quantity: int, location: str | None = None
) -> _StockCommand:
    return order.model_validate(
        {
            "account_id": ACCOUNT,
            "actor": _ACTOR,
            "warehouse_id": warehouse,
            "sku": product,
            "location_id": location,
            "quantity": quantity,
        }
    )


def _sent(command: _StockCommand, command_id: str, expected: Expected) -> Message:
    """A command that must be carried out."""
    place = Place(command.warehouse_id, command.sku, command.location_id or UNASSIGNED)
    match command:
        case AddInventory():
            expected.add(place, command.quantity)
        case RemoveInventory():
            expected.add(place, -command.quantity)
        case ReplaceInventory():
            expected.replace(place, command.quantity)
    expected.answers[Answer(command_id, ResultStatus.APPLIED)] += 1
    return message(command, command_id)
