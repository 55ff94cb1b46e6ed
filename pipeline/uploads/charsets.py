"""Judges the character set that a web server names for a file: many servers name the same one for all they send."""

from typing import Final

from pydantic import TypeAdapter, ValidationError

from schemas.uploads import Encoding

_ASCII: Final = bytes(range(32, 127))
_SEVEN_BITS: Final = ("utf-7", "iso2022", "hz")
"""Encodings that say everything in ASCII's bytes: what is in them looks like UTF-8."""
_encoding: Final = TypeAdapter[str](Encoding)


def known_charset(named: str) -> str | None:
    """The encoding of that name, as Python spells it; None where there is none."""
    try:
        return _encoding.validate_python(named)
    except ValidationError:
        return None


def is_doubtful(charset: str) -> bool:
    """Whether a text that is valid UTF-8 is in UTF-8, although the server names this encoding: one like ASCII."""
    if charset.startswith(_SEVEN_BITS):
        return False
    return _ASCII.decode(charset, errors="replace") == _ASCII.decode()
