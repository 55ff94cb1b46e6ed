"""Many at once on the same few levels: nothing is lost, nothing happens twice, and nobody locks anybody out."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from pipeline.audit import audit
from pipeline.commands.due import apply_due
from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.errors import TryLater
from pipeline.store.database import Database
from tests.support.commands import command
from tests.support.desk import Desk
from tests.support.orders import fill_catalogue, order
from tests.support.polling import eventually

WRITERS = 8
HOT = [("A", "unassigned"), ("A", "b1"), ("B", "unassigned"), ("B", "b1"), ("C", "unassigned")]
DUE = "2101-01-01T00:00:00Z"


class Crowd:
    """Workers on one database, each in a thread with connections of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.delays: list[str] = []
        """Why a worker had to try again."""

    def insist(self, work: Callable[[], object]) -> None:
        """What a consumer does: the same again for as long as it is told to try later."""

        def done() -> bool:
            try:
                work()
            except TryLater as reason:
                self.delays.append(str(reason))
                return False
            return True

        eventually(done, "the work done; it was told to try later each time")

    def apply(self, batches: Sequence[Sequence[ReceivedCommand]]) -> Callable[[Database], None]:
        """A worker that carries out batches one after the other."""

        def work(database: Database) -> None:
            for batch in batches:
                self.insist(lambda batch=batch: apply_commands(batch, database))  # type: ignore[misc]

        return work

    def run(self, *works: Callable[[Database], Any]) -> list[Any]:
        """Let all begin at the same moment; what each returned, when all are done."""
        barrier = Barrier(len(works))

        def begin(work: Callable[[Database], Any]) -> Any:
            database = Database(self.url, max_size=2)
            try:
                barrier.wait()
                return work(database)
            finally:
                database.close()

        with ThreadPoolExecutor(len(works)) as threads:
            return list(threads.map(begin, works))


@pytest.fixture
def crowd(database: Database) -> Iterator[Crowd]:
    """A crowd with a catalogue. Afterwards the invariants hold, and PostgreSQL has seen no deadlock."""
    fill_catalogue(database)
    crowd = Crowd(database.url)
    yield crowd
    prove(database)
    assert [reason for reason in crowd.delays if "deadlock" in reason] == []


def prove(database: Database) -> None:
    """The audit finds nothing, and PostgreSQL had to break no transaction for another."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM outbox")  # here no relay runs
    assert [finding for finding in audit(database) if finding.broken] == []
    assert ask(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


def ask(database: Database, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute(query, parameters).fetchall()


def chance_of(seed: int) -> random.Random:
    """The same numbers in every run."""
    return random.Random(seed)  # noqa: S311


def some_order(command_id: str, chance: random.Random) -> ReceivedCommand:
    """An add, a remove, a transfer or (seldom) a replace on the hot levels, of one line or of three."""
    verb = chance.choices(["add", "remove", "transfer", "replace"], [6, 5, 4, 1])[0]
    lines = [_line(verb, chance) for _ in range(chance.choice([1, 1, 3]))]
    return command(command_id, f"inventory.{verb}", lines=lines)


def _line(verb: str, chance: random.Random) -> dict[str, Any]:
    sku, location = chance.choice(HOT)
    if verb == "transfer":
        here, there = chance.sample(["unassigned", "b1"], 2)
        ends = {"from_warehouse_id": "w1", "from_location_id": here, "to_warehouse_id": "w1", "to_location_id": there}
        return {"sku": chance.choice("AB"), "quantity": chance.randint(1, 5), **ends}
    return {"warehouse_id": "w1", "sku": sku, "location_id": location, "quantity": chance.randint(1, 5)}


def asked_of(received: ReceivedCommand) -> Counter[tuple[str, str]]:
    """What an add, remove or transfer changes, by what it says alone."""
    wanted: Counter[tuple[str, str]] = Counter()
    for line in received.command.lines:  # type: ignore[attr-defined]
        if received.command.TYPE == "inventory.transfer":
            wanted[line.sku, line.from_location_id] -= line.quantity
            wanted[line.sku, line.to_location_id] += line.quantity
        else:
            wanted[line.sku, line.location_id] += line.quantity * (-1 if "remove" in received.command.TYPE else 1)
    return wanted


def test_eight_writers_on_five_hot_levels_lose_no_update(crowd: Crowd, database: Database) -> None:
    chances = [chance_of(seed) for seed in range(WRITERS)]
    batches = [[[some_order(f"{w}-{b}-{n}", chances[w]) for n in range(20)] for b in range(15)] for w in range(WRITERS)]
    crowd.run(*map(crowd.apply, batches))
    sent = {each.command_id: each for writer in batches for batch in writer for each in batch}
    expected: Counter[tuple[str, str]] = Counter()
    answered = ask(database, "SELECT command_id, status, levels, code FROM commands WHERE command_id LIKE '%%-%%-%%'")
    assert sorted(command_id for command_id, *_ in answered) == sorted(sent)
    for command_id, status, touched, code in answered:
        if status == "rejected":
            assert code == "INSUFFICIENT_STOCK"
        elif sent[command_id].command.TYPE == "inventory.replace":
            for level in touched:
                expected[level["sku"], level["location_id"]] += level["deltas"].get("available", 0)
        else:
            expected.update(asked_of(sent[command_id]))
    assert {status for _, status, *_ in answered} == {"applied", "rejected"}
    found = {(s, loc): units for s, loc, units in ask(database, "SELECT sku, location_id, on_hand FROM levels")}
    assert {place: found[place] for place in HOT} == {place: expected[place] for place in HOT}
    assert min(found.values()) >= 0
    assert crowd.delays == []


def test_writers_that_are_given_the_same_commands_carry_each_out_once(crowd: Crowd, database: Database) -> None:
    batches = [[order(f"{b}-{n}", "inventory.add", warehouse_id="w1", sku="A", quantity=1) for n in range(20)]
               for b in range(10)]  # fmt: skip
    crowd.run(*[crowd.apply(chance_of(seed).sample(batches, len(batches))) for seed in range(WRITERS)])
    assert ask(database, "SELECT available, version FROM levels WHERE version > 0") == [(200, 200)]


def test_schedulers_at_once_apply_what_is_due_exactly_once(crowd: Crowd, database: Database) -> None:
    skus = "ABCD"
    apply_commands(
        [order(f"s{n}", "inventory.schedule", warehouse_id="w1", sku=skus[n % 4], quantity=n + 1, due_at=DUE)
         for n in range(200)], database,
    )  # fmt: skip
    now = datetime(2101, 1, 2, tzinfo=UTC)

    def schedule(own: Database) -> int:
        found: list[int] = []

        def until_nothing_is_due() -> None:
            while due := apply_due(own, now):
                found.append(due)

        crowd.insist(until_nothing_is_due)
        return sum(found)

    cancels = [[order(f"x{n}", "inventory.cancel-schedule", schedule_id=f"s{n}")] for n in range(0, 200, 3)]
    *found, _ = crowd.run(schedule, schedule, schedule, crowd.apply(cancels))
    states = Counter(status for (status,) in ask(database, "SELECT status FROM schedules"))
    by_kind = "SELECT type, count(*)::int FROM commands WHERE status = 'applied' GROUP BY type"
    done = Counter(dict(ask(database, by_kind)))
    assert states == Counter(
        applied=done["inventory.apply-schedule"], cancelled=done["inventory.cancel-schedule"]
    )  # and none is pending
    assert sum(found) >= states["applied"] > 0
    arrived = ask(database, "SELECT sum(quantity) FROM schedules WHERE status = 'applied'")
    assert ask(database, "SELECT sum(available), sum(incoming) FROM levels") == [(*arrived[0], 0)]


def test_stock_never_stays_in_a_location_that_is_deleted_meanwhile(crowd: Crowd, database: Database) -> None:
    adds = [
        [[order(f"{w}-{b}-{n}", "inventory.add", warehouse_id="w1", sku="ABCD"[n % 4], location_id="b1", quantity=1)
          for n in range(8)] for b in range(15)]
        for w in range(WRITERS - 1)
    ]  # fmt: skip
    place = {"warehouse_id": "w1", "location_id": "b1"}
    deletes = [
        batch
        for n in range(15)
        for batch in ([order(f"d{n}", "location.delete", remove_inventory=True, **place)],
                      [order(f"e{n}", "location.create", name="A-01", **place)])
    ]  # fmt: skip
    last = [[order("d-last", "location.delete", remove_inventory=True, **place)]]
    crowd.run(*map(crowd.apply, adds), crowd.apply([*deletes, *last]))
    assert ask(database, "SELECT count(*) FROM locations WHERE location_id = 'b1'") == [(0,)]
    assert ask(database, "SELECT sum(on_hand) FROM levels WHERE location_id = 'b1'") in ([(0,)], [(None,)])
    # The numbers of the batches say what came after what: no add takes effect between a delete and the next create.
    order_of_events = ask(database, "SELECT type, code FROM commands WHERE NOT type LIKE '%%upsert' ORDER BY batch_id")
    exists = True
    for kind, code in order_of_events:
        if kind == "inventory.add":
            assert code == "UNKNOWN_LOCATION" or (code is None and exists)
        else:
            exists = kind == "location.create"
    assert len(order_of_events) == 1 + 31 + (WRITERS - 1) * 15 * 8
    assert Counter(ask(database, "SELECT status FROM commands WHERE command_id ~ '^[de]'")) == {("applied",): 31}


def test_counts_of_a_whole_warehouse_and_adds_to_new_bins_lose_no_update(crowd: Crowd, database: Database) -> None:
    bins = [f"n{n}" for n in range(30)]
    apply_commands([order(f"l-{name}", "location.create", warehouse_id="w1", location_id=name, name=name)
                    for name in bins], database)  # fmt: skip

    def add(chance: random.Random, command_id: str, *places: str) -> ReceivedCommand:
        lines = [{"warehouse_id": "w1", "sku": sku, "location_id": place, "quantity": chance.randint(1, 5)}
                 for sku in chance.sample("ABCD", 2) for place in places]  # fmt: skip
        return command(command_id, "inventory.add", lines=lines)

    def count(chance: random.Random, command_id: str) -> ReceivedCommand:
        lines = [{"warehouse_id": "w1", "sku": sku, "whole_warehouse": True, "quantity": chance.randint(0, 300)}
                 for sku in chance.sample("ABCD", 2)]  # fmt: skip
        return command(command_id, "inventory.replace", lines=lines)

    def batches(writer: int) -> list[list[ReceivedCommand]]:
        """To a bin that perhaps holds nothing of the SKU yet, and to the one before; half of the writers count too."""
        chance = chance_of(writer)
        mine = chance.sample(bins, len(bins))
        added = [add(chance, f"add-{writer}-{n}", mine[n], mine[n - 1]) for n in range(len(bins))]
        if writer % 2:
            return [[each] for each in added]
        return [[count(chance, f"count-{writer}-{n}"), each] for n, each in enumerate(added)]

    given = [batches(writer) for writer in range(WRITERS)]
    crowd.run(*map(crowd.apply, given))
    expected: Counter[tuple[str, str]] = Counter()
    for received in (received for writer in given for batch in writer for received in batch):
        if received.command_id.startswith("add"):
            expected.update(asked_of(received))
    answered = ask(database, "SELECT command_id, status, levels FROM commands WHERE command_id ~ '^(add|count)-'")
    assert {status for _, status, _ in answered} == {"applied"}
    assert len(answered) == WRITERS * len(bins) * 3 // 2
    for command_id, _, touched in answered:
        for level in touched if command_id.startswith("count") else ():
            expected[level["sku"], level["location_id"]] += level["deltas"].get("available", 0)
    found = {(s, loc): units for s, loc, units in ask(database, "SELECT sku, location_id, available FROM levels")}
    assert {place: units for place, units in found.items() if units} == {p: n for p, n in expected.items() if n}
    assert min(found.values()) >= 0
    assert crowd.delays == []


def test_no_stock_falls_below_zero_once_its_warehouse_allows_no_debt(crowd: Crowd, database: Database) -> None:
    def moves(writer: int) -> list[list[ReceivedCommand]]:
        chance = chance_of(writer)
        return [[order(f"{writer}-{n}", f"inventory.{chance.choice(['add', 'remove'])}", warehouse_id="w1",
                       sku=chance.choice("AB"), quantity=chance.randint(1, 3))]
                for n in range(60)]  # fmt: skip

    rules = [[order(f"rule-{n}", "warehouse.upsert", warehouse_id="w1", name="One", allow_negative=n % 2 == 0)]
             for n in range(60)]  # fmt: skip
    crowd.run(*(crowd.apply(moves(writer)) for writer in range(WRITERS - 1)), crowd.apply(rules))
    # Whoever changes a rule holds its warehouse alone: the numbers of the batches say which rule was in force.
    answered = ask(database, "SELECT batch_id, command_id, code FROM commands WHERE command_id ~ '^[0-9r]'")
    left = {number: after for number, *after in ask(database, "SELECT batch_id, level_id, after FROM change_log")}
    stock: dict[int, int] = {}
    allowed, codes = False, set()
    for batch_id, command_id, code in sorted(answered):
        if batch_id in left:
            level_id, stock[level_id] = left[batch_id]
        in_debt = min(stock.values(), default=0) < 0
        if command_id.startswith("rule"):
            allows = int(command_id.removeprefix("rule-")) % 2 == 0
            assert code == ("NEGATIVE_STOCK_EXISTS" if in_debt and not allows else None)
            allowed = allows if code is None else allowed
        else:
            assert code == (None if allowed or batch_id in left else "INSUFFICIENT_STOCK")
            assert allowed or not in_debt
        codes.add(code)
    assert codes == {None, "INSUFFICIENT_STOCK", "NEGATIVE_STOCK_EXISTS"}


def test_a_file_and_writers_on_the_same_levels_lose_no_update(desk: Desk) -> None:
    desk.limit(chunk_rows=20)
    rows = "".join(f"S{n},{1000 + n},{location}\n" for location in ("", "A-01") for n in range(60))
    sync_id = desk.request(desk.put("sku,quantity,location\n" + rows))
    crowd = Crowd(desk.database.url)
    chance = chance_of(1)
    adds = [
        [[order(f"{w}-{b}-{n}", "inventory.add", warehouse_id="w1", sku=f"S{chance.randrange(60)}", quantity=1,
                location_id=chance.choice(["unassigned", "b1"])) for n in range(20)] for b in range(10)]
        for w in range(4)
    ]  # fmt: skip
    chunks = desk.chunks(sync_id)
    assert len(chunks) > 4

    def appliers(own: Sequence[int]) -> Callable[[Database], None]:
        def work(_: Database) -> None:
            for chunk in own:
                crowd.insist(lambda chunk=chunk: desk.apply(sync_id, chunk))  # type: ignore[misc]

        return work

    crowd.run(appliers(chunks), appliers(chunks[::-1]), *map(crowd.apply, adds))
    assert desk.counts(sync_id) == ("success", 120, 120, 0, 0)
    assert desk.ask("SELECT count(*) FROM commands WHERE type = 'inventory.add' AND status = 'applied'") == [(800,)]
    added_after = """SELECT count(*) FROM change_log AS a JOIN sync_items AS i USING (account_id, level_id)
                     WHERE a.command_id IS NOT NULL AND i.sync_id = %s AND a.version > i.version"""
    counted = 2 * sum(range(1000, 1060))
    [(after,)] = desk.ask(added_after, sync_id)
    assert desk.ask("SELECT sum(on_hand) FROM levels") == [(counted + after,)]
    prove(desk.database)
