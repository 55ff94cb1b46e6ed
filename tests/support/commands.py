"""Commands in any form, and good samples of every message that there is, built from the models themselves."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel

from pipeline.commands.received import ReceivedCommand
from schemas.commands import COMMANDS, read_json
from schemas.jobs import SNAPSHOT_REQUESTS, SYNC_REQUESTS

MISSING_BUCKET_URL: Final = "s3://uploads/acme/w1/there-is-no-such-file.csv"
_JOB: Final = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
_OTHER_JOB: Final = "7d444841-9dc0-11d1-b245-5ffdce74fad2"

_VALUES: Final[Mapping[str, Any]] = {
    "account_id": "acme", "actor": "clerk", "allocated": True, "allow_negative": False, "available": 3,
    "channel": "shop",
    "code": "own", "complete": True, "counted": 3, "damaged": 1, "delta": 1, "description": "Our own.",
    "document": "D-1", "due_at": "2101-01-01T00:00:00Z", "etag": "abc", "expected_quantity": 0, "expected_version": 0,
    "expires_on": "2101-01-01", "external_location_id": "x1", "from_location_id": "b1", "from_state": "available",
    "from_warehouse_id": "w1", "has_inventory": True, "includes_non_sellable": False, "location_id": "b1",
    "location_layout": "area - bin", "lot_id": "l1", "lot_tracked": False, "master": False, "name": "A name",
    "note": "A note", "pickable": True, "provider_account_id": "provider", "quantity": 2, "reason": "correction",
    "remove_inventory": False, "schedule_id": "s1", "scope": "read", "sellable": True, "sku": "A",
    "slotting": "dynamic", "snapshot_id": _JOB, "state": "available", "sync_id": _JOB, "to_location_id": "b1",
    "to_state": "damaged", "to_warehouse_id": "w2", "transfer_id": "t1", "type": "shelf",
    "updated_from": "2026-01-01T00:00:00Z",
    "url": MISSING_BUCKET_URL, "user_id": "clerk", "vendor_id": "v1", "vendor_sku": "V-1", "warehouse_id": "w1",
    "warehouse_ids": ["w1", "w2"], "whole_warehouse": False, "zone": "north",
    "announced": False, "as_of": "2026-01-01T00:00:00Z", "columns": {"Menge": "quantity"}, "dry_run": False,
    "dry_run_id": _OTHER_JOB,
    "duplicates": "last", "encoding": "cp1252", "force": True, "max_errors": 3, "max_missing_percent": 90,
    "max_zeroed_percent": 60, "on_error": "stop_after_errors", "reverted_id": _OTHER_JOB,
    "upload_columns": {"Menge": "quantity"}, "version_id": "v1",
    "upload_encoding": "cp1252", "upload_decimal": ",", "upload_action": "add", "decimal": ",", "action": "add",
    "sheet": "Stock", "idempotency": "delivery",
}  # fmt: skip
"""A good value for each field; a field that is new in a contract is missed here."""

JOBS: Final[Mapping[str, type[BaseModel]]] = {**SYNC_REQUESTS, **SNAPSHOT_REQUESTS}


def command(
    command_id: str, type_: str, account_id: str = "acme", *, source: str = "test", **data: object
) -> ReceivedCommand:
    """A command of one line or of several, as a consumer hands it over."""
    body = json.dumps({"account_id": account_id, **data})
    return ReceivedCommand(command_id, read_json(COMMANDS[type_], body), source)


def samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and data, with every field that there is, of every command (both forms) and every request for a job."""
    for name, model in {**COMMANDS, **JOBS}.items():
        yield name, _sample(model)
        if lines_form := getattr(model, "LINES_FORM", None):
            yield name, _sample(lines_form)


def _sample(model: type[BaseModel]) -> dict[str, Any]:
    return {name: _value(name, field.annotation) for name, field in model.model_fields.items()}


def _value(name: str, annotation: Any) -> Any:
    if inner := _model_within(annotation):
        return [_sample(inner)]
    if name == "customer_account_id":  # acting for oneself; some commands cannot be given for others
        return None if annotation is type(None) else "acme"
    return _VALUES[name]


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """The model of a field that holds several of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_within(part))), None)
