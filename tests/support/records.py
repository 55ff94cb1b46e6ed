"""Kafka records as a consumer gets them, for tests that need no broker."""

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from consumers.cloudevents import Record


def record(value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = (), key: bytes | None = None) -> Record:
    """A record of some topic."""
    return ConsumerRecord(
        topic="t", partition=0, offset=0, timestamp=0, timestamp_type=0, key=key, value=value, checksum=None,
        serialized_key_size=0, serialized_value_size=0, headers=tuple(headers))  # fmt: skip
