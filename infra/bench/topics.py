"""How much is on a topic."""

from aiokafka import AIOKafkaConsumer

from consumers.settings import Settings
from schemas.topics import Topic


async def count_messages(settings: Settings, topic: Topic) -> int:
    """The number of messages on the topic, counted by reading it: a broker's end offsets need not be exact."""
    name = f"{settings.kafka_topic_prefix}{topic}"
    consumer = AIOKafkaConsumer(
        name,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        count = 0
        while polled := await consumer.getmany(timeout_ms=2000):
            count += sum(len(records) for records in polled.values())
        return count
    finally:
        await consumer.stop()
