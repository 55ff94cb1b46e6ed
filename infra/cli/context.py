"""What commands work with, each made when a command asks for it: settings, database, objects, Kafka clients."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from pydantic import TypeAdapter, ValidationError

from consumers import connections
from consumers.settings import Settings
from infra.cli.failures import Failure
from pipeline.errors import TryLater
from pipeline.store.database import Database
from schemas import identifiers as ids
from schemas.cloudevents import Attribute, EventId
from schemas.identifiers import (
    AccountId,
    AccountIdField,
    DocumentId,
    LocationId,
    LocationIdField,
    LotId,
    LotIdField,
    SkuField,
    Text,
    WarehouseId,
    WarehouseIdField,
)
from schemas.topics import Topic


def _parser(contract: Any, name: str) -> Callable[[str], str]:
    adapter: TypeAdapter[str] = TypeAdapter(contract)

    def parse(text: str) -> str:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise typer.BadParameter(f"{text!r} is not {name}: {error.errors()[0]['msg']}") from None

    return parse


def parse_instant(text: str) -> datetime:
    """A time as people write it; in UTC unless it says."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time as in ISO 8601, 2026-11-21T20:00:00Z for one") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


_ACCOUNT = typer.Option(
    "--account",
    envvar="ONHAND_ACCOUNT",
    parser=_parser(AccountIdField, "an account id"),
    metavar="ID",
    help="Whose data.",
)
Account = Annotated[AccountId, _ACCOUNT]
AccountOrNone = Annotated[AccountId | None, _ACCOUNT]
CustomerAccount = Annotated[
    AccountId | None,
    typer.Option(
        "--customer-account",
        parser=_parser(AccountIdField, "an account id"),
        metavar="ID",
        help="Act for this customer, who has linked the account.",
    ),
]
CommandId = Annotated[
    str | None,
    typer.Option(
        "--id", parser=_parser(EventId, "a command id"), metavar="ID", help="The command's id; a new one if not given."
    ),
]
TransferId = Annotated[
    str | None,
    typer.Option(
        "--transfer", parser=_parser(DocumentId, "a transfer id"), metavar="ID", help="Only of this transfer."
    ),
]
Warehouse = Annotated[
    WarehouseId | None,
    typer.Option(
        "--warehouse", parser=_parser(WarehouseIdField, "a warehouse id"), metavar="ID", help="Only of this warehouse."
    ),
]
RequiredWarehouse = Annotated[
    WarehouseId,
    typer.Option(
        "--warehouse", parser=_parser(WarehouseIdField, "a warehouse id"), metavar="ID", help="Whose stock it is."
    ),
]
Sku = Annotated[
    ids.Sku | None, typer.Option("--sku", parser=_parser(SkuField, "a SKU"), metavar="SKU", help="Only of this SKU.")
]
Location = Annotated[
    LocationId | None,
    typer.Option(
        "--location", parser=_parser(LocationIdField, "a location id"), metavar="ID", help="Only of this location."
    ),
]
TEXT = _parser(Text, "a text of up to 255 characters")
"""Parses what is written down as it is: a name, a reason."""
OfReason = Annotated[str | None, typer.Option("--reason", parser=TEXT, metavar="CODE", help="Only with this reason.")]
OfActor = Annotated[
    str | None, typer.Option("--actor", parser=TEXT, metavar="TEXT", help="Only by this person or system.")
]
OfDocument = Annotated[
    str | None, typer.Option("--document", parser=TEXT, metavar="NUMBER", help="Only of this order, purchase order…")
]
OfCommand = Annotated[
    str | None, typer.Option("--command", parser=TEXT, metavar="ID", help="Only by commands of this id.")
]
OfSource = Annotated[
    str | None, typer.Option("--source", parser=TEXT, metavar="SOURCE", help="Only by commands of this source.")
]
CommandSource = Annotated[
    str | None,
    typer.Option(
        "--source",
        parser=_parser(Attribute, "a CloudEvents source"),
        metavar="SOURCE",
        help="The system that chose the ids; onhand/cli if not given.",
    ),
]
Lot = Annotated[
    LotId | None, typer.Option("--lot", parser=_parser(LotIdField, "a lot id"), metavar="ID", help="Only of this lot.")
]


def load_settings() -> Settings:
    """The settings from the environment. Failure names the variables that are missing or wrong, all of them."""
    try:
        return Settings.model_validate({})  # all of it comes from the environment
    except ValidationError as error:
        raise Failure(_settings_message(error)) from None


def _settings_message(error: ValidationError) -> str:
    prefix = Settings.model_config.get("env_prefix", "")
    parts = []
    for problem in error.errors():
        name = f"{prefix}{problem['loc'][0] if problem['loc'] else '…'}".upper()
        parts.append(f"{name} is not set" if problem["type"] == "missing" else f"{name}: {problem['msg']}")
    return f"{'; '.join(parts)}. The README lists the settings; `onhand up` prints them for servers to try it on."


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """A pool of connections, closed at the end. TryLater with the server's own words where it does not let us in."""
    url = settings.database_url.get_secret_value()
    try:
        psycopg.connect(url, connect_timeout=10).close()  # the pool would wait and not say why
    except psycopg.OperationalError as error:
        raise TryLater(f"PostgreSQL does not answer: {error}") from error
    except psycopg.ProgrammingError as error:
        raise Failure(f"ONHAND_DATABASE_URL cannot be read: {' '.join(str(error).split())}") from None
    database = connections.database(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def open_reading(account: AccountId, customer: AccountId | None) -> Iterator[tuple[Database, AccountId]]:
    """The database, and whose data may be read there: the account's own, or that of a customer who lets it.

    Raises:
        Invalid: FORBIDDEN_ACCOUNT.
    """
    with open_database(load_settings()) as database:
        if customer is not None:
            from pipeline.commands.access import require_read  # noqa: PLC0415 - brings the outbox, and Polars, with it

            with database.transaction() as connection:
                require_read(connection, account, customer)
        yield database, customer or account


@asynccontextmanager
async def open_producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that has the broker keep every message on all replicas. TryLater where no broker answers."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_idempotence=settings.kafka_idempotence,
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
    )
    try:
        await _start(producer, settings)
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def open_consumer(settings: Settings, topic: Topic, *, from_beginning: bool) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of all partitions of a topic, outside of any group, from its beginning or from its present end on."""
    name = settings.kafka_topic_prefix + topic
    consumer = AIOKafkaConsumer(
        name, bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await _start(consumer, settings)
        if not consumer.assignment():
            raise Failure(f"Topic {name} does not exist: run `onhand topics apply`.")
        offsets = consumer.beginning_offsets if from_beginning else consumer.end_offsets
        for partition, offset in (await offsets(consumer.assignment())).items():
            consumer.seek(partition, offset)
        yield consumer
    finally:
        await consumer.stop()


async def _start(client: AIOKafkaProducer | AIOKafkaConsumer, settings: Settings) -> None:
    try:
        await client.start()
    except KafkaConnectionError as error:
        raise TryLater(f"Kafka does not answer at {settings.kafka_bootstrap_servers}: {error}") from error
