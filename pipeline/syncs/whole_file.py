"""What only a whole file shows about each of its rows: how its numbers are written, and whether its quotes are text.

Ranges are read side by side, by what the beginning of the file shows. Each counts its evidence. Where all of it
together shows something else, the ranges that depend on it are read once more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import psycopg

from pipeline.store import sync_parts
from pipeline.store import syncs as store
from pipeline.store.sync_parts import StoredRange
from pipeline.store.syncs import Job
from pipeline.syncs.layout import Layout
from pipeline.uploads.bare_quotes import BARE, is_quoting, quote_evidence
from pipeline.uploads.cut import Block, Position
from pipeline.uploads.header import Header
from pipeline.uploads.numbers import NOT_SPLIT, SPLIT, has_either, number_evidence, numbers_of
from pipeline.uploads.records import read_records
from schemas.upload_rows import NUMBER_COLUMNS
from schemas.uploads import DecimalMark


def evidence_of(data: bytes, rows: pl.DataFrame, header: Header) -> Counter[str]:
    """What a block and the rows that were read from it show about their file, to be added up over all of it."""
    return number_evidence(rows) + quote_evidence(data, header)


def with_sample(layout: Layout, sample: bytes, said: DecimalMark | None) -> Layout:
    """The layout with what a sample shows, which begins behind the header; its last line may be cut off."""
    data = sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1]
    layout = _settled(layout, quote_evidence(data, layout.header), said)
    rows = read_records(Block(data, Position(0, 1)), layout.header, behind=layout.behind).frame
    return _settled(layout, evidence_of(data, rows, layout.header), said)


def read_otherwise(connection: psycopg.Connection, job: Job, ranges: Sequence[StoredRange]) -> bool:
    """Have the ranges of a held job read again that were read otherwise than all of its file shows; are there any."""
    layout = Layout.from_json(job.layout or {})
    evidence: Counter[str] = Counter()
    for each in ranges:
        evidence.update(each.read.evidence if each.read else {})
    settled = _settled(layout, evidence, job.options.decimal)
    wrong = [each.edges.range for each in ranges if each.read and _depends(each.read.evidence, layout, settled)]
    if wrong:
        store.change_layout(connection, job.key, settled.to_json())
        sync_parts.read_again(connection, job.key, wrong)
    return bool(wrong)


def _settled(layout: Layout, evidence: Mapping[str, int], said: DecimalMark | None) -> Layout:
    return replace(
        layout,
        header=replace(layout.header, quoting=is_quoting(evidence)),
        numbers=numbers_of(evidence, said),
        behind=None if evidence.get(NOT_SPLIT) else layout.behind,
    )


def _depends(evidence: Mapping[str, int], before: Layout, after: Layout) -> bool:
    """Whether rows with this evidence are read otherwise by the one layout than by the other."""
    return (
        any(has_either(evidence, name) and before.numbers[name] != after.numbers[name] for name in NUMBER_COLUMNS)
        or bool(evidence.get(SPLIT) and before.behind != after.behind)
        or bool(evidence.get(BARE) and before.header.quoting != after.header.quoting)
    )
