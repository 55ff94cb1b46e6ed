"""Changes the levels of a chunk's good rows, and logs the changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import polars as pl
import psycopg

from pipeline.inventory.level import Level
from pipeline.inventory.sequence import RowOutcome, SequenceRow, carry_out
from pipeline.store.chunk_work import ChunkWork, Survey, holds, read, write, write_frame
from pipeline.store.outbox import Batch, announce_batch
from pipeline.store.statements import statements

_SQL = statements("chunk_levels")
_CHANGED: Final = {
    "row": pl.Int32,
    "account_id": pl.String,
    **dict.fromkeys(("level_id", "version", "delta", "after", "to_level_id", "to_version", "to_after"), pl.Int64),
    **dict.fromkeys(("fault", "found"), pl.String),
    **dict.fromkeys(("beside", "to_beside"), pl.Int64),
}


def change_levels(connection: psycopg.Connection, work: ChunkWork, survey: Survey) -> None:
    """Write the levels of the good rows, and note in `changed` what became of them.

    Rows that share no level with a move are one statement, decided on each level as it is when it is locked. Where
    there are moves, all levels are locked before, so that those of the moves can be read.
    """
    parameters = work.parameters()
    if holds(connection, _SQL["lacks_levels"], work):
        connection.execute(_SQL["create_levels"], parameters, prepare=False)
        connection.execute(_SQL["find_created_levels"], parameters, prepare=False)
    if survey.has_moves:
        connection.execute(_SQL["mark_sequence"], prepare=False)
        connection.execute(_SQL["lock_levels"], prepare=False)
        _carry_out_sequence(connection, work.as_of)
    connection.execute(_SQL["prefer_nested_loops"])
    connection.execute(_SQL["update_levels"], parameters, prepare=False)
    connection.execute(_SQL["allow_all_joins"])
    if survey.is_large:
        connection.execute(_SQL["analyze_changed"])


def change_levels_if_all_good(connection: psycopg.Connection, work: ChunkWork, survey: Survey) -> bool:
    """Write the levels unless a row is in error; whether they were written.

    They are changed in any case and perhaps changed back: what a level has against a row is only known then.
    """
    faults = b""
    with connection.transaction() as savepoint:
        change_levels(connection, work, survey)
        if not has_errors(connection, work):
            return True
        faults = read(connection, _SQL["read_faults"])
        raise psycopg.Rollback(savepoint)
    write(connection, _SQL["copy_changed"], faults)
    return False


def has_errors(connection: psycopg.Connection, work: ChunkWork) -> bool:
    """Whether a row is in error, in itself or on its level."""
    return holds(connection, _SQL["has_errors"], work)


@contextmanager
def undone(connection: psycopg.Connection) -> Iterator[None]:
    """Take back what the block does; `changed` alone is as it left it."""
    with connection.transaction(force_rollback=True):
        yield
        changed = read(connection, _SQL["read_changed"])
    write(connection, _SQL["copy_changed"], changed)


def append_ledger(connection: psycopg.Connection, work: ChunkWork, survey: Survey) -> None:
    """Log the changes and announce them, as one batch for each owner."""
    counts: dict[str, int] = dict(connection.execute(_SQL["count_changes"]).fetchall())
    batches: dict[str, Batch] = {
        owner: announce_batch(connection, owner, change_count=count) for owner, count in counts.items() if count
    }
    if not batches:
        return
    parameters = work.parameters(
        owner_ids=list(batches),
        batch_ids=[batch.batch_id for batch in batches.values()],
        times=[batch.recorded_at for batch in batches.values()],
    )
    connection.execute(_SQL["append_ledger"], parameters, prepare=False)
    if survey.has_moves:
        connection.execute(_SQL["append_ends_of_moves"], parameters, prepare=False)


def _carry_out_sequence(connection: psycopg.Connection, as_of: datetime | None) -> None:
    rows = [SequenceRow._make(row) for row in connection.execute(_SQL["rows_in_sequence"], prepare=False)]
    if not rows:
        return
    levels: dict[int, Level] = {}
    changed_since: dict[int, str] = {}
    for *level, changed_at in connection.execute(_SQL["levels_in_sequence"], {"as_of": as_of}, prepare=False):
        levels[level[0]] = Level._make(level)
        if changed_at is not None:
            changed_since[level[0]] = changed_at
    outcomes = pl.DataFrame(list(carry_out(rows, levels, changed_since)), schema=_CHANGED, orient="row")
    assert list(_CHANGED) == list(RowOutcome._fields)  # noqa: S101 - the frame is filled by position
    write_frame(connection, _SQL["copy_changed"], outcomes)
    connection.execute(_SQL["write_sequence"], prepare=False)
