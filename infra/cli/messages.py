"""CloudEvents in binary mode as the command line writes and shows them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError
from pydantic import BaseModel

from consumers.settings import Settings
from infra.cli.context import open_producer
from infra.cli.failures import Failure
from schemas.cloudevents import JSON_CONTENT_TYPE, SOURCE, SPEC_VERSION
from schemas.jobs import shown_url
from schemas.topics import Topic

CLI_SOURCE: Final = f"{SOURCE}/cli"
"""The source of commands that a person gives. It is always the same, so that a repeat is known as one."""

_IN_FLIGHT: Final = 5_000


@dataclass(frozen=True)
class Message:
    """One event to send: its attributes, the key that orders it, and its data as JSON."""

    type: str
    id: str
    key: str
    data: bytes
    source: str = CLI_SOURCE
    time: datetime | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """The attributes as the Kafka binding of CloudEvents writes them."""
        attributes = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_time": (self.time or datetime.now(UTC)).isoformat(),
            "content-type": JSON_CONTENT_TYPE,
        }
        return [(name, value.encode()) for name, value in attributes.items()]


async def publish(producer: AIOKafkaProducer, topic: str, messages: Iterable[Message]) -> AsyncIterator[int]:
    """Send all; after each few thousand, and at the end, yields how many more the broker has acknowledged.

    Raises:
        Failure: the topic does not exist.
    """
    waiting: list[asyncio.Future[Any]] = []
    try:
        for message in messages:
            waiting.append(
                await producer.send(topic, message.data, key=message.key.encode(), headers=message.headers())
            )
            if len(waiting) == _IN_FLIGHT:
                await asyncio.gather(*waiting)
                yield len(waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
        yield len(waiting)
    except (UnknownTopicOrPartitionError, KafkaTimeoutError) as error:
        raise Failure(f"Topic {topic} takes no messages: run `onhand topics apply`, and `onhand doctor`.") from error


def request(settings: Settings, topic: Topic, event_type: str, key: str, data: BaseModel) -> None:
    """Send one request and wait until the broker has it."""

    async def send() -> None:
        message = Message(event_type, key, key, data.model_dump_json(exclude_none=True).encode())
        async with open_producer(settings) as producer:
            async for _ in publish(producer, settings.kafka_topic_prefix + topic, [message]):
                pass

    asyncio.run(send())


def shown(record: Any) -> dict[str, Any]:
    """A record of any topic for JSON: what is no JSON is shown as text, what is no text with replacement characters."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    event = {name.removeprefix("ce_"): value for name, value in headers.items() if name.startswith("ce_")}
    others = {name: value for name, value in headers.items() if not name.startswith("ce_")}
    return {
        **{name: event[name] for name in ("id", "type", "source", "time") if name in event},
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "partition": record.partition,
        "offset": record.offset,
        "headers": others,
        "data": _without_credentials(_data(record.value)),
    }


def _without_credentials(data: Any) -> Any:
    """A request to sync names the whole URL of its file."""
    if not isinstance(data, dict):
        return data
    return {
        name: shown_url(value) if name == "url" and isinstance(value, str) else _without_credentials(value)
        for name, value in data.items()
    }


def _data(value: bytes | None) -> Any:
    text = None if value is None else value.decode(errors="replace")
    try:
        return json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return text
