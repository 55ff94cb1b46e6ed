"""Writes to and reads from this test's topics, without any of onhand's own Kafka code."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from consumers.settings import Settings
from consumers.topics import apply_topics
from schemas.topics import Topic

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]


class Kafka:
    """The topics of one test."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._prefix = settings.kafka_topic_prefix
        asyncio.run(apply_topics(settings))

    def send(self, topic: Topic, messages: Iterable[tuple[bytes | None, bytes | None, Headers]]) -> None:
        """Write messages: key, value, headers."""

        async def send() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", max_request_size=2**21)
            await producer.start()
            try:
                for key, value, headers in messages:
                    await producer.send_and_wait(f"{self._prefix}{topic}", value=value, key=key, headers=headers)
            finally:
                await producer.stop()

        asyncio.run(send())

    def send_event(self, topic: Topic, event_id: str, type_: str, data: dict[str, Any]) -> None:
        """Write one CloudEvent in structured mode."""
        event = {"specversion": "1.0", "id": event_id, "type": type_, "source": "test", "data": data}
        self.send(topic, [(None, json.dumps(event).encode(), ())])

    def send_commands(self, *commands: tuple[str, str, dict[str, Any]]) -> None:
        """Write commands (id, type, data without account) of account acme in binary mode."""
        self.send(
            Topic.COMMANDS,
            [
                (
                    str(data.get("sku", "")).encode(),
                    json.dumps({"account_id": "acme", **data}).encode(),
                    [("ce_specversion", b"1.0"), ("ce_id", event_id.encode()), ("ce_source", b"test"),
                     ("ce_type", f"inventory.{type_}".encode())],
                )
                for event_id, type_, data in commands
            ],
        )  # fmt: skip

    def read(self, topic: Topic) -> list[ConsumerRecord[bytes, bytes]]:
        """All that is on a topic now, in order per partition."""

        async def read() -> list[ConsumerRecord[bytes, bytes]]:
            consumer = AIOKafkaConsumer(
                f"{self._prefix}{topic}", bootstrap_servers=self._servers, enable_auto_commit=False,
                auto_offset_reset="earliest",
            )  # fmt: skip
            await consumer.start()
            try:
                partitions = sorted(consumer.assignment())
                assert partitions, f"no partitions of {topic}"
                ends = {place: end for place, end in (await consumer.end_offsets(partitions)).items() if end > 0}
                found: list[ConsumerRecord[bytes, bytes]] = []
                while behind := [place for place, end in ends.items() if await consumer.position(place) < end]:
                    for records in (await consumer.getmany(*behind, timeout_ms=500)).values():
                        found.extend(records)
                return found
            finally:
                await consumer.stop()

        return asyncio.run(read())

    def documents(self, topic: Topic) -> list[dict[str, Any]]:
        """The JSON values that are on a topic now."""
        return [json.loads(record.value) for record in self.read(topic)]
