"""The cap on dead letters: it counts letters in a row, in the order of the records."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from consumers.cloudevents import Record
from consumers.dead_letters import DeadLetters, TooManyDeadLetters
from consumers.inbox import Inbox
from pipeline.errors import Invalid
from schemas.errors import ErrorCode
from tests.support.records import record


class Recorder:
    """Stands where the producer stands, and keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    async def send_and_wait(self, _topic: str, *, value: bytes | None, **_: Any) -> None:
        self.values.append(value)


def read(found: Record) -> bytes:
    if not found.value or found.value == b"bad":
        raise Invalid(ErrorCode.INVALID_MESSAGE)
    return found.value


def receive(values: Sequence[bytes], *, cap: int, failing: bytes = b"") -> tuple[list[bytes], Recorder]:
    """What was handled, and the letters."""
    handled: list[bytes] = []

    async def handle(items: Sequence[bytes]) -> None:
        if failing in items and failing:
            raise RuntimeError("a bug")
        handled.extend(items)

    recorder = Recorder()
    inbox = Inbox("group", read, handle, DeadLetters(recorder, "letters", cap))  # type: ignore[arg-type]
    records = [record(value) for value in values]
    for number, each in enumerate(records):
        object.__setattr__(each, "offset", number)
    asyncio.run(inbox.receive(records))
    return handled, recorder


def test_good_messages_between_bad_ones_keep_the_worker_going() -> None:
    handled, recorder = receive([b"good", b"bad"] * 40, cap=10)
    assert (len(handled), recorder.values) == (40, [b"bad"] * 40)


def test_nothing_but_bad_messages_stops_it() -> None:
    with pytest.raises(TooManyDeadLetters):
        receive([b"good", *[b"bad"] * 11], cap=10)


def test_a_handler_that_fails_for_all_stops_it_too() -> None:
    with pytest.raises(TooManyDeadLetters):
        receive([b"buggy"] * 11, cap=10, failing=b"buggy")


def test_one_that_fails_is_found_and_the_others_are_handled() -> None:
    handled, recorder = receive([b"a", b"buggy", b"c"], cap=10, failing=b"buggy")
    assert (handled, recorder.values) == ([b"a", b"c"], [b"buggy"])
