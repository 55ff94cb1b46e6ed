"""Compares what came of it with what the generator knows. Each claim of the demo is one check."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic_core import from_json

from consumers.event_audit import audit_events
from consumers.settings import Settings
from infra.demo.catalogue import ACCOUNT
from infra.demo.expected import Place
from infra.demo.story import Told
from infra.demo.uploads import Upload
from pipeline import sync_views, views
from pipeline.audit import Finding, audit
from pipeline.store.database import Database
from schemas.states import ItemStatus

K = TypeVar("K")


@dataclass(frozen=True)
class Check:
    """A claim, and whether it is true. `detail` says how many things were compared, or which differ."""

    claim: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Findings:
    """All checks, and what else was looked up for them."""

    checks: list[Check]
    rows_by_status: dict[str, int]
    errors_by_code: dict[str, int]
    audit: list[Finding]


async def check_all(told: Told, settings: Settings, database: Database) -> Findings:
    """Look at everything once more, and compare."""
    job, upload = told.upload_job, told.upload
    expected, storefront = told.expected, told.storefront
    errors_by_code = dict(sorted(job["error_counts"].items(), key=lambda counted: (-counted[1], counted[0])))
    by_tables, (size, snapshot), by_events = await asyncio.gather(
        asyncio.to_thread(audit, database, ACCOUNT),
        asyncio.to_thread(_download, told.snapshot_job["snapshot_url"] or ""),
        audit_events(settings, database, ACCOUNT),
    )
    findings = [*by_tables, by_events]
    checks = [
        _same("the opening stock was taken without an error", _expected_rows(told.opening), _rows(told.opening_job)),
        _same("rows by status are as generated", _expected_rows(upload), rows := _rows(job)),
        _same("errors by code are as generated", upload.codes(), errors_by_code),
        _same("each bad row has all its codes, and no other row has one", upload.bad, _bad_rows(database, job)),
        _same("each command was answered as it must be", expected.answers, told.answers.received),
        _same("each change came as one event", {"events": expected.changes}, {"events": storefront.received}),
        Check(
            "versions of each level came without a gap", not storefront.gaps, "; ".join(storefront.gaps[:3]) or "0 gaps"
        ),
        _same("the stock that the events add up to is as generated", expected.levels(), storefront.levels()),
        _same(
            "the snapshot's link gives as many bytes as were written",
            {"bytes": told.snapshot_job["size_bytes"]},
            {"bytes": size},
        ),
        _same("the stock in the snapshot is as generated", expected.levels(), snapshot),
        *map(_proof, findings),
        _same("the audit saw each event", {"events": expected.changes}, {"events": findings[-1].checked}),
    ]
    return Findings(checks, rows, errors_by_code, findings)


def _same(claim: str, expected: Mapping[K, Any], found: Mapping[K, Any]) -> Check:
    different = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    if not different:
        return Check(claim, True, _amount(expected))
    shown = (f"{_words(key)}: expected {expected.get(key)}, found {found.get(key)}" for key in different[:3])
    return Check(claim, False, f"{len(different):,} differ: {'; '.join(shown)}")


def _proof(finding: Finding) -> Check:
    detail = f"{finding.checked:,} checked"
    if finding.broken:
        detail += f", {finding.broken:,} broken: {'; '.join(finding.examples)}"
    return Check(f"audit: {finding.name}", not finding.broken, detail)


def _amount(compared: Mapping[K, Any]) -> str:
    if len(compared) == 1:
        return "".join(f"{value:,} {key}" for key, value in compared.items())
    return f"{len(compared):,} compared"


def _words(key: object) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _expected_rows(upload: Upload) -> dict[str, int]:
    bad = len(upload.bad)
    return {status.value: 0 for status in ItemStatus} | {
        ItemStatus.SUCCESS.value: upload.rows - bad,
        ItemStatus.ERROR.value: bad,
    }


def _rows(job: views.Row) -> dict[str, int]:
    return {status.value: job[f"{status.value}_count"] for status in ItemStatus}


def _bad_rows(database: Database, job: views.Row) -> dict[int, frozenset[str]]:
    items = sync_views.sync_items(database, ACCOUNT, job["sync_id"], sync_views.Items(status=ItemStatus.ERROR))
    return {item["row"]: frozenset(error["code"] for error in item["errors"]) for item in items}


def _download(url: str) -> tuple[int, Counter[Place]]:
    """Fetch a snapshot as anybody could who has the link: its size in bytes, and the places that hold something."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        body = client.get(url).raise_for_status().content
    document = from_json(body)
    return len(body), Counter(
        {
            Place(warehouse_id, sku, location["location_id"]): location["on_hand"]
            for sku, product in document["products"].items()
            for warehouse_id, warehouse in product["warehouses"].items()
            for location in warehouse["locations"]
            if location["on_hand"]
        }
    )
