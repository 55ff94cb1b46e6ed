"""The one way in which tests wait: until a condition holds, or a deadline has passed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str, *, seconds: float = 30) -> T:
    """The first true value of `condition`, asked again and again until the deadline.

    Raises:
        AssertionError: it never was; says `what` was waited for, and the last value.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}; the last answer was {value!r}")
        time.sleep(0.05)
    return value
