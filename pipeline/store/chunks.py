"""Writes one chunk of a sync, set-based: levels, ledger, and the status of every row.

The rows go through temporary tables of the transaction (see queries/chunks.sql), from `stage_rows` to the last look at
what became of them.
"""

from typing import Final

import polars as pl
import psycopg
from psycopg import sql

from pipeline.store.chunk_copies import decide_copies, settle_copies
from pipeline.store.chunk_levels import (
    append_ledger,
    change_levels,
    change_levels_if_all_good,
    has_errors,
    undone,
)
from pipeline.store.chunk_owners import find_owners
from pipeline.store.chunk_work import ChunkWork, Effect, Survey, read, survey, write_frame
from pipeline.store.statements import statements
from pipeline.store.syncs import StockChanges
from schemas.states import ItemStatus
from schemas.upload_rows import COLUMNS

__all__ = [
    "ChunkWork",
    "Effect",
    "abort_staged",
    "apply_staged",
    "count_errors",
    "fail_staged",
    "keep_rejects",
    "stage_rows",
    "staged_rows_to_reject",
    "sum_changes",
]

_SQL = statements("chunks")
_NUMBERS: Final = ("row", "line", "byte_offset", "target", "wants_quantity", "wants_version")
_KEPT_CHARACTERS: Final = 1000
"""Of each field of a row, in its status. No good row has a longer one."""


def stage_rows(connection: psycopg.Connection, rows: pl.DataFrame) -> None:
    """Bring validated rows (see `validate_rows`) with their numbers in `row` into this transaction.

    Several frames may come one after the other. Each is in the order of its SKUs: the look-ups that follow then go
    through each index once, which halves their cost.
    """
    connection.execute(_SQL["create_stage"])
    used = [c for c in COLUMNS if c in ("sku", "quantity", "action") or (rows.get_column(c) != "").any()]
    staged = rows.select(*_NUMBERS, "errors", pl.col(used).str.slice(0, _KEPT_CHARACTERS))
    columns = sql.SQL(", ").join(map(sql.Identifier, staged.columns))
    write_frame(connection, sql.SQL(_SQL["copy_stage"]).format(columns=columns), staged)


def apply_staged(connection: psycopg.Connection, work: ChunkWork, effect: Effect) -> dict[ItemStatus, int]:
    """Apply the staged rows: change the levels of the good ones, log the changes, and write every row's status.

    Holds the owners' warehouses from here on, as every writer of stock does: a location that a row names is neither
    deleted nor given other rules before the chunk is committed. Returns the number of rows by status.
    """
    connection.execute(_SQL["create_stage"])
    staged = survey(connection)
    _resolve(connection, work, staged)
    has_copies = decide_copies(connection, work)
    applied = False
    if effect is Effect.APPLY:
        change_levels(connection, work, staged)
        applied = True
    elif effect is Effect.ALL_OR_NOTHING:
        applied = change_levels_if_all_good(connection, work, staged)
    else:
        with undone(connection):
            change_levels(connection, work, staged)
    if connection.execute(_SQL["note_faults"], work.parameters(), prepare=False).rowcount and has_copies:
        settle_copies(connection)
    if applied:
        append_ledger(connection, work, staged)
    elif effect is Effect.CHECK or (effect is Effect.CHECK_ALL_OR_NOTHING and not has_errors(connection, work)):
        connection.execute(_SQL["insert_diffs"], work.parameters(), prepare=False)
    else:
        connection.execute(_SQL["abort_rows"])
        connection.execute(_SQL["forget_changes"])
    return _write_items(connection, work, applied=applied)


def abort_staged(connection: psycopg.Connection, work: ChunkWork) -> dict[ItemStatus, int]:
    """Give every staged row the status ABORTED, or ERROR where it is wrong in itself. The number of rows by status."""
    connection.execute(_SQL["create_stage"])
    connection.execute(_SQL["abort_stage"])
    if work.has_left_rows:
        connection.execute(_SQL["skip_left"])
    return _write_items(connection, work, applied=False)


def fail_staged(connection: psycopg.Connection, work: ChunkWork) -> dict[ItemStatus, int]:
    """Give every staged row the status ERROR with the code PART_FAILED. Returns the number of rows by status."""
    connection.execute(_SQL["create_stage"])
    connection.execute(_SQL["fail_stage"])
    return _write_items(connection, work, applied=False)


def staged_rows_to_reject(connection: psycopg.Connection) -> pl.Series:
    """The numbers (Int32) of the rows that are in error or aborted, in the order of the file."""
    content = read(connection, _SQL["rows_to_reject"])
    if not content:
        return pl.Series("row", [], pl.Int32)
    return pl.read_csv(content, has_header=False, schema={"row": pl.Int32}).get_column("row").sort()


def keep_rejects(connection: psycopg.Connection, work: ChunkWork, rows: pl.DataFrame) -> None:
    """Keep the bytes of rows that were not applied, as they stand in the file: `row` and `raw`."""
    kept = rows.select(
        pl.lit(work.key.account_id).alias("account_id"),
        pl.lit(str(work.key.sync_id)).alias("sync_id"),
        pl.lit(work.month).alias("month"),
        "row",
        pl.format("\\x{}", pl.col("raw").bin.encode("hex")).alias("raw"),
    )
    write_frame(connection, _SQL["copy_rejects"], kept)


def count_errors(connection: psycopg.Connection) -> dict[str, int]:
    """How many rows of the chunk are in error with which code; one with two codes counts under both."""
    return dict(connection.execute(_SQL["count_errors"]).fetchall())


def sum_changes(connection: psycopg.Connection) -> StockChanges:
    """What the rows of the chunk have done to the stock, or would do. A level is never in two steps of a sync."""
    found = connection.execute(_SQL["sum_changes"]).fetchone()
    assert found is not None  # noqa: S101 - an aggregate gives one row
    *changes, moves = found
    if moves:
        changes = list(connection.execute(_SQL["sum_changes_with_moves"]).fetchone() or ())
    return StockChanges._make(changes)


def _resolve(connection: psycopg.Connection, work: ChunkWork, staged: Survey) -> None:
    """Find out whose stock the rows are about, hold the warehouses, and look the rows up in the catalogue."""
    parameters = work.parameters()
    if staged.is_large:
        connection.execute(_SQL["analyze_stage"])
    find_owners(connection, work, staged.owners)
    connection.execute(_SQL["resolve"], parameters, prepare=False)
    if work.has_left_rows:
        connection.execute(_SQL["skip_left"])
    if staged.has_lots:
        connection.execute(_SQL["find_unknown_lots"], parameters, prepare=False)
    if staged.has_moves:
        connection.execute(_SQL["resolve_moves"], parameters, prepare=False)
    if staged.is_large or staged.has_moves:  # moves are looked for among each other
        connection.execute(_SQL["analyze_resolved"])


def _write_items(connection: psycopg.Connection, work: ChunkWork, *, applied: bool) -> dict[ItemStatus, int]:
    connection.execute(_SQL["insert_items"], work.parameters(applied=applied), prepare=False)
    return {ItemStatus(status): count for status, count in connection.execute(_SQL["count_statuses"])}
