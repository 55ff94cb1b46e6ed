"""What the demo shows at the end: as one JSON document, or in words."""

from collections.abc import Iterator
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from infra.demo.catalogue import ACCOUNT
from infra.demo.checks import Findings
from infra.demo.story import Told
from pipeline import sync_views
from pipeline.store.database import Database
from schemas.errors import RowError
from schemas.states import ItemStatus

_SHOWN_ROWS: Final = 5
_WIDEST: Final = 60


def document(told: Told, findings: Findings, database: Database, seconds: float) -> dict[str, Any]:
    """Everything as plain values. `seconds`: how long the demo has taken."""
    snapshot = told.snapshot_job
    answered = told.answer_seconds
    return {
        "ok": all(check.ok for check in findings.checks),
        "seconds": round(seconds, 1),
        "sync": {
            "status": told.upload_job["status"],
            "rows": told.upload_job["total_count"],
            "rows_by_status": findings.rows_by_status,
            "errors_by_code": findings.errors_by_code,
            "seconds": round(told.sync_seconds, 2),
            "rows_per_s": round(told.upload_job["total_count"] / told.sync_seconds),
        },
        "rejected_rows": _rejected(told, database),
        "commands": {
            "sent": told.expected.answers.total(),
            "answered_during_upload": len(answered),
            "median_answer_ms": round(median(answered) * 1000) if answered else None,
        },
        "events": {
            "expected": told.expected.changes,
            "received": told.storefront.received,
            "repeated": told.storefront.repeated,
            "first": told.storefront.first,
        },
        "snapshot": {name: snapshot[name] for name in ("level_count", "size_bytes", "snapshot_url", "expires_at")},
        "audit": [asdict(finding) for finding in findings.audit],
        "checks": [asdict(check) for check in findings.checks],
    }


def _rejected(told: Told, database: Database) -> list[dict[str, Any]]:
    """Five rows with different faults, those with several errors first; of each kind the first that fits a line."""
    chosen: dict[frozenset[str], dict[str, Any]] = {}
    for item in sync_views.sync_items(
        database, ACCOUNT, told.upload_job["sync_id"], sync_views.Items(status=ItemStatus.ERROR)
    ):
        fields = {name: item[name] for name in ("row", "sku", "quantity", "action", "reason", "location")}
        if max(len(str(value)) for value in fields.values()) > _WIDEST:
            continue
        errors = [RowError.model_validate(error) for error in item["errors"]]
        reasons = [{"code": error.code, "message": error.message} for error in errors]
        chosen.setdefault(frozenset(error.code for error in errors), fields | {"errors": reasons})
    return sorted(chosen.values(), key=lambda row: (-len(row["errors"]), row["row"]))[:_SHOWN_ROWS]


def words(report: dict[str, Any]) -> Iterator[str]:
    """The same for a person, line by line."""
    sync, commands, events, snapshot = (report[part] for part in ("sync", "commands", "events", "snapshot"))
    yield f"The upload ended {sync['status']}: {sync['rows']:,} rows"
    yield from _counts(sync["rows_by_status"])
    yield "Errors by code (a row can have several)"
    yield from _counts(sync["errors_by_code"])
    yield "Five rejected rows"
    for row in report["rejected_rows"]:
        fields = ",".join(row[name] for name in ("sku", "quantity", "action", "reason", "location"))
        yield f"  row {row['row']}: {fields}"
        yield from (f"    {error['code']}: {error['message']}" for error in row["errors"])
    yield "Throughput"
    yield (
        f"  {sync['rows_per_s']:,} rows/s: {sync['seconds']} s from the drop into the bucket until the last change "
        "event was published"
    )
    yield (
        f"  {commands['sent']:,} commands; {commands['answered_during_upload']} answered while the upload ran, "
        f"half of them within {commands['median_answer_ms']} ms"
    )
    yield "The first change events, as a separate consumer received them"
    for event in events["first"]:
        data = event["data"]
        changes = ", ".join(f"{c['state']} {c['before']} → {c['after']}" for c in data["changes"])
        place = f"{data['warehouse_id']} {data['sku']} {data['location_id']}"
        yield f"  {event['type']} {place} version {data['version']}: {changes} ({data['reason'] or data['command_id']})"
    yield f"Snapshot: {snapshot['level_count']:,} levels, {snapshot['size_bytes']:,} bytes"
    yield f"  until {snapshot['expires_at']:%Y-%m-%d %H:%M} UTC at {snapshot['snapshot_url']}"
    yield "Checked against what the generator knows"
    yield from (f"  {'ok    ' if c['ok'] else 'FAILED'}  {c['claim']}: {c['detail']}" for c in report["checks"])
    yield f"{'All of it is true' if report['ok'] else 'NOT all of it is true'}, after {report['seconds']} s."


def _counts(counts: dict[str, int]) -> Iterator[str]:
    return (f"  {count:>9,}  {name}" for name, count in counts.items())
