"""Messages that nobody should send: good ones with something spoilt, and what is wrong from the start."""

import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from consumers.cloudevents import Received, read_event
from consumers.commands import read_command
from pipeline.errors import Invalid
from tests.support.commands import JOBS, samples
from tests.support.mutations import SPOILT, fields, spoilt
from tests.support.records import record

SAMPLES = list(samples())
MUTANT_ID = "id-of-mutant"
JOB_IDS = {"sync_id", "snapshot_id"}


class Message(NamedTuple):
    """What is sent, and what it is, for people. Its key names it also where its id cannot be read."""

    about: str
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    def read(self) -> Received[Any] | Invalid:
        """What the consumer will make of it; any other exception is a bug."""
        try:
            found = record(self.value, self.headers)
            if any(name == "ce_type" and (value or b"").decode("latin-1") in JOBS for name, value in self.headers):
                return read_event(found, JOBS)
            return read_command(found)
        except Invalid as refused:
            return refused


def binary(about: str, event_id: str, type_: str, body: str | bytes) -> Message:
    """A message in binary mode."""
    attributes = {"ce_specversion": "1.0", "ce_id": event_id, "ce_type": type_, "ce_source": "test"}
    value = body if isinstance(body, bytes) else body.encode()
    return Message(about, value, [(name, text.encode()) for name, text in attributes.items()])


def structured(about: str, event_id: str, type_: str, body: str, **changes: object) -> Message:
    """A message in structured mode."""
    event = {"specversion": "1.0", "id": event_id, "type": type_, "source": "test", **changes}
    event = {name: value for name, value in event.items() if value is not None}
    return Message(about, f'{json.dumps(event)[:-1]}, "data": {body}}}'.encode(), [])


def table() -> Iterator[Message]:
    """Every field of every message, spoilt in every way, in one mode or the other. Each job is one of its own."""
    number = 0
    for type_, data in SAMPLES:
        for path in fields(data):
            for how in SPOILT:
                number += 1
                mode = binary if number % 2 or type_ in JOBS else structured
                own = {name: str(uuid.UUID(int=number)) for name in data if name in JOB_IDS}
                yield mode(f"{type_} {path} {how}", f"h{number}", type_, spoilt({**data, **own}, path, how))


TABLE = list(table())


def oddities() -> Iterator[Message]:
    """What is wrong with a message as a whole."""
    type_, good = "inventory.add", json.dumps({"account_id": "acme", "warehouse_id": "w1", "sku": "A", "quantity": 1})
    yield binary("invalid UTF-8", "odd1", type_, good.encode().replace(b'"A"', b'"\xff\xfe"'))
    yield binary("UTF-16", "odd2", type_, good.encode("utf-16"))
    yield binary("invalid JSON", "odd3", type_, good[:-1])
    yield binary("two documents", "odd4", type_, good * 2)
    yield binary("a list", "odd5", type_, f"[{good}]")
    yield binary("nothing", "odd6", type_, b"")
    yield binary("deep from the start", "odd7", type_, "[" * 10_000)
    yield binary("a field twice", "odd8", type_, good[:-1] + ', "quantity": 7}')
    yield binary("an unknown type", "odd9", "inventory.steal", good)
    yield binary("onhand's own id", "onhand:due:s1", type_, good)
    yield binary("a long id", "x" * 101, type_, good)
    yield binary("an empty id", "", type_, good)
    yield Message("a null value", None, binary("", "odd10", type_, good).headers)
    yield Message("no headers and no JSON", b"hello", [])
    for name in ("specversion", "id", "type", "source"):
        full = binary("", f"lacks-{name}", type_, good)
        yield Message(f"without {name}", full.value, [each for each in full.headers if each[0] != f"ce_{name}"])
        yield Message(f"null {name}", full.value, [(n, None if n == f"ce_{name}" else v) for n, v in full.headers])
        no_text = [(n, b"\xff" if n == f"ce_{name}" else value) for n, value in full.headers]
        yield Message(f"{name} that is no text", full.value, no_text)
        yield structured(f"structured without {name}", "odd11", type_, good, **{name: None})
        yield structured(f"structured with a number as {name}", "odd12", type_, good, **{name: 7})
    for version in ("0.3", "1.1", "2.0", "1"):
        yield structured(f"version {version}", f"v{version}", type_, good, specversion=version)
        full = binary("", f"b{version}", type_, good)
        yield Message(f"version {version}", full.value, [("ce_specversion", version.encode()), *full.headers[1:]])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["A", "w1", "b1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def mutants(draw: Any) -> Message:
    """A good message with fields replaced by anything, then perhaps bytes flipped, or cut off; see `with_own_id`."""
    type_, good = draw(st.sampled_from(SAMPLES))
    data = json.loads(json.dumps(good))
    paths = draw(st.lists(st.sampled_from(list(fields(good))), max_size=2))
    for path in sorted(paths, key=len, reverse=True):  # what is inside first: its container may be replaced too
        place = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = draw(json_values)
    mode = binary if type_ in JOBS or draw(st.booleans()) else structured
    message = mode("mutant", MUTANT_ID, type_, json.dumps(data))
    value = bytearray(message.value or b"")
    for place_, bit in draw(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 7)), max_size=3)):
        value[place_ % len(value)] ^= 1 << bit
    return message._replace(value=bytes(value[: draw(st.none() | st.integers(0, len(value)))]))


def with_own_id(mutant: Message, number: int) -> Message:
    """The mutant with an id that no other has, where it still has one: two of the same would be repeats."""
    own, general = f"id-{number:09}".encode(), MUTANT_ID.encode()
    headers = [(name, own if value == general else value) for name, value in mutant.headers]
    return mutant._replace(value=(mutant.value or b"").replace(general, own), headers=headers)
