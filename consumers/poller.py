"""The bucket poller: announces dropped files where the object store sends no notifications."""

import asyncio
import json
import logging
from datetime import datetime
from urllib.parse import quote_plus

from aiokafka.errors import KafkaError

from consumers.worker import Worker
from pipeline.errors import Invalid, TryLater
from pipeline.objects import ListedObject
from pipeline.uploads.keys import is_own
from schemas.topics import Topic

log = logging.getLogger(__name__)

Version = tuple[str, str, datetime]
"""Key and ETag of an object, and when it was written."""


class Poller:
    """Lists the uploads bucket and announces each new object version, in the form in which a store would.

    Also what is no upload: the consumer notes why. It remembers what it announced only while it lives: after a restart
    everything is announced once more, and the sync of a version that is known changes nothing.
    """

    def __init__(self, worker: Worker) -> None:
        """Nothing is listed before `run`."""
        self._worker = worker
        self._announced: set[Version] = set()

    async def run(self) -> None:
        """Poll until cancelled. Where the store or the broker is away, wait and go on."""
        while True:
            try:
                await self._poll()
            except (TryLater, Invalid, KafkaError) as error:
                log.warning("uploads bucket: %s", str(error) or repr(error))
            await asyncio.sleep(self._worker.settings.uploads_poll_seconds)

    async def _poll(self) -> None:
        bucket = self._worker.settings.s3_uploads_bucket
        objects = await asyncio.to_thread(lambda: list(self._worker.objects.list(bucket)))
        found = {(each.key, each.etag, each.last_modified): each for each in objects if not is_own(each.key)}
        for version, each in found.items():
            if version not in self._announced:
                await self._announce(bucket, each)
                self._announced.add(version)
        self._announced &= set(found)

    async def _announce(self, bucket: str, found: ListedObject) -> None:
        entity = {
            "bucket": {"name": bucket},
            "object": {"key": quote_plus(found.key), "eTag": found.etag, "size": found.size},
        }
        notification = {"Records": [{"eventName": "ObjectCreated:Put", "eventSource": "onhand:poller", "s3": entity}]}
        await self._worker.producer.send_and_wait(
            self._worker.topic(Topic.UPLOADS), key=found.key.encode(), value=json.dumps(notification).encode()
        )
