"""Reads and writes the parts of syncs: ranges of bytes to be read, and chunks of rows to be applied."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from pipeline.store.outbox import OutgoingMessage, publish
from pipeline.store.statements import statements
from pipeline.store.syncs import Job, SyncKey
from schemas.cloudevents import EventType
from schemas.jobs import SyncChunk, SyncFinish, SyncRange
from schemas.topics import Topic

_SQL = statements("sync_parts")

Kind = Literal["range", "chunk"]


@dataclass(frozen=True)
class RangeEdges:
    """Which bytes of a plain file a range is, and the physical line that it begins with."""

    range: int
    start_byte: int
    size: int
    first_line: int


@dataclass(frozen=True)
class RangeRead:
    """What was found in a range. `pieces`, `piece_rows`: bytes and rows of each chunk in the object, from chunk 0.

    `sums`: what its good rows come to (Sums).
    `watched`: by the places of columns that are not read and may say what a row does, what rows have in them.
    `evidence`: what its rows show about the whole file, as counts by name.
    """

    object_key: str
    pieces: Sequence[int]
    piece_rows: Sequence[int]
    row_count: int
    invalid_count: int
    blank_count: int
    warnings: Mapping[str, int]
    sums: Mapping[str, Any]
    watched: Mapping[str, Sequence[Any]]
    evidence: Mapping[str, int]


@dataclass(frozen=True)
class StoredRange:
    """A range with what was found in it, as soon as it was read."""

    edges: RangeEdges
    read: RangeRead | None
    attempts: int


@dataclass(frozen=True)
class LockedChunk:
    """A chunk that this transaction holds. `rows_done`: how many of its rows have their status."""

    status: str
    row_count: int
    rows_done: int


@dataclass(frozen=True)
class Piece:
    """The rows of a chunk that come from one range: some bytes of an object. `first_row` is the range's first row."""

    object_key: str
    start: int
    size: int
    first_row: int


# Ranges ---------------------------------------------------------------------------------------------------------------


def add_range(connection: psycopg.Connection, job: Job, edges: RangeEdges) -> None:
    """Note one more range of a job that is being planned, and send it out. A range that is known stays as it is."""
    if connection.execute(_SQL["add_range"], job.key.parameters(**vars(edges), planning=job.planning)).rowcount:
        send_ranges(connection, job.key, [edges.range])


def ranges(connection: psycopg.Connection, key: SyncKey) -> list[StoredRange]:
    """All ranges of a job, in file order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_stored(row) for row in cursor.execute(_SQL["ranges"], key.parameters())]


def _stored(row: dict[str, Any]) -> StoredRange:
    edges = RangeEdges(**{name: row[name] for name in RangeEdges.__dataclass_fields__})
    done = row["status"] == "done"
    read = RangeRead(**{name: row[name] for name in RangeRead.__dataclass_fields__}) if done else None
    return StoredRange(edges, read, row["attempts"])


def end_range(connection: psycopg.Connection, key: SyncKey, range_: int, read: RangeRead) -> bool:
    """Note what was found in a range; False where another worker has done so before. The caller holds the job."""
    row = vars(read) | {"warnings": Jsonb(dict(read.warnings)), "evidence": Jsonb(dict(read.evidence)), "range": range_}
    row |= {"pieces": list(read.pieces), "piece_rows": list(read.piece_rows), "watched": Jsonb(dict(read.watched))}
    row |= {"sums": Jsonb(dict(read.sums))}
    if not connection.execute(_SQL["end_range"], key.parameters(**row)).rowcount:
        return False
    connection.execute(_SQL["count_range"], key.parameters())
    return True


def read_again(connection: psycopg.Connection, key: SyncKey, parts: Sequence[int]) -> None:
    """Have ranges of a held job read again, which were read otherwise than the whole file shows now."""
    connection.execute(_SQL["forget_ranges"], key.parameters(ranges=list(parts)))
    send_ranges(connection, key, parts)


def number_rows(connection: psycopg.Connection, key: SyncKey) -> None:
    """Give each range the number of its first row; all of them were read."""
    connection.execute(_SQL["number_rows"], key.parameters())


# Chunks ---------------------------------------------------------------------------------------------------------------


def insert_chunks(connection: psycopg.Connection, key: SyncKey, row_counts: Mapping[int, int]) -> None:
    """Note the chunks of a planned job with their numbers of rows."""
    parameters = key.parameters(chunks=list(row_counts), row_counts=list(row_counts.values()))
    connection.execute(_SQL["insert_chunks"], parameters)


def lock_chunk(connection: psycopg.Connection, key: SyncKey, chunk: int) -> LockedChunk | None:
    """A chunk, held until the transaction ends; None where there is none."""
    with connection.cursor(row_factory=class_row(LockedChunk)) as cursor:
        return cursor.execute(_SQL["lock_chunk"], key.parameters(chunk=chunk)).fetchone()


def pieces(connection: psycopg.Connection, key: SyncKey, chunk: int) -> list[Piece]:
    """Where the rows of a chunk lie, in file order."""
    return [Piece(*row) for row in connection.execute(_SQL["pieces"], key.parameters(chunk=chunk))]


def count_step(
    connection: psycopg.Connection, key: SyncKey, chunk: int, rows: int, status: Literal["done", "aborted", "failed"]
) -> bool:
    """Count rows of a held chunk that have their status now; whether they were the last, with which it ends."""
    row = connection.execute(_SQL["count_step"], key.parameters(chunk=chunk, rows=rows, status=status)).fetchone()
    return row == (True,)


# Both -----------------------------------------------------------------------------------------------------------------


def pending(connection: psycopg.Connection, key: SyncKey, kind: Kind) -> list[int]:
    """The parts of a job that are still to be done."""
    return [part for (part,) in connection.execute(_SQL[f"pending_{kind}s"], key.parameters())]


def begin(connection: psycopg.Connection, key: SyncKey, kind: Kind, part: int) -> int:
    """Note that a part is begun; how often that has happened without an end. 0 where it is done by now."""
    row = connection.execute(_SQL[f"begin_{kind}"], key.parameters(part=part)).fetchone()
    return row[0] if row else 0


def leave(connection: psycopg.Connection, key: SyncKey, kind: Kind, part: int) -> None:
    """Note that a part which was begun is left for later."""
    connection.execute(_SQL[f"leave_{kind}"], key.parameters(part=part))


def note_failure(connection: psycopg.Connection, key: SyncKey, kind: Kind, part: int, error: str) -> int:
    """Note that a part has failed: it is due again after a pause. How often it has; 0 where it is done by now."""
    parameters = key.parameters(part=part, error=error[:1000].replace("\x00", "\ufffd"))
    row = connection.execute(_SQL[f"note_{kind}_failure"], parameters).fetchone()
    return row[0] if row else 0


def send_due(connection: psycopg.Connection) -> int:
    """Send out the parts whose pause is over; how many those are."""
    count = 0
    for kind, send in (("range", send_ranges), ("chunk", send_chunks)):
        due: dict[SyncKey, list[int]] = {}
        for account_id, sync_id, part in connection.execute(_SQL[f"due_{kind}s"]):
            due.setdefault(SyncKey(account_id, sync_id), []).append(part)
        for key, parts in due.items():
            send(connection, key, parts)
            count += len(parts)
    return count


def send_ranges(connection: psycopg.Connection, key: SyncKey, parts: Iterable[int]) -> None:
    """Have workers read ranges."""
    range_of = partial(SyncRange, account_id=key.account_id, sync_id=key.sync_id)
    _send(connection, key, EventType.SYNC_RANGE, {f"range:{n}": range_of(range=n) for n in parts})


def send_chunks(connection: psycopg.Connection, key: SyncKey, parts: Iterable[int]) -> None:
    """Have workers apply chunks."""
    chunk_of = partial(SyncChunk, account_id=key.account_id, sync_id=key.sync_id)
    _send(connection, key, EventType.SYNC_CHUNK, {f"chunk:{n}": chunk_of(chunk=n) for n in parts})


def send_finish(connection: psycopg.Connection, key: SyncKey) -> None:
    """Have a worker end the job."""
    data = SyncFinish(account_id=key.account_id, sync_id=key.sync_id)
    _send(connection, key, EventType.SYNC_FINISH, {"finish": data})


def _send(
    connection: psycopg.Connection,
    key: SyncKey,
    type_: EventType,
    parts: Mapping[str, SyncRange | SyncChunk | SyncFinish],
) -> None:
    messages = [
        OutgoingMessage(Topic.SYNC_CHUNKS, f"{key.sync_id}:{name}", type_, data) for name, data in parts.items()
    ]
    if messages:
        publish(connection, key.account_id, messages)
