"""Random sequences of commands on the real store, beside a small model that knows only the contracts.

ONHAND_EXPLORE=N runs N times as many examples, and other ones each time.
"""

import os
from collections.abc import Iterator
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from pipeline.store.database import Database
from tests.model.account import Delivery
from tests.model.batches import BATCHES
from tests.model.mirror import Mirror
from tests.model.orders import order, respelt
from tests.model.small_world import HOURS, instant, seldom
from tests.model.upkeep import trust
from tests.support.databases import copy_of

EXPLORE = int(os.environ.get("ONHAND_EXPLORE", "0"))
seeds = st.integers(0, 2**32)


HOW_AGAIN = ["same", "same", "respelt", "other body", "other sender", "other source", "other source and body"]


class Shop(RuleBasedStateMachine):
    """What happens to an account. A provider sends some of the commands, also when it may not."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.mirror = Mirror(database)
        self.waiting: list[Delivery] = []
        self.sent: list[Delivery] = []
        self._numbers = count(1)

    @rule(which=st.integers(0, 10**6), how=st.sampled_from(HOW_AGAIN))
    def send_again(self, which: int, how: str) -> None:
        """A command is sent a second time, or its id is used for another one, of the same source or of another."""
        if not self.sent:
            return
        again = self.sent[which % len(self.sent)]
        if how == "respelt":
            again = again._replace(data=respelt(dict(again.data)))
        elif how == "other body":
            again = again._replace(data={**again.data, "actor": "somebody else"})
        elif how in {"other source", "other source and body"}:
            again = again._replace(source="till" if again.source == "shop" else "shop")
            if how == "other source and body":
                again = again._replace(data={**again.data, "actor": "somebody else"})
        elif how == "other sender" and "provider_account_id" not in again.data:
            again = again._replace(sender="" if again.sender else self.mirror.provider)
        self.waiting.append(again)

    @rule(seed=seeds, many=st.integers(4, 20), keys=st.lists(st.integers(0, 5), min_size=3, max_size=20))
    def deliver_some(self, seed: int, many: int, keys: list[int]) -> None:
        """A batch: the commands of a key are in order, keys overtake each other, some commands stay for later."""
        self._send(seed, many)
        queues: dict[str, list[Delivery]] = {}
        for delivery in self.waiting:
            queues.setdefault(_key_of(delivery), []).append(delivery)
        batch = []
        for number in keys:
            names = [name for name, queue in queues.items() if queue]
            if names:
                batch.append(queues[names[number % len(names)]].pop(0))
        self.waiting = [delivery for queue in queues.values() for delivery in queue]
        self.mirror.deliver(batch)

    @rule(seed=seeds, many=st.integers(0, 20))
    def deliver_all(self, seed: int, many: int) -> None:
        """Everything that waits, in one batch."""
        self._send(seed, many)
        batch, self.waiting = self.waiting, []
        self.mirror.deliver(batch)

    def _send(self, seed: int, many: int) -> None:
        """Upstream systems send new commands. The seed and their numbers make them."""
        numbers = [next(self._numbers) for _ in range(many)]
        fresh = [self._made(f"o-{number}", Random(f"{seed} {number}")) for number in numbers]  # noqa: S311 - repeatable
        self.waiting += fresh
        self.sent += fresh

    def _made(self, command_id: str, chance: Random) -> Delivery:
        if seldom(chance, 50):
            kind, data = trust(chance)
            return Delivery(command_id, kind, {**data, "provider_account_id": self.mirror.provider})
        return Delivery(command_id, *order(chance), self.mirror.provider if seldom(chance, 5) else "")

    @rule(hours=st.integers(0, HOURS // 2))
    def let_time_pass(self, hours: int) -> None:
        """The scheduler applies what is due."""
        self.mirror.let_pass(instant(hours))

    def teardown(self) -> None:
        """The rest is delivered, and the audit finds nothing."""
        if self.mirror.agreed:  # else it has failed, and what comes now would only hide why
            self.deliver_all(0, 0)
            self.mirror.close()


def _key_of(delivery: Delivery) -> str:
    """The Kafka key that its sender would choose: what is about one thing stays in order."""
    data = delivery.data
    line = {**data, **(data.get("lines") or [{}])[0]}
    names = ("transfer_id", "schedule_id", "sku", "location_id", "channel")
    return str(next((line[name] for name in names if name in line), data.get("warehouse_id")))


HOW = settings(
    max_examples=45 * max(EXPLORE, 1),
    stateful_step_count=30,
    derandomize=not EXPLORE,
    # Making a failure smaller takes minutes: that is for a person who explores.
    phases=[Phase.generate, Phase.shrink] if EXPLORE else [Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def shared(template_url: str) -> Iterator[Database]:
    """One database for all tests of this module: each has accounts of its own."""
    with copy_of(template_url) as url:
        database = Database(url)
        yield database
        database.close()


@pytest.mark.timeout(3600 if EXPLORE else 300)
def test_the_store_and_the_model_agree_whatever_happens(shared: Database) -> None:
    run_state_machine_as_test(lambda: Shop(shared), settings=HOW)  # type: ignore[arg-type] # any factory will do


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_takes_effect_in_its_order(shared: Database, name: str) -> None:
    mirror = Mirror(shared)
    for batch in BATCHES[name]:
        mirror.deliver(batch)
    mirror.close()
