"""What happens in the demo, in order: catalogue, opening stock, the upload with commands beside it, the snapshot."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from infra.cli.context import open_producer
from infra.cli.messages import Message, publish
from infra.demo import catalogue, orders
from infra.demo.catalogue import ACCOUNT, MAIN, Size
from infra.demo.expected import Expected
from infra.demo.readers import Answers, Storefront
from infra.demo.uploads import Upload, write_opening, write_upload
from infra.demo.waiting import Waiting
from infra.platform import Platform
from pipeline import sync_views, views
from pipeline.store.database import Database
from schemas.jobs import RequestSnapshot, sync_id_of_object
from schemas.topics import Topic

SHOP_PRODUCTS: Final = 2_000
_ROUND_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Told:
    """What happened. Times in seconds since 1970."""

    expected: Expected
    opening: Upload
    opening_job: views.Row
    upload: Upload
    upload_job: views.Row
    dropped_at: float
    sync_seconds: float
    answer_seconds: list[float]
    """From sending to answer, for each command that was answered while the upload ran."""
    snapshot_job: views.Row
    storefront: Storefront
    answers: Answers


class Story:
    """Tells itself once, on a running platform; `say` is told what has just been done."""

    _waiting: Waiting

    def __init__(self, platform: Platform, database: Database, size: Size, say: Callable[[str], None]) -> None:
        self._platform = platform
        self._database = database
        self._size = size
        self._say = say
        self._expected = Expected()
        self._storefront = Storefront(platform.settings)
        self._answers = Answers(platform.settings)
        self._sent: dict[str, float] = {}

    async def tell(self, folder: Path) -> Told:
        """Do all of it; files are written to `folder`.

        Raises:
            Failure: something that must come did not.
            StackError: a server or a worker has died.
        """
        readers = (self._storefront.run(), self._answers.run())
        async with (
            Waiting(self._platform, readers) as self._waiting,
            open_producer(self._platform.settings) as producer,
        ):
            return await self._tell(producer, folder)

    async def _tell(self, producer: AIOKafkaProducer, folder: Path) -> Told:
        opening = await asyncio.to_thread(write_opening, folder / "opening.csv", self._size)
        upload = await asyncio.to_thread(write_upload, folder / "count.csv", self._size, opening)
        await self._set_up(producer)
        opening_sync = asyncio.create_task(self._sync(opening))
        count = min(SHOP_PRODUCTS, self._size.products)
        await self._send(producer, list(orders.opening_shop_stock(count, self._expected)))
        opening_job = await opening_sync
        self._say(f"opening stock: {opening.rows:,} rows of {opening.path.name}, the shop's by commands")

        began, dropped_at = time.monotonic(), time.time()
        sync = asyncio.create_task(self._sync(upload))
        await self._work_day(producer, sync)
        upload_job = await sync
        ended = time.monotonic()
        await self._waiting.for_count(lambda: self._storefront.received, self._expected.changes, "change events")
        self._say(f"upload: {upload.rows:,} rows; the storefront has {self._storefront.received:,} change events")

        return Told(
            expected=self._expected,
            opening=opening,
            opening_job=opening_job,
            upload=upload,
            upload_job=upload_job,
            dropped_at=dropped_at,
            sync_seconds=self._storefront.last_published.get(str(upload_job["sync_id"]), time.time()) - dropped_at,
            answer_seconds=[
                at - self._sent[command_id]
                for command_id, at in self._answers.arrived.items()
                if began <= self._sent[command_id] and at <= ended
            ],
            snapshot_job=await self._snapshot(producer),
            storefront=self._storefront,
            answers=self._answers,
        )

    async def _set_up(self, producer: AIOKafkaProducer) -> None:
        await self._send(producer, list(orders.catalogue_messages(catalogue.warehouses(), self._expected)))
        messages = list(orders.catalogue_messages(catalogue.bins_and_products(self._size), self._expected))
        await self._send(producer, messages)
        self._say(f"catalogue: 3 warehouses, {2 * catalogue.BINS} bins, {self._size.products + 1:,} products")

    async def _work_day(self, producer: AIOKafkaProducer, sync: "asyncio.Task[views.Row]") -> None:
        """Single commands while the upload is on its way, and what must not be carried out twice."""
        for messages in orders.rounds(self._expected):
            await self._send(producer, messages, wait=False)
            await asyncio.wait([sync], timeout=_ROUND_SECONDS)
        await self._answered()
        await self._send(producer, orders.repeats(self._expected))

    async def _sync(self, upload: Upload) -> views.Row:
        """Drop the file into the bucket; the job when it has ended."""
        store, bucket = self._platform.objects, self._platform.settings.s3_uploads_bucket
        key = f"{ACCOUNT}/{MAIN}/{upload.path.name}"
        await asyncio.to_thread(store.put_file, bucket, key, upload.path)
        info = store.head(bucket, key)
        sync_id = sync_id_of_object(
            bucket, key, etag=info.etag, last_modified=info.last_modified, version_id=info.version_id
        )
        for place, quantity in upload.targets.items():
            self._expected.replace(place, quantity)
        return await self._waiting.for_job(
            lambda: sync_views.sync_job(self._database, ACCOUNT, sync_id),
            f"rows of {upload.path.name}",
            lambda job: (job["finished_count"], upload.rows),
        )

    async def _snapshot(self, producer: AIOKafkaProducer) -> views.Row:
        order = RequestSnapshot(account_id=ACCOUNT, snapshot_id=uuid4())
        key = str(order.snapshot_id)
        request = Message(RequestSnapshot.TYPE, key, key, order.model_dump_json(exclude_none=True).encode())
        await self._publish(producer, Topic.SNAPSHOTS, [request])
        job = await self._waiting.for_job(
            lambda: views.snapshot_job(self._database, ACCOUNT, order.snapshot_id), "snapshot", lambda _: (0, None)
        )
        self._say(f"snapshot: {job['level_count']:,} levels, {job['size_bytes'] or 0:,} bytes")
        return job

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[Message], *, wait: bool = True) -> None:
        now = time.monotonic()
        self._sent |= {message.id: self._sent.get(message.id, now) for message in messages}
        await self._publish(producer, Topic.COMMANDS, messages)
        if wait:
            await self._answered()

    async def _publish(self, producer: AIOKafkaProducer, topic: Topic, messages: Iterable[Message]) -> None:
        async for _ in publish(producer, self._platform.settings.kafka_topic_prefix + topic, messages):
            pass

    async def _answered(self) -> None:
        await self._waiting.for_count(self._answers.received.total, self._expected.answers.total(), "answers")
