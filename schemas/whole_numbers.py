"""JSON whose whole numbers are integers however they are written: 5.0 and 1e1 too, as JSON Schema says.

The decision is made on the digits, never on a binary fraction: no unit is lost or invented by rounding.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_MOST_DIGITS: Final = 19
"""No contract has a larger integer; 1e999999 is not to be written out."""

_PERHAPS_FRACTION: Final = re.compile(r"\d[.eE]")
_QUOTED: Final = re.compile(r"\s*([+-]?\d{1,19})(?:\.0*)?\s*", re.ASCII)


def load_json(text: str) -> Any:
    """A document as Python values. A number that is whole is an int, any other one with a point or exponent a float.

    Raises:
        ValueError, RecursionError: it is no JSON, or nested too deep.
    """
    return json.loads(text, parse_float=_number)


def has_fractions(text: str) -> bool:
    """Whether numbers may be written with a point or an exponent."""
    return _PERHAPS_FRACTION.search(text) is not None


def quoted_integer(text: str) -> str | None:
    """The integer that a text says, as it is to be sent; None where it says anything else."""
    found = _QUOTED.fullmatch(text)
    return str(int(found[1])) if found else None


def _number(text: str) -> int | float:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond all limits
        return float(text)
    if number and number.adjusted() >= _MOST_DIGITS:
        return float(text)
    whole = int(number)
    return whole if whole == number else float(text)
