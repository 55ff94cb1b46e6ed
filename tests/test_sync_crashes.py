"""A sync whose workers and scheduler are killed again and again ends as if nobody had been."""

import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.commands.handler import apply_commands
from schemas.topics import Topic
from tests.support.house import House, build
from tests.support.orders import stock
from tests.support.polling import eventually
from tests.support.reading import levels
from tests.support.workers import Worker

KILLS = 20
SEED = 4
PRODUCTS = 3000
OPENING = 10
RANGES = 3
CHUNK_ROWS = 20
PADDING = "x" * 16_000
"""In a column that is ignored: a file of few rows is read in several ranges."""
LONGEST_WAIT = 12.0
"""Seconds between two kills at most, where a kill waits for the sync to get on."""
ROLES = (("syncs", "relay"), ("scheduler",), ("syncs", "relay"), ("syncs",))
"""All are killed before the first of them has joined its group again, which takes a broker some ten seconds."""


@pytest.fixture
def house(environment: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """A house without workers."""
    house = build(environment, tmp_path, skus=PRODUCTS)
    yield house
    house.database.close()


@dataclass
class Plan:
    """A file whose rows have every action, one in ten of them bad, and what it leaves behind."""

    lines: list[str] = field(default_factory=lambda: ["sku,quantity,action,location,to_location,padding"])
    statuses: dict[int, str] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)

    def row(self, sku: str, quantity: str, action: str, to_location: str = "", **held: int) -> None:
        """A row and the units that its SKU has afterwards in each of its locations; none where the row is bad."""
        self.lines.append(f"{sku},{quantity},{action},,{to_location},{PADDING}")
        self.statuses[len(self.lines) - 1] = "success" if held else "error"
        self.held |= {(sku, location_id): units for location_id, units in held.items()}


def plan() -> Plan:
    written = Plan()
    for number in range(PRODUCTS):
        sku, units = f"S{number}", number % 7 + 1
        match number % 10:
            case 0:
                written.row(sku, "many", "add")
                written.held[sku, "unassigned"] = OPENING
            case 1 | 2 | 3:
                written.row(sku, str(units), "replace", unassigned=units)
            case 4 | 5:
                written.row(sku, str(units), "remove", unassigned=OPENING - units)
            case 6:
                written.row(sku, str(units), "move", "A-01", unassigned=OPENING - units, b1=units)
            case _:
                written.row(sku, str(units), "add", unassigned=OPENING + units)
    return written


@dataclass
class Staff:
    """Four processes, one of which is killed and started again at a time."""

    house: House
    workers: list[Worker] = field(default_factory=list)

    def __enter__(self) -> "Staff":
        self.workers = [self._start(roles) for roles in ROLES]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop()

    def kill(self, number: int) -> None:
        self.workers[number].kill()
        self.workers[number] = self._start(ROLES[number])

    def _start(self, roles: tuple[str, ...]) -> Worker:
        rows = {"sync_chunk_rows": str(CHUNK_ROWS), "sync_step_rows": str(CHUNK_ROWS // 4)}
        return self.house.worker(*roles, **rows, sync_stuck_seconds="5", upkeep_seconds="1")


def test_a_sync_survives_twenty_kills_at_random_instants(house: House) -> None:
    opening = [stock(f"o{n}", "add", OPENING, sku=f"S{n}") for n in range(PRODUCTS)]
    apply_commands(opening, house.database)
    written, sync_id = plan(), uuid.uuid4()
    with Staff(house) as staff:
        _request(house, sync_id, written)
        read = _kill_again_and_again(house, sync_id, staff)
        eventually(lambda: _progress(house, sync_id)[1], "the end of the sync", seconds=90)
        house.prove()
    _check(house, sync_id, written)
    assert read.items() <= _ranges_read(house, sync_id).items(), "what was read before a kill was read again"


def _request(house: House, sync_id: uuid.UUID, written: Plan) -> None:
    url = house.desk.put("\n".join(written.lines) + "\n", f"acme/w1/submitted/{sync_id}/stock.csv")
    request = {"account_id": "acme", "sync_id": str(sync_id), "warehouse_id": "w1", "url": url}
    house.kafka.send_event(Topic.SYNCS, str(sync_id), "sync.request", request)


def _kill_again_and_again(house: House, sync_id: uuid.UUID, staff: Staff) -> dict[int, object]:
    """Kill at random instants of the sync, each process in its turn; the ranges that were read before the last kill."""
    instants = random.Random(SEED)  # noqa: S311 - the same instants every time
    parts = RANGES + PRODUCTS // CHUNK_ROWS
    steps = sorted(instants.sample(range(parts * 3 // 4), KILLS))
    read: dict[int, object] = {}
    for kill, step in enumerate(steps):
        deadline = time.monotonic() + LONGEST_WAIT
        while (progress := _progress(house, sync_id))[0] < step and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(instants.uniform(0, 0.05))  # anywhere within what the worker is about
        assert not progress[1], f"the sync was over before kill {kill + 1}"
        read |= _ranges_read(house, sync_id)
        staff.kill(kill % len(ROLES))
    return read


def _progress(house: House, sync_id: uuid.UUID) -> tuple[int, bool]:
    """Parts that are done, and whether the job has ended."""
    query = "SELECT ranges_done + chunks_done, finished_at IS NOT NULL FROM sync_jobs WHERE sync_id = %s"
    return next(iter(house.desk.ask(query, sync_id)), (0, False))


def _ranges_read(house: House, sync_id: uuid.UUID) -> dict[int, object]:
    """Where the rows of each range that was read to its end lie; each reading writes to a place of its own."""
    query = "SELECT range, object_key FROM sync_ranges WHERE sync_id = %s AND status = 'done'"
    return dict(house.desk.ask(query, sync_id))


def _check(house: House, sync_id: uuid.UUID, written: Plan) -> None:
    """Every row has its one status, and every change was made once."""
    rows = house.desk.ask("SELECT row, status FROM sync_items WHERE sync_id = %s ORDER BY row", sync_id)
    assert rows == sorted(written.statuses.items())
    bad = list(written.statuses.values()).count("error")
    assert house.desk.counts(sync_id) == ("partial", PRODUCTS, PRODUCTS - bad, bad, 0)
    found = {(sku, location_id): held for (_, sku, location_id), (held, _) in levels(house.database).items()}
    assert found == written.held
    assert house.desk.work_files() == []
