"""Those who read what onhand publishes: a service that follows the stock, and the sender who waits for answers."""

import time
from collections import Counter
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from pydantic_core import from_json

from consumers.settings import Settings
from infra.cli.context import open_consumer
from infra.cli.messages import shown
from infra.demo.expected import Answer, Place
from schemas.errors import ErrorCode
from schemas.states import InventoryState, ResultStatus
from schemas.topics import Topic

GROUP: Final = "storefront"
FIRST_EVENTS: Final = 3
_POLL_MS: Final = 200


class Storefront:
    """A downstream service: reads every change from the start, in a group of its own, and so has a copy of the stock.

    It knows nothing but the events: the stock (on_hand, in units) is the sum of their deltas, a repeat is known by its
    version, and a gap in the versions of a level would be seen.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is read before `run`."""
        self._settings = settings
        self.stock: dict[Place, int] = {}
        self._versions: dict[Place, int] = {}
        self.received = 0
        self.repeated = 0
        self.gaps: list[str] = []
        self.first: list[dict[str, Any]] = []
        self.last_published: dict[str | None, float] = {}
        """By sync, when the newest of its events was published, in seconds since 1970; commands under None."""

    async def run(self) -> None:
        """Read until cancelled."""
        consumer = AIOKafkaConsumer(
            self._settings.kafka_topic_prefix + Topic.CHANGES,
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            group_id=GROUP,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            while True:
                for records in (await consumer.getmany(timeout_ms=_POLL_MS, max_records=2_000)).values():
                    for record in records:
                        self._take(record)
        finally:
            await consumer.stop()

    def _take(self, record: Any) -> None:
        if len(self.first) < FIRST_EVENTS:
            self.first.append(shown(record))
        event = from_json(record.value)
        place = Place(event["warehouse_id"], event["sku"], event["location_id"])
        version, last = event["version"], self._versions.get(place, 0)
        if version <= last:
            self.repeated += 1
            return
        if version > last + 1:
            self.gaps.append(f"{place}: version {version} came after {last}")
        self._versions[place] = version
        self.received += 1
        delta = sum(change["delta"] for change in event["changes"] if change["state"] != InventoryState.INCOMING)
        self.stock[place] = self.stock.get(place, 0) + delta
        sync_id = event["sync_id"]
        self.last_published[sync_id] = max(self.last_published.get(sync_id, 0.0), record.timestamp / 1000)

    def levels(self) -> dict[Place, int]:
        """The places that hold something."""
        return {place: quantity for place, quantity in self.stock.items() if quantity}


class Answers:
    """The results of commands as their sender gets them."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is read before `run`."""
        self._settings = settings
        self._seen: set[str] = set()
        self.received: Counter[Answer] = Counter()
        self.arrived: dict[str, float] = {}
        """By command id, when its first answer came, by `time.monotonic`."""

    async def run(self) -> None:
        """Read until cancelled."""
        async with open_consumer(self._settings, Topic.COMMAND_RESULTS, from_beginning=True) as consumer:
            while True:
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for record in records:
                        self._take(record)

    def _take(self, record: Any) -> None:
        event_id = next(value for name, value in record.headers if name == "ce_id").decode()
        if event_id in self._seen:
            return
        self._seen.add(event_id)
        result = from_json(record.value)
        code = ErrorCode(result["code"]) if result["code"] else None
        self.received[Answer(result["command_id"], ResultStatus(result["status"]), code)] += 1
        self.arrived.setdefault(result["command_id"], time.monotonic())
