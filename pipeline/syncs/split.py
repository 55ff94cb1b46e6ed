"""Reads one range of a sync's file: checks its rows, and sorts them by chunk into one object in the work bucket."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from pipeline.object_failures import own_bucket
from pipeline.store import sync_parts
from pipeline.store import syncs as store
from pipeline.store.sync_parts import RangeEdges, RangeRead
from pipeline.store.syncs import Job, PlainSource, SyncKey
from pipeline.syncs.begin import begin_processing
from pipeline.syncs.layout import Layout
from pipeline.syncs.part_failures import attempt
from pipeline.syncs.pieces import Pieces
from pipeline.syncs.services import SyncServices
from pipeline.syncs.whole_file import evidence_of
from pipeline.uploads.cut import Position, blocks
from pipeline.uploads.records import read_records
from pipeline.uploads.rows import validate_rows
from pipeline.uploads.watched import Watched, all_of
from schemas.jobs import SyncRange
from schemas.states import SyncState

_BLOCK_BYTES: Final = 4 << 20
"""What is held in memory at once, before it is read; some ten times as much afterwards."""
_PIECE: Final = 4 << 20


def split_range(message: SyncRange, services: SyncServices) -> None:
    """Read a range of a job that is being planned. Nothing happens to one that was read before, or is not needed.

    A range that cannot be read is tried again later, and ends the job after too many attempts.

    Raises:
        TryLater: a server is away; nothing was changed.
    """
    key = SyncKey(message.account_id, message.sync_id)
    with services.database.transaction() as connection:
        job = store.read_job(connection, key)
        found = [r for r in sync_parts.ranges(connection, key) if r.edges.range == message.range]
    if job is None or job.state is not SyncState.PLANNING or not found or job.source is None:
        return
    if found[0].read is None:
        read = partial(_read, job, job.source, found[0].edges, services)
        attempt(services, job, "range", message.range, read)
    begin_processing(key, services)


def _read(job: Job, source: PlainSource, edges: RangeEdges, services: SyncServices) -> None:
    # A name of its own: a second delivery may be read at the same time, and only one of the two is taken.
    object_key = f"{job.work_prefix}{edges.range:05d}-{uuid4().hex}.csv"
    with tempfile.TemporaryDirectory(prefix="onhand-sync-") as folder:
        read = _split(Path(folder), object_key, job, source, edges, services)
    with services.database.transaction() as connection:
        now = store.require_job(connection, job.key)
        as_known_now = job.is_same_planning(now) and job.layout == now.layout
        taken = as_known_now and sync_parts.end_range(connection, job.key, edges.range, read)
    if not taken:
        services.objects.delete(services.work_bucket, object_key)


def _split(  # noqa: PLR0913, PLR0917 - what is read, and where it goes
    folder: Path, object_key: str, job: Job, source: PlainSource, edges: RangeEdges, services: SyncServices
) -> RangeRead:
    layout = Layout.from_json(job.layout or {})
    pieces = Pieces(folder, layout)
    blank_count = 0
    warnings: Counter[str] = Counter()
    evidence: Counter[str] = Counter()
    watched: list[Watched] = []
    start = Position(edges.start_byte, edges.first_line)
    for block in blocks(_bytes_of(source, edges, services), layout.header.delimiter, _BLOCK_BYTES, start):
        records = read_records(block, layout.header, behind=layout.behind)
        blank_count += records.blank_count
        warnings.update(records.warnings)
        watched.append(records.watched)
        evidence.update(evidence_of(block.data, records.frame, layout.header))
        action, left = layout.action, layout.header.reading.left
        pieces.add(validate_rows(records.frame, layout.numbers, action=action, left=left))
    with own_bucket():
        services.objects.upload_stream(services.work_bucket, object_key, pieces.content())
    return pieces.stored(object_key, blank_count, warnings, watched=all_of(watched), evidence=evidence)


def _bytes_of(source: PlainSource, edges: RangeEdges, services: SyncServices) -> Iterator[bytes]:
    end = edges.start_byte + edges.size
    for start in range(edges.start_byte, end, _PIECE):
        yield services.objects.read_range(
            source.bucket, source.key, start, min(_PIECE, end - start), etag=source.etag, version_id=source.version_id
        )
