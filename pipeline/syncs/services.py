"""What handling syncs needs, by name."""

from dataclasses import dataclass, field
from threading import Lock

from pipeline.objects import ObjectStore
from pipeline.store.database import Database
from pipeline.uploads.source import SourceLimits


@dataclass(frozen=True)
class SyncLimits:
    """`chunk_rows`: aimed rows of a chunk; `step_rows`: of those in one transaction; `atomic_max_rows`: most rows that
    are applied all or nothing; `part_attempts`: how often a part is tried; `wipe_guard_percent`: of a warehouse that
    has no share of its own; `repeat_hours`: how long a file with movements is taken for a repeat.
    """

    chunk_rows: int = 20_000
    step_rows: int = 4_000
    atomic_max_rows: int = 200_000
    part_attempts: int = 5
    wipe_guard_percent: int = 50
    repeat_hours: float = 12


@dataclass(frozen=True)
class SyncServices:
    """The servers, the buckets and the limits. `turn`: who holds it takes a step of a chunk while commands come in."""

    database: Database
    objects: ObjectStore
    uploads_bucket: str
    work_bucket: str
    sources: SourceLimits
    limits: SyncLimits
    turn: Lock = field(default_factory=Lock)
