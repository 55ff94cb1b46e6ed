"""Packs messages into requests to Kafka: in order for each partition, and as many in one request as it may hold."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias
from zlib import crc32

from aiokafka.producer.message_accumulator import BatchBuilder

from consumers.cloudevents import Headers, event_headers
from pipeline.errors import Invalid
from pipeline.store.outbox import Publishable
from schemas.errors import ErrorCode
from schemas.topics import TOPICS, DeadLetterHeader, Topic

log = logging.getLogger(__name__)

_REQUEST_BYTES: Final = 512 * 1024
_USUAL_MESSAGE_BYTES: Final = 1024 * 1024
"""What a topic takes unless something else is set."""

_DEAD_LETTER_BYTES: Final = 900_000
_UNCOMPRESSED: Final = 0

Requests: TypeAlias = dict[tuple[Topic, int], list[BatchBuilder]]
"""The requests for each topic and partition, in their order."""


class Limits:
    """How large a request of each topic may be: what its specification says, or what the broker turned out to take."""

    def __init__(self) -> None:
        self._of_one = {topic: spec.max_message_bytes or _USUAL_MESSAGE_BYTES for topic, spec in TOPICS.items()}
        self._of_many = dict.fromkeys(TOPICS, _REQUEST_BYTES)

    def of_one(self, topic: Topic) -> int:
        """The bytes of a request of one message."""
        return self._of_one[topic]

    def of_many(self, topic: Topic) -> int:
        """The bytes of a request of several messages."""
        return self._of_many[topic]

    def refused(self, topic: Topic, request: BatchBuilder) -> None:
        """The broker found a request too large: the next ones will be smaller, until only single messages are."""
        if request.record_count() == 1:
            self._of_one[topic] = request.size() - 1
        else:
            self._of_many[topic] = request.size() // 2


def pack(messages: Iterable[Publishable], prefix: str, limits: Limits) -> Requests:
    """The messages as requests. One that is too large for its topic goes to the dead letters instead, cut off.

    The partition of a key is its CRC-32, as in librdkafka's partitioner `consistent`: C code, where aiokafka's own
    partitioner would cost more than all the rest.
    """
    packing = _Packing(prefix, limits)
    for (topic, kind), run in groupby(messages, itemgetter(0, 1)):
        packing.add_all(topic, kind, run)
    return {place: requests for place, requests in packing.requests.items() if requests}


class _Packing:
    def __init__(self, prefix: str, limits: Limits) -> None:
        self._prefix = prefix
        self._limits = limits
        self._now = int(time.time() * 1000)
        self.requests: defaultdict[tuple[Topic, int], list[BatchBuilder]] = defaultdict(list)

    def add_all(self, topic: Topic, kind: str, messages: Iterable[Publishable]) -> None:
        """Add messages of one topic and type. What is done for each message is most of the relay's work."""
        now, (_, *others) = self._now, event_headers(kind, "")
        partitions = [self.requests[topic, number] for number in range(TOPICS[topic].partitions)]
        count = len(partitions)
        for _, _, event_id, key, value in messages:
            key_bytes = key.encode()
            requests = partitions[crc32(key_bytes) % count]
            headers = [("ce_id", event_id.encode()), *others]
            if not requests or requests[-1].append(key=key_bytes, value=value, timestamp=now, headers=headers) is None:
                self._begin_request(topic, key_bytes, value, headers)

    def _begin_request(self, topic: Topic, key: bytes, value: bytes, headers: Headers) -> None:
        """A message that does not fit in with the ones before: with a request of its own, or as a dead letter."""
        request = BatchBuilder(self._limits.of_many(topic), _UNCOMPRESSED)
        request.append(key=key, value=value, timestamp=self._now, headers=headers)  # the first is always taken
        partition = crc32(key) % TOPICS[topic].partitions
        if request.size() <= self._limits.of_one(topic) or topic is Topic.DEAD_LETTERS:
            self.requests[topic, partition].append(request)
        else:
            self._add_dead_letter(topic, partition, key, value, headers)

    def _add_dead_letter(self, topic: Topic, partition: int, key: bytes, value: bytes, headers: Headers) -> None:
        reason = Invalid(ErrorCode.MESSAGE_TOO_LARGE, f"{len(value)} bytes")
        origin = {
            DeadLetterHeader.TOPIC: f"{self._prefix}{topic}",
            DeadLetterHeader.PARTITION: str(partition),
            DeadLetterHeader.OFFSET: "-1",  # it never got one
            DeadLetterHeader.CONSUMER: "relay",
            DeadLetterHeader.CODE: reason.code.value,
            DeadLetterHeader.MESSAGE: str(reason),
            DeadLetterHeader.ATTEMPTS: "1",
        }
        log.error("dead letter for %s%s/%d, key %r: %s", self._prefix, topic, partition, key, reason)
        most = min(_DEAD_LETTER_BYTES, self._limits.of_one(Topic.DEAD_LETTERS) // 2)
        headers = [*headers, *((name.value, text.encode()) for name, text in origin.items())]
        self._begin_request(Topic.DEAD_LETTERS, key, value[:most], headers)
