"""Sends what cannot be processed to the dead-letter topic, with its origin, and stops when that becomes the rule."""

import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from consumers.cloudevents import Record
from pipeline.errors import Invalid
from schemas.topics import DeadLetterHeader

log = logging.getLogger(__name__)


class TooManyDeadLetters(Exception):  # noqa: N818 - what happened, in the words of the log
    """Nothing but dead letters for a while: rather a bad release than bad messages. The worker stops."""


class DeadLetters:
    """Writes dead letters; the original bytes and headers are kept."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, cap: int) -> None:
        """`cap`: how many in a row, with no good message between, before it refuses to go on."""
        self._producer = producer
        self._topic = topic
        self._cap = cap
        self._in_a_row = 0

    def saw_good_message(self) -> None:
        """A message was processed: count from zero again."""
        self._in_a_row = 0

    async def send(self, record: Record, reason: Invalid, *, consumer: str, attempts: int) -> None:
        """Write one record; returns when the broker has it. One that is too large is written without its value.

        Raises:
            TooManyDeadLetters: the cap is reached; the record was not written and must not be acknowledged.
            KafkaError: the record could not be written and must not be acknowledged.
        """
        if self._in_a_row >= self._cap:
            raise TooManyDeadLetters(
                f"{self._in_a_row} dead letters in a row on {record.topic}. Look at the topic {self._topic}; "
                "if the messages are to blame, raise ONHAND_DEAD_LETTER_CAP and start the worker again."
            )
        self._in_a_row += 1
        origin = {
            DeadLetterHeader.TOPIC: record.topic,
            DeadLetterHeader.PARTITION: str(record.partition),
            DeadLetterHeader.OFFSET: str(record.offset),
            DeadLetterHeader.CONSUMER: consumer,
            DeadLetterHeader.CODE: reason.code.value,
            DeadLetterHeader.MESSAGE: str(reason),
            DeadLetterHeader.ATTEMPTS: str(attempts),
        }
        headers = [*record.headers, *((name.value, text.encode()) for name, text in origin.items())]
        try:
            await self._producer.send_and_wait(self._topic, value=record.value, key=record.key, headers=headers)
        except MessageSizeTooLargeError:
            # With its origin it is larger than the topic takes. The headers say where the record itself still is.
            await self._producer.send_and_wait(self._topic, value=None, key=record.key, headers=headers)
        log.warning("dead letter from %s/%d/%d: %s", record.topic, record.partition, record.offset, reason)
