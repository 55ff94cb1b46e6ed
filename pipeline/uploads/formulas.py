"""Keeps what people wrote from running as a formula when a spreadsheet opens a file, in a way that can be taken back.

A text that begins like a formula, or like one with apostrophes before it, gets one apostrophe in front. A spreadsheet
shows it as text, and taking one apostrophe away gives the original.
"""

import re
from typing import Final

_STARTS: Final = r"[=+\-@\t\r]"
UNSAFE_PATTERN: Final = rf"^'*{_STARTS}"
"""What gets an apostrophe in front."""
SAFE_PATTERN: Final = rf"^'+{_STARTS}"
"""What has got one."""

_UNSAFE: Final = re.compile(UNSAFE_PATTERN)
_UNSAFE_BYTES: Final = re.compile(UNSAFE_PATTERN.encode())
_SAFE_BYTES: Final = re.compile(SAFE_PATTERN.encode())


def formula_safe(text: str) -> str:
    """The text as it may stand in a cell."""
    return f"'{text}" if _UNSAFE.match(text) else text


def formula_safe_bytes(field: bytes) -> bytes:
    """The same of bytes in UTF-8, or nearly."""
    return b"'" + field if _UNSAFE_BYTES.match(field) else field


def formula_unsafe_bytes(field: bytes) -> bytes:
    """What was made safe, as it was before."""
    return field[1:] if _SAFE_BYTES.match(field) else field
