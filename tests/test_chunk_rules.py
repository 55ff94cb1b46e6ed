"""Chunks on the real store: beside other transactions, and compared with a plain model of the rules."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.commands.handler import apply_commands
from pipeline.store import chunks
from pipeline.store.chunks import Effect
from pipeline.store.database import Database
from schemas.states import Duplicates, ItemStatus
from tests.support.chunk_model import Fate, Key, Level, Model
from tests.support.chunks import (
    Applied,
    Row,
    apply_rows,
    fill_house,
    fill_level,
    insert_job,
    levels,
    open_chunk,
    row,
    work,
)
from tests.support.giving import WAITING, new, rows
from tests.support.orders import stock
from tests.support.polling import eventually


@pytest.fixture
def house(audited: Database) -> Database:
    """A catalogue of acme and one of its customer, shop."""
    fill_house(audited)
    return audited


# Others at the same time ----------------------------------------------------------------------------------------------


def test_a_row_is_decided_on_what_another_transaction_has_left(house: Database) -> None:
    fill_level(house, 5)
    remove = [row("A", 4, "remove"), row("B", 1, "replace", expected_quantity="0")]
    with ThreadPoolExecutor(1) as pool:
        with open_chunk(house, row("A", 3), row("B", 2)) as (connection, key, month):
            about = work(key, month)
            insert_job(connection, about, chunks.apply_staged(connection, about, Effect.APPLY), dry_run=False)
            later = pool.submit(apply_rows, house, *remove)
            eventually(lambda: rows(house, WAITING), "the second chunk waits for the first")
        assert later.result().fates == ["INSUFFICIENT_STOCK", "STALE_QUANTITY"]
    assert levels(house) == {("acme", "A", "unassigned"): 3, ("acme", "B", "unassigned"): 2}


@pytest.mark.parametrize("moves", [False, True])
def test_chunks_with_the_same_levels_in_opposite_order_do_not_wait_for_each_other_for_ever(
    house: Database, moves: bool
) -> None:
    skus = [f"S{n}" for n in range(30)]
    apply_commands([new("product.upsert", sku=sku) for sku in skus], house)
    apply_rows(house, *(row(sku, 500) for sku in skus))
    plain = [row(sku, 1, "add") for sku in skus]
    there = [row(sku, 1, "move", to_location="A-01") for sku in skus]
    back = [row(sku, 1, "move", location="A-01", to_location="unassigned") for sku in skus]
    apply_rows(house, *(row(sku, 500, location="A-01") for sku in skus[::-1]))
    orders: list[list[Row]] = [there, back[::-1], plain] if moves else [plain, plain[::-1]]

    def repeat(order: list[Row]) -> list[Applied]:
        return [apply_rows(house, *order) for _ in range(8)]

    with ThreadPoolExecutor(len(orders)) as pool:
        applied = [chunk for chunks_ in pool.map(repeat, orders) for chunk in chunks_]
    assert all(chunk.counts == {ItemStatus.SUCCESS: 30} for chunk in applied)
    on_hand = levels(house)
    assert {on_hand["acme", sku, "unassigned"] + on_hand["acme", sku, "b1"] for sku in skus} == {
        1000 + (8 if moves else 16)
    }


# Any file -------------------------------------------------------------------------------------------------------------


any_row = st.fixed_dictionaries(
    {
        "sku": st.sampled_from(["A", "A", "A", "B", "L", "x"]),
        "quantity": st.sampled_from(["0", "1", "2", "5"]),
        "action": st.sampled_from(["", "replace", "add", "remove", "move", "move"]),
        "location": st.sampled_from(["", "", "unassigned", "A-01", "Z"]),
        "to_location": st.sampled_from(["", "", "unassigned", "A-01", "A-01", "Z"]),
        "lot": st.sampled_from(["", "", "", "l1", "l2", "l9"]),
        "expected_quantity": st.sampled_from(["", "", "", "", "0", "2", "5"]),
        "customer_account_id": st.sampled_from(["", "", "", "acme", "shop", "nobody"]),
        "warehouse": st.sampled_from(["", "w1", "w1", "One", "w2", "Two", "Shop", "nowhere"]),
    }
)  # fmt: skip


def drawn(given: dict[str, str]) -> dict[str, str]:
    """A drawn row that more often makes sense: only moves end somewhere, only L has lots, counts are of w1."""
    if given["action"] != "move" and given["quantity"] != "0":
        given = {**given, "to_location": ""}
    if given["action"] in {"", "replace"}:
        given = {**given, "warehouse": "w1" if given["action"] else ""}
    if given["sku"] != "L" and given["expected_quantity"] != "5":
        given = {**given, "lot": ""}
    return given


def stocked(database: Database) -> dict[Key, Level]:
    """The levels as the model has them."""
    found = rows(database, "SELECT account_id, warehouse_id, sku, location_id, lot_id, available, reserved, version "
                           "FROM levels WHERE version > 0")  # fmt: skip
    return {(account, place, sku, bin_, lot): Level(*units) for account, place, sku, bin_, lot, *units in found}


def said(applied: Applied) -> list[tuple[str, int | None]]:
    return [(fate, item["merged_into"]) for fate, item in zip(applied.fates, applied.items, strict=True)]


def meant(fates: list[Fate]) -> list[tuple[str, int | None]]:
    return [(str(fate), None if fate.merged_into is None else fate.merged_into + 1) for fate in fates]


@given(
    st.lists(any_row.map(drawn), min_size=1, max_size=8),
    st.lists(any_row.map(drawn), max_size=4),
    st.fixed_dictionaries(
        {"duplicates": st.sampled_from(list(Duplicates)), "warehouse_id": st.sampled_from(["w1", "w1", "*"])}
    ),
    st.integers(0, 4),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # the levels are other ones when a case is tried again
)
def test_any_two_chunks_do_what_the_rules_say_with_commands_in_between(
    house: Database,
    first: list[dict[str, str]],
    second: list[dict[str, str]],
    how: dict[str, Any],
    added: int,
) -> None:
    """The levels are what the examples before have left. A check tells beforehand what becomes of each row."""
    before = stocked(house)
    for file in (first, second):
        model = Model(before, how["warehouse_id"])
        fates = meant(model.apply(file, how["duplicates"]))
        assert said(apply_rows(house, *file, effect=Effect.CHECK, **how)) == fates
        assert said(apply_rows(house, *file, **how)) == fates
        assert stocked(house) == {key: level for key, level in model.levels.items() if level.version}
        if added:
            fill_level(house, added, reserved=1)
        before = stocked(house)


def test_commands_and_chunks_count_the_same_versions(house: Database) -> None:
    apply_commands([stock("c-1", "add", 2)], house)
    applied = [apply_rows(house, row("A", 1, "add", expected_version="1")).items[0]["version"]]
    apply_commands([stock("c-2", "remove", 1)], house)
    applied += [apply_rows(house, row("A", 1, "add", expected_version="3")).items[0]["version"]]
    assert applied == [2, 4]


def test_the_plain_way_and_the_way_of_moves_decide_alike(house: Database) -> None:
    """A move of nothing brings a level onto the other way."""
    cases: list[Row] = [
        row("A", quantity, action, expected_quantity=wants, expected_version=version)
        for quantity in (0, 2, 5, 7, 9)
        for action in ("replace", "add", "remove")
        for wants in ("", "5", "7")
        for version in ("", "2")
    ]
    fill_level(house, 5, reserved=2)
    aside = row("A", 0, "move", to_location="A-01")
    for case in cases:
        plain = apply_rows(house, case, effect=Effect.CHECK)
        sequence = apply_rows(house, case, aside, effect=Effect.CHECK)
        assert [item["errors"] for item in sequence.items] == [*(item["errors"] for item in plain.items), None]
    legs = rows(house, "SELECT before, after FROM sync_diffs")
    assert pl.DataFrame(legs, orient="row").height % 2 == 0
