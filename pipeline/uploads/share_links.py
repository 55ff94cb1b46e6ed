"""Says what a server has sent in the place of a file: a page, or a line of text. Links that people share do that."""

import json
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import Invalid
from schemas.errors import ErrorCode

_MOST_TEXT: Final = 1000
"""The most bytes of an answer that is shown: a longer one is no line of text."""
_MOST_SHOWN: Final = 150
_SERVICES: Final = {
    "docs.google.com": "In Google Sheets share it with everyone who has the link, and end the link with "
    "/export?format=csv instead of /edit…",
    "drive.google.com": "For Google Drive use https://drive.google.com/uc?export=download&id=ID, shared with everyone "
    "who has the link",
    "dropbox.com": "For Dropbox end the link with dl=1 instead of dl=0",
    "1drv.ms": "For OneDrive add download=1 to the link, shared with everyone who has it",
    "onedrive.live.com": "For OneDrive add download=1 to the link, shared with everyone who has it",
    "sharepoint.com": "For SharePoint add download=1 to the link, shared with everyone who has it",
    "we.tl": "WeTransfer has no link to the file itself: download it, and submit the file",
    "wetransfer.com": "WeTransfer has no link to the file itself: download it, and submit the file",
    "box.com": "For Box use the Direct Link of its link settings (…/shared/static/…)",
    "icloud.com": "iCloud has no link to the file itself: download it, and submit the file",
}
"""How the link to the file itself is found, by the host of a link that shows the file.

Source: the help pages of the services.
"""
_ADVICE: Final = "A link that is shared often shows the file in a browser; use the link that downloads it"


def page_instead(fault: Invalid, url: str, start: bytes, size: int) -> Invalid:
    """What to tell a person whose link gave no CSV. `start` is the beginning of the `size` bytes that were sent."""
    beginning = start[:_MOST_TEXT].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if fault.code is not ErrorCode.FILE_NOT_CSV or not beginning.startswith((b"<", b"{", b"[")):
        return fault
    host, found = _host(url), fault.detail.rpartition("; expected")[0]
    if b"<html" in beginning or b"<!doctype html" in beginning:
        return Invalid(fault.code, f"{found} at {host}. {_advice(host)}")
    return Invalid(fault.code, f"{found} from {host}: {_said(start)}") if size <= _MOST_TEXT else fault


def text_instead(fault: Invalid, url: str, start: bytes, size: int) -> Invalid:
    """The same where the answer has no header: a sentence, as that a link has expired, is told as it is."""
    text = start.decode(errors="replace").strip()
    if fault.code is not ErrorCode.HEADER_COLUMN_MISSING or size > _MOST_TEXT or not _is_sentence(text):
        return fault
    return Invalid(ErrorCode.FILE_NOT_CSV, f"{_host(url)} answers with a text: {_said(start)}")


def _is_sentence(text: str) -> bool:
    """Words, and nothing that could separate fields: behind a comma is a blank, and lines differ in their commas."""
    lines = text.splitlines()
    if not lines or any(mark in text for mark in ";\t|") or len(lines[0].split()) < 3:
        return False
    commas = [line.count(",") for line in lines if line.strip()]
    as_prose = all(line.count(",") == line.count(", ") for line in lines)
    return as_prose and (len(commas) == 1 or not commas[0] or len(set(commas)) > 1)


def _said(start: bytes) -> str:
    return json.dumps(" ".join(start.decode(errors="replace").split())[:_MOST_SHOWN], ensure_ascii=False)


def _advice(host: str) -> str:
    return next((words for of, words in _SERVICES.items() if host == of or host.endswith(f".{of}")), _ADVICE)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "the server").lower()
    except ValueError:
        return "the server"
