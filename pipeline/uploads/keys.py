"""What the key of an object in the uploads bucket says: whose stock the file is about, or why it is no upload."""

import re
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from schemas.identifiers import ALL_WAREHOUSES, AccountIdField, WarehouseIdField
from schemas.uploads import FORCE_FOLDER, KEY_LAYOUT, REJECTS_PREFIX, SUBMITTED_FOLDER, UPLOAD_SUFFIXES, SkipReason

_OWN: Final = re.compile(rf"{REJECTS_PREFIX}.*|[^/]+/[^/]+/{SUBMITTED_FOLDER}/.*", re.DOTALL)
_FOLDER_ENDS: Final = ("/", "_$folder$")
_SYSTEM_FILES: Final = {"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".directory", "icon\r"}
_SYSTEM_FOLDERS: Final = {"__macosx", ".ds_store", "@eadir", "#recycle", "$recycle.bin", "system volume information"}
_UNFINISHED: Final = {"tmp", "temp", "part", "partial", "filepart", "crdownload", "download", "opdownload", "swp"}
_EXPECTED: Final = f"expected {KEY_LAYOUT}, or …/{FORCE_FOLDER}/{{name}}"

_account: Final = TypeAdapter[str](AccountIdField)
_warehouse: Final = TypeAdapter[str](WarehouseIdField)


@dataclass(frozen=True)
class Place:
    """Whose stock a file is about. `warehouse_id` may be `*`: the file names the warehouses itself."""

    account_id: str
    warehouse_id: str
    force: bool


@dataclass(frozen=True)
class Refusal:
    """Why an object is no upload; `detail` is a sentence for a person."""

    reason: SkipReason
    detail: str


def is_own(key: str) -> bool:
    """Whether an object is onhand's own: a file of rejects, or a file that a request names."""
    return _OWN.fullmatch(key) is not None


def place_of(key: str) -> Place | Refusal:
    """Read the key of an object that is not onhand's own."""
    parts = key.split("/")
    return _refusal(key, parts) or _place(key, parts)


def account_of(key: str) -> str | None:
    """The account that a key names, where its first part can be one."""
    account_id, separator, _ = key.partition("/")
    return account_id if separator and _is(_account, account_id) else None


def _refusal(key: str, parts: list[str]) -> Refusal | None:
    """What is wrong with the name, whatever folder it is in."""
    name = parts[-1]
    folded = name.casefold()
    suffix = folded.rpartition(".")[2] if "." in folded else ""
    if key.endswith(_FOLDER_ENDS):
        return Refusal(SkipReason.FOLDER, "a marker of a folder, no file")
    if folded in _SYSTEM_FILES or name.startswith("._") or any(part.casefold() in _SYSTEM_FOLDERS for part in parts):
        return Refusal(SkipReason.SYSTEM_FILE, f"{name} belongs to an operating system")
    if name.startswith((".", "~$")):
        return Refusal(SkipReason.HIDDEN, f"{name} is a hidden or a lock file; rename it if it is an upload")
    if suffix in _UNFINISHED:
        return Refusal(SkipReason.UNFINISHED, f"{name} is a part of a transfer; the whole file has another name")
    if suffix not in UPLOAD_SUFFIXES:
        found = f"found a name that ends in .{suffix}" if suffix else "found a name without an ending"
        expected = ", ".join(f".{each}" for each in UPLOAD_SUFFIXES)
        return Refusal(SkipReason.FILE_TYPE, f"{found}; expected one of {expected}")
    return None


def _place(key: str, parts: list[str]) -> Place | Refusal:
    force = len(parts) == 4 and parts[2] == FORCE_FOLDER
    if not (len(parts) == 3 or force) or not key.isprintable():
        return Refusal(SkipReason.WRONG_FOLDER, f"found {key}; {_EXPECTED}")
    account_id, warehouse_id = parts[:2]
    if not _is(_account, account_id):
        return Refusal(SkipReason.WRONG_FOLDER, f"{account_id!r} cannot be an account_id; {_EXPECTED}")
    if warehouse_id != ALL_WAREHOUSES and not _is(_warehouse, warehouse_id):
        return Refusal(SkipReason.WRONG_FOLDER, f"{warehouse_id!r} cannot be a warehouse_id; {_EXPECTED}")
    return Place(account_id, warehouse_id, force)


def _is(contract: TypeAdapter[str], text: str) -> bool:
    try:
        contract.validate_python(text)
    except ValidationError:
        return False
    return True


def workbook_key(rejects_key: str) -> str:
    """Where the workbook of rejects lies: beside the CSV file."""
    return rejects_key.removesuffix(".csv") + ".xlsx"
