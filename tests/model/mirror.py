"""The model's account beside the same one in the real store: after each batch they agree in everything."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final, NamedTuple

from pipeline.audit import audit
from pipeline.commands.due import apply_due
from pipeline.commands.handler import apply_commands
from pipeline.commands.received import ReceivedCommand
from pipeline.store.database import Database
from schemas.commands import COMMANDS, read_json
from schemas.topics import Topic
from tests.model.account import Account, Answer, CommandKey, Delivery, Repeat
from tests.model.small_world import HOURS, catalogue, instant, opening_stock, small_world
from tests.model.world import STATES, Key, Step

MAX_LEVELS: Final = 500
"""A result lists no more."""

_numbers = count()


class Entry(NamedTuple):
    """One change of one level as the ledger has it: its lines together."""

    key: Key
    version: int
    deltas: Mapping[str, int]
    reason: str | None
    document: str | None
    origin: str | None


class Mirror:
    """One account in both, and a provider that sends some of its commands.

    Of two mirrors on one database only the later one may be used: the scheduler works for all accounts.
    """

    def __init__(self, database: Database) -> None:
        """Open a new account with the small world and some stock."""
        number = next(_numbers)
        self.database = database
        self.provider = f"provider{number}"
        self.model = Account(small_world())
        self.agreed = True
        self._account_id = f"shop{number}"
        self._both = [self._account_id, self.provider]
        apply_due(database, datetime.fromisoformat(instant(HOURS)))  # what an example that failed has left
        self._give(Delivery(f"c-{n}", kind, data) for n, (kind, data) in enumerate(catalogue(self.provider)))
        self._ask("DELETE FROM outbox")
        self.deliver([Delivery(f"opening-{n}", kind, data) for n, (kind, data) in enumerate(opening_stock())])

    def deliver(self, batch: Sequence[Delivery]) -> None:
        """Give a batch to both."""
        self.agreed = False
        answers, repeats = self.model.deliver(batch)
        self._give(batch)
        self._compare_answers(answers)
        self._compare_messages(repeats)
        self._compare_levels()
        self._compare_catalogue()
        self.agreed = True

    def let_pass(self, now: str) -> None:
        """What is due at an instant is applied in both."""
        self.agreed = False
        due = self.model.apply_due(now)
        assert apply_due(self.database, datetime.fromisoformat(now)) == len(due)
        for schedule_id, step in due.items():
            key = ("", f"onhand:due:{schedule_id}", "onhand")
            assert [_bare(entry) for entry in self._entries([key]).get(key, [])] == [_bare(step)]
        self._compare_levels()
        self.agreed = True

    def close(self) -> None:
        """The audit finds nothing; what would be in the way of other mirrors goes."""
        broken = [finding for each in self._both for finding in audit(self.database, each) if finding.broken]
        assert not broken, broken
        self._ask("DELETE FROM outbox")
        apply_due(self.database, datetime.fromisoformat(instant(HOURS)))

    def _compare_answers(self, answers: Mapping[CommandKey, Answer]) -> None:
        entries = self._entries(list(answers))
        rows = self._ask(
            """SELECT account_id, command_id, source, type, status, code, levels, change_count FROM commands
               WHERE account_id = ANY(%s) AND command_id = ANY(%s)""",
            self._both, [command_id for _, command_id, _ in answers],
        )  # fmt: skip
        found = {(self._sender(account), command_id, source): row for account, command_id, source, *row in rows}
        assert answers.keys() <= found.keys()
        for key, answer in answers.items():
            kind, status, code, touched, change_count = found[key]
            said = (self.model.answered[key][0], status, code, touched)
            assert (status, code is None or code in answer.codes) == (answer.status, True), (said, answer)
            expected = sorted(map(_bare, answer.steps))
            assert change_count == len(expected), said
            listed = sorted(filter(None, map(_touched, touched)))
            if len(touched) < MAX_LEVELS:
                assert listed == expected, (said, expected)
            else:
                assert all(step in expected for step in listed), (said, expected)
            written = sorted(entries.get(key, []), key=lambda entry: (entry.key, entry.version))
            assert {entry.origin is not None for entry in written} <= {kind == "channel.counts"}, said
            assert [_bare(entry) for entry in written] == expected, said
            for entry, step in zip(written, sorted(answer.steps, key=lambda s: (s.key, s.version)), strict=True):
                assert step.reason in {"", entry.reason}, (said, entry, step)
                assert step.document in {"", entry.document}, (said, entry, step)

    def _compare_levels(self) -> None:
        rows = self._ask(
            f"SELECT warehouse_id, sku, location_id, lot_id, version, on_hand, {', '.join(STATES)} FROM levels "  # noqa: S608
            "WHERE account_id = %s AND version > 0", self._account_id)  # fmt: skip
        found = {Key(*row[:4]): (row[4], row[5], row[6:]) for row in rows}
        expected = {
            key: (level.version, level.of("on_hand"), tuple(map(level.of, STATES)))
            for key, level in self.model.world.levels.items()
        }
        differ = {key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)}
        assert not differ, [(key, found.get(key), expected.get(key)) for key in sorted(differ)]
        schedules = self._ask("SELECT schedule_id, status FROM schedules WHERE account_id = %s", self._account_id)
        assert dict(schedules) == {name: s.status for name, s in self.model.world.schedules.items()}

    def _compare_catalogue(self) -> None:
        world = self.model.world
        places = self._rows("locations", "warehouse_id, location_id, sellable")
        assert {(warehouse, place): sellable for warehouse, place, sellable in places} == world.sellable
        warehouses = self._rows("warehouses", "warehouse_id, slotting = 'static', allow_negative, location_layout")
        assert {name: (static, negative, layout or "") for name, static, negative, layout in warehouses} == {
            name: tuple(warehouse) for name, warehouse in world.warehouses.items()
        }
        products = self._rows("products", "sku, warehouse_ids")
        assert {sku: names if names is None else set(names) for sku, names in products} == {
            sku: product.warehouses for sku, product in world.products.items()
        }
        links = self._rows("channel_locations", "channel, external_location_id, warehouse_id, master")
        assert {(channel, name): link for channel, name, *link in links} == {
            location: list(link) for location, link in world.channels.items()
        }

    def _rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        return self._ask(f"SELECT {columns} FROM {table} WHERE account_id = %s", self._account_id)  # noqa: S608

    def _give(self, batch: Iterable[Delivery]) -> None:
        apply_commands([self._received(delivery) for delivery in batch], self.database)

    def _received(self, delivery: Delivery) -> ReceivedCommand:
        who = {"account_id": self._account_id}
        if delivery.sender:
            who = {"account_id": delivery.sender, "customer_account_id": self._account_id}
        command = read_json(COMMANDS[delivery.kind], json.dumps({**who, **delivery.data}))
        return ReceivedCommand(delivery.id, command, delivery.source)

    def _sender(self, account_id: str) -> str:
        return "" if account_id == self._account_id else account_id

    def _compare_messages(self, repeats: list[Repeat]) -> None:
        """The answers to repeats and what channels are asked, taken out of the outbox as the relay would."""
        rows = self._ask("DELETE FROM outbox WHERE account_id = ANY(%s) RETURNING messages", self._both)
        said: dict[str, list[dict[str, Any]]] = {}
        for message in (message for (messages,) in rows for message in messages or ()):
            said.setdefault(message["topic"], []).append(message["data"])
        answers = said.pop(Topic.COMMAND_RESULTS, [])
        for answer in answers:
            assert (answer["code"] == "IDEMPOTENCY_MISMATCH") == (answer["first"] is None), answer
        found = Counter(
            Repeat((self._sender(a["account_id"]), a["command_id"], a["source"]), a["status"], a["first"])
            for a in answers
        )
        assert found == Counter(repeats)
        asked = said.pop(Topic.CHANNEL_UPDATES, [])
        requests = Counter((ask["channel"], ask["external_location_id"], ask["warehouse_id"]) for ask in asked)
        assert requests == Counter(self.model.take_requests())
        assert said == {}

    def _entries(self, keys: list[CommandKey]) -> dict[CommandKey, list[Entry]]:
        """What the ledger has of these commands, and of others with the same ids."""
        rows = self._ask(
            """SELECT coalesce(provider_account_id, ''), command_id, command_source,
                      ROW(warehouse_id, sku, location_id, lot_id), c.version,
                      jsonb_object_agg(state, delta), min(reason), min(document), min(origin)
               FROM change_log AS c JOIN levels AS l USING (account_id, level_id)
               WHERE account_id = %s AND command_id = ANY(%s)
               GROUP BY provider_account_id, command_id, command_source, warehouse_id, sku, location_id, lot_id,
                        c.version""",
            self._account_id, [command_id for _, command_id, _ in keys],
        )  # fmt: skip
        found: dict[CommandKey, list[Entry]] = {}
        for sender, command_id, source, key, *said in rows:
            found.setdefault((sender, command_id, source), []).append(Entry(Key(*key), *said))
        return found

    def _ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.database.transaction() as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []


Bare = tuple[Key, int, list[tuple[str, int]]]


def _bare(step: Step | Entry) -> Bare:
    return step.key, step.version, sorted(step.deltas.items())


def _touched(level: Mapping[str, Any]) -> Bare | None:
    """An entry of a result; None where nothing changed. Its on_hand must follow from its states."""
    deltas = {state: delta for state, delta in level["deltas"].items() if state != "on_hand" and delta}
    assert level["deltas"].get("on_hand", 0) == sum(delta for state, delta in deltas.items() if state != "incoming")
    key = Key(level["warehouse_id"], level["sku"], level["location_id"], level.get("lot_id") or "")
    return (key, level["version"], sorted(deltas.items())) if deltas else None
