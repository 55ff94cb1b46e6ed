"""Plans a sync: finds its file, reads the header, and cuts the rest into ranges that workers read side by side.

Every range is written down as soon as it is cut. A planner that is lost is replaced by another one, which goes on
behind the last range.
"""

from collections.abc import Iterator
from typing import Final

import psycopg

from pipeline.errors import Invalid, TryLater
from pipeline.object_failures import own_bucket
from pipeline.store import accounts, sync_parts
from pipeline.store import syncs as store
from pipeline.store.accounts import LinkKey, link_scopes
from pipeline.store.catalogue import WarehouseKey, guard_shares, similar_warehouse, warehouse_names, warehouses
from pipeline.store.sync_parts import RangeEdges
from pipeline.store.syncs import Job, PlainSource, SyncKey
from pipeline.syncs.begin import begin_processing
from pipeline.syncs.content import content_digest, digested
from pipeline.syncs.layout import Layout, by_location, chunks_for, range_bytes
from pipeline.syncs.plain import make_plain
from pipeline.syncs.revert import write_revert_file
from pipeline.syncs.services import SyncServices
from pipeline.syncs.whole_file import with_sample
from pipeline.uploads.column_names import own_names, require_names, require_warehouses
from pipeline.uploads.cut import Position, cut_ranges
from pipeline.uploads.header import behind_quantity, read_header
from pipeline.uploads.share_links import text_instead
from pipeline.uploads.workbook import SHEET_READ
from schemas.commands.catalogue import Scope
from schemas.errors import ErrorCode
from schemas.identifiers import ALL_WAREHOUSES
from schemas.states import FailurePolicy, SyncState
from schemas.uploads import RowAction

_S3: Final = "s3://"
_PIECE: Final = 4 << 20
_SAMPLE: Final = 1 << 20


def plan_sync(key: SyncKey, services: SyncServices, *, again: bool = True) -> None:
    """Plan a job, or go on with its planning. Nothing happens to one that is planned already, or has ended.

    A file or a request that is wrong ends the job in `error`, with a code; `again` plans such a job anew.

    Raises:
        TryLater: a server is away; the same can be asked for again.
    """
    with services.database.transaction() as connection:
        job = _start(connection, key, again=again)
    if job is None:
        return
    try:
        _plan(job, services)
    except Invalid as reason:
        _fail(job, reason, services)
    except TryLater:
        raise
    except Exception as bug:  # the message becomes a dead letter, and its job must not wait for ever
        _fail(job, Invalid(ErrorCode.MESSAGE_NOT_PROCESSABLE, repr(bug)), services)
        raise


def _start(connection: psycopg.Connection, key: SyncKey, *, again: bool) -> Job | None:
    """Move the job to PLANNING, as it was asked for first; None where nothing is to do."""
    job = store.lock_job(connection, key)
    if job is None or not _can_plan(job, again=again):
        return None
    if job.state is not SyncState.PLANNING:
        store.start_planning(connection, job)
    if (refusal := _refusal(connection, job)) is not None:
        store.fail_job(connection, key, refusal)
        return None
    return store.require_job(connection, key)


def _can_plan(job: Job, *, again: bool) -> bool:
    """Also a job that failed before any row was counted: what was wrong with its file may have been mended."""
    failed_before_its_rows = again and job.state is SyncState.ERROR and job.status.total_count == 0
    return job.state in {SyncState.PENDING, SyncState.PLANNING} or failed_before_its_rows


def _refusal(connection: psycopg.Connection, job: Job) -> Invalid | None:
    """Why this account may not, or cannot, change this warehouse."""
    link = LinkKey(job.owner, job.key.account_id)
    if job.owner != job.key.account_id and link_scopes(connection, [link]).get(link) is not Scope.WRITE:
        return Invalid(ErrorCode.FORBIDDEN_ACCOUNT, job.owner)
    warehouse_id = job.status.warehouse_id
    if warehouse_id != ALL_WAREHOUSES and not warehouses(connection, [(job.owner, warehouse_id)]):
        similar = similar_warehouse(connection, WarehouseKey(job.owner, warehouse_id))
        return Invalid(ErrorCode.UNKNOWN_WAREHOUSE, warehouse_id + (f" (is {similar!r} meant?)" if similar else ""))
    return None


def _fail(job: Job, reason: Invalid, services: SyncServices) -> None:
    with services.database.transaction() as connection:
        now = store.require_job(connection, job.key)
        if job.is_same_planning(now):
            store.fail_job(connection, job.key, reason)
    if now.source is not None:  # before, there is nothing in the work bucket
        with own_bucket():
            services.objects.delete_prefix(services.work_bucket, job.work_prefix)


def _plan(job: Job, services: SyncServices) -> None:
    source = job.source or _claim_source(job, services)
    if source is None:
        return
    if job.range_count is None:
        layout = Layout.from_json(job.layout) if job.layout else _read_layout(job, source, services)
        _cut(job, source, layout, services)
    begin_processing(job.key, services)


def _claim_source(job: Job, services: SyncServices) -> PlainSource | None:
    """Make the file plain and say where it is. Another worker may have been faster; None where the job was stopped."""
    plain = write_revert_file(job, services) if job.status.reverts else make_plain(job, services)
    with services.database.transaction() as connection:
        claimed = store.set_source(
            connection, job, plain.source,
            object_etag=plain.etag, content_hash=plain.content_hash, warnings=plain.warnings, doubt=plain.doubt,
        )  # fmt: skip
        now = store.require_job(connection, job.key)
    if not claimed and plain.is_copy:
        services.objects.delete(services.work_bucket, plain.source.key)
    return now.source if job.is_same_planning(now) else None


def _read_layout(job: Job, source: PlainSource, services: SyncServices) -> Layout:
    start = services.objects.read_range(
        source.bucket, source.key, 0, min(source.size, _SAMPLE), etag=source.etag, version_id=source.version_id
    )
    with services.database.transaction() as connection:
        own = accounts.upload_settings(connection, job.key.account_id).columns
        shares = guard_shares(connection, WarehouseKey(job.owner, job.status.warehouse_id))
        called = warehouse_names(connection, WarehouseKey(job.owner, job.status.warehouse_id))
    asked = {} if job.status.reverts else job.options.columns
    names = {} if job.status.reverts else own_names(own, asked)
    try:
        header = read_header(start, names, warehouse_names=called)
        require_names(header.names, asked)
        if job.status.warehouse_id == ALL_WAREHOUSES:
            require_warehouses(header.names, header.columns)
    except Invalid as fault:
        raise _explained(fault, job, start, source, services) from None
    at_once = job.options.on_error is FailurePolicy.ALL_OR_NOTHING
    size, sample = source.size - header.size, start[header.size :]
    layout = Layout(
        header,
        job.owner,
        chunk_count=1 if at_once else chunks_for(size, sample, services.limits.chunk_rows),
        by_location=by_location(header),
        action=job.options.action or RowAction.REPLACE,
        max_zeroed_percent=services.limits.wipe_guard_percent if shares.zeroed is None else shares.zeroed,
        max_missing_percent=shares.missing,
        behind=None if job.status.reverts else behind_quantity(header, names),
    )
    layout = with_sample(layout, sample, job.options.decimal)
    with services.database.transaction() as connection:
        store.set_layout(connection, job, layout.to_json(), header.warnings, header.reading.export)
        kept = store.require_job(connection, job.key).layout
    return Layout.from_json(kept) if kept else layout


def _explained(fault: Invalid, job: Job, start: bytes, source: PlainSource, services: SyncServices) -> Invalid:
    """What is wrong with a header, and what may be why: another sheet was meant, or a link has led to a page."""
    with services.database.transaction() as connection:
        warnings = store.require_job(connection, job.key).status.warnings
    sheet = next((warning for warning in warnings if warning.startswith(SHEET_READ)), None)
    if sheet is not None:
        return Invalid(fault.code, f"{fault.detail}; {sheet}")
    return fault if job.url.startswith(_S3) else text_instead(fault, job.url, start, source.size)


def _cut(job: Job, source: PlainSource, layout: Layout, services: SyncServices) -> None:
    """Cut what is not cut yet, range by range, until the end of the file or until the job is stopped.

    A file that was not copied is read from its first byte, since its digest is made on the way.
    """
    with services.database.transaction() as connection:
        known = [found.edges for found in sync_parts.ranges(connection, job.key)]
        content_hash = store.require_job(connection, job.key).content_hash
    # The last range again: it says on which line the next one begins.
    first = max(0, len(known) - 1)
    start = Position(known[-1].start_byte, known[-1].first_line) if known else _behind_header(layout)
    digest = content_digest()
    first_byte = 0 if content_hash is None else start.offset
    pieces = services.objects.stream(
        source.bucket, source.key, etag=source.etag, version_id=source.version_id, chunk_size=_PIECE, start=first_byte
    ) if first_byte < source.size else iter(())  # fmt: skip
    if content_hash is None:
        pieces = _behind(digested(pieces, digest), start.offset)
    cut = cut_ranges(pieces, layout.header.delimiter, range_bytes(source.size), start)
    for number, found in enumerate(cut, first):
        edges = RangeEdges(number, found.start.offset, found.size, found.start.line)
        with services.database.transaction() as connection:
            if not job.is_same_planning(store.require_job(connection, job.key)):
                return
            sync_parts.add_range(connection, job, edges)
    with services.database.transaction() as connection:
        store.require_job(connection, job.key)
        range_count = len(sync_parts.ranges(connection, job.key))
        store.set_range_count(connection, job, range_count, content_hash or digest.digest())


def _behind(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """The pieces without their first `start` bytes."""
    for piece in pieces:
        yield piece[start:]
        start = max(0, start - len(piece))


def _behind_header(layout: Layout) -> Position:
    return Position(layout.header.size, layout.header.lines + 1)
