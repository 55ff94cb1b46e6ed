"""What the subscribers of a worker share: built once by the composition root and handed to each."""

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from faststream.kafka import KafkaBroker

from consumers.dead_letters import DeadLetters
from consumers.settings import Settings
from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from schemas.topics import Topic


@dataclass(frozen=True)
class Worker:
    """One worker process. `stop` ends it with a reason."""

    settings: Settings
    broker: KafkaBroker
    producer: AIOKafkaProducer
    database: Database
    objects: ObjectStore
    dead_letters: DeadLetters
    stop: Callable[[BaseException], None]

    def topic(self, topic: Topic) -> str:
        """The topic's full name."""
        return f"{self.settings.kafka_topic_prefix}{topic}"
