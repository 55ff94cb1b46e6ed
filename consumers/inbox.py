"""What happens to received records: read, hand to one handler, and set aside what cannot be processed."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from aiokafka.errors import KafkaError

from consumers.cloudevents import Record
from consumers.dead_letters import DeadLetters
from pipeline.errors import Invalid, TryLater
from schemas.errors import ErrorCode

log = logging.getLogger(__name__)

T = TypeVar("T")


class Inbox(Generic[T]):
    """One topic's way into the pipeline."""

    def __init__(
        self,
        consumer: str,
        read: Callable[[Record], T],
        handle: Callable[[Sequence[T]], Awaitable[None]],
        dead_letters: DeadLetters,
        tell: Callable[[Sequence[tuple[Record, Invalid]]], Awaitable[None]] | None = None,
    ) -> None:
        """`handle` is given what `read` made of the records of one poll, in order.

        `read` raises Invalid for a record that does not keep its contract. `tell` is given the records of one poll that
        became dead letters, with the reasons, before any is acknowledged.
        """
        self._consumer = consumer
        self._read = read
        self._handle = handle
        self._dead_letters = dead_letters
        self._tell = tell

    async def receive(self, records: Sequence[Record]) -> None:
        """Process records. When it returns, each has had its effect or is a dead letter, and all can be acknowledged.

        Raises:
            TryLater, KafkaError: nothing of the last step was done; give the same records again.
        """
        events: list[tuple[Record, T]] = []
        refused: dict[int, Invalid] = {}
        for number, record in enumerate(records):
            try:
                events.append((record, self._read(record)))
            except Invalid as error:
                refused[number] = error
        failed = await self._process(events) if events else {}
        letters: list[tuple[Record, Invalid]] = []
        for number, record in enumerate(records):
            if reason := refused.get(number) or failed.get((record.partition, record.offset)):
                await self._dead_letters.send(record, reason, consumer=self._consumer, attempts=1)
                letters.append((record, reason))
            else:
                self._dead_letters.saw_good_message()
        if self._tell is not None and letters:
            await self._tell(letters)

    async def _process(self, events: Sequence[tuple[Record, T]]) -> dict[tuple[int, int], Invalid]:
        """Have all handled; those that cannot be, by partition and offset."""
        try:
            await self._handle([event for _, event in events])
        except (TryLater, KafkaError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not stop a partition; it is logged and set aside
            if len(events) == 1:
                record = events[0][0]
                return {(record.partition, record.offset): self._reason(error)}
            # One of them cannot be processed: alone, each shows whether it is the one.
            log.warning("a batch of %d failed (%r); taking them one by one", len(events), error)
            failed: dict[tuple[int, int], Invalid] = {}
            for event in events:
                failed |= await self._process([event])
            return failed
        return {}

    def _reason(self, error: Exception) -> Invalid:
        if isinstance(error, Invalid):
            return error
        log.error("a message cannot be processed", exc_info=error)
        return Invalid(ErrorCode.MESSAGE_NOT_PROCESSABLE, repr(error)[:500])
