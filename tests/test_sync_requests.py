"""What can be asked of a sync in its life: approve, confirm, revert; and who may ask."""

from uuid import uuid4

import pytest

from pipeline.commands.handler import apply_commands
from pipeline.errors import Invalid
from schemas.errors import ErrorCode
from tests.support.desk import Desk
from tests.support.orders import order, stock
from tests.support.reading import levels
from tests.support.sync_requests import MANY, approve, confirm, file, revert

# Approve --------------------------------------------------------------------------------------------------------------


def test_what_is_not_held_cannot_be_approved(desk: Desk) -> None:
    with pytest.raises(Invalid) as refusal:
        approve(desk, desk.sync("sku,quantity\nA,1\n"))
    assert refusal.value.code is ErrorCode.SYNC_NOT_READY


# Confirm --------------------------------------------------------------------------------------------------------------


def test_a_dry_run_is_confirmed_by_its_id_and_confirmed_twice_is_applied_once(desk: Desk) -> None:
    dry_run = desk.sync(file(["A,5,add,"]), dry_run=True, duplicates="sum")
    confirmed = confirm(desk, dry_run)
    confirm(desk, dry_run, confirmed)
    job = desk.job(confirmed)
    assert (job["status"], job["confirms"], job["user_id"], job["dry_run"]) == ("success", dry_run, "mia", False)
    assert job["options"]["duplicates"] == "sum"
    assert levels(desk.database) == {("w1", "A", "unassigned"): (5, 1)}


def test_a_file_that_has_changed_since_its_dry_run_is_not_applied(desk: Desk) -> None:
    dry_run = desk.sync(file(["A,5,add,"]), dry_run=True)
    desk.put(file(["A,500,add,"]))
    assert desk.job(confirm(desk, dry_run))["error_code"] == "FILE_CHANGED"


def test_only_a_dry_run_that_has_ended_can_be_confirmed(desk: Desk) -> None:
    real = desk.sync("sku,quantity\nA,1\n")
    running = desk.request(desk.put("sku,quantity\nA,1\n"), dry_run=True)
    for sync_id in (real, running):
        with pytest.raises(Invalid) as refusal:
            confirm(desk, sync_id)
        assert refusal.value.code is ErrorCode.SYNC_NOT_READY
    with pytest.raises(Invalid) as refusal:
        confirm(desk, uuid4())
    assert refusal.value.code is ErrorCode.UNKNOWN_SYNC


# Revert ---------------------------------------------------------------------------------------------------------------


def test_a_revert_takes_back_what_a_sync_changed_and_skips_what_has_changed_since(desk: Desk) -> None:
    apply_commands([stock("x", "add", 5), stock("y", "add", 5, sku="D")], desk.database)
    reverted = desk.sync(file(["A,9,,", "B,3,add,A-01", "C,4,,", "D,2,remove,", "NOPE,1,,"]))
    apply_commands([stock("z", "add", 1, sku="C")], desk.database)
    sync_id = revert(desk, reverted)
    job = desk.job(sync_id)
    assert (job["status"], job["reverts"], job["success_count"], job["skipped_count"]) == ("success", reverted, 3, 1)
    assert {key: quantity for key, (quantity, _) in levels(desk.database).items()} == {
        ("w1", "A", "unassigned"): 5, ("w1", "B", "b1"): 0, ("w1", "C", "unassigned"): 5,
        ("w1", "D", "unassigned"): 5}  # fmt: skip
    assert desk.ask("SELECT sku, status, errors -> 0 ->> 'code' FROM sync_items WHERE sync_id = %s AND sku = 'C'",
                    sync_id) == [("C", "skipped", "STALE_QUANTITY")]  # fmt: skip
    assert desk.work_files() == []


def test_a_revert_of_a_revert_brings_everything_back(desk: Desk) -> None:
    first = desk.sync(MANY)
    after = {key: quantity for key, (quantity, _) in levels(desk.database).items()}
    revert(desk, revert(desk, first))
    assert {key: quantity for key, (quantity, _) in levels(desk.database).items()} == after


def test_a_revert_that_is_asked_for_twice_happens_once(desk: Desk) -> None:
    first, sync_id = desk.sync("sku,quantity\nA,5\n"), uuid4()
    revert(desk, first, sync_id)
    revert(desk, first, sync_id)
    assert levels(desk.database) == {("w1", "A", "unassigned"): (0, 2)}


def test_what_has_not_ended_cannot_be_reverted(desk: Desk) -> None:
    running = desk.request(desk.put(MANY))
    dry_run = desk.sync("sku,quantity\nA,1\n", dry_run=True)
    for sync_id in (running, dry_run):
        with pytest.raises(Invalid) as refusal:
            revert(desk, sync_id)
        assert refusal.value.code is ErrorCode.SYNC_NOT_READY


# Customers ------------------------------------------------------------------------------------------------------------


def test_a_provider_syncs_the_stock_of_a_customer_that_has_linked_it(desk: Desk) -> None:
    customer = [
        {"type": "warehouse.upsert", "data": {"warehouse_id": "w1", "name": "One"}},
        {"type": "product.upsert", "data": {"sku": "TEA"}},
    ]
    apply_commands(
        [order(f"k{n}", c["type"], **{"account_id": "shop", **c["data"]}) for n, c in enumerate(customer)],  # type: ignore[arg-type,dict-item]
        desk.database,
    )
    content = "sku,quantity\nTEA,5\n"
    refused = desk.job(desk.sync(content, customer_account_id="shop"))
    assert (refused["status"], refused["error_code"]) == ("error", "FORBIDDEN_ACCOUNT")
    link = order("l", "account.link", account_id="shop", provider_account_id="acme", scope="write")
    apply_commands([link], desk.database)
    sync_id = desk.sync(content, customer_account_id="shop")
    assert desk.counts(sync_id) == ("success", 1, 1, 0, 0)
    assert levels(desk.database, "shop") == {("w1", "TEA", "unassigned"): (5, 1)}
    assert levels(desk.database) == {}


def test_a_revert_does_not_read_its_own_file_with_the_names_that_the_account_gives_its_columns(desk: Desk) -> None:
    columns = {"action": "note", "quantity": "reason", "menge": "quantity"}
    apply_commands([order("a", "account.upsert", name="Acme", upload_columns=columns)], desk.database)
    apply_commands([stock("x", "add", 10)], desk.database)
    revert(desk, desk.sync("sku,menge\nA,13\n"))
    assert levels(desk.database) == {("w1", "A", "unassigned"): (10, 3)}


def test_a_revert_of_what_the_change_log_has_forgotten_says_so(desk: Desk) -> None:
    reverted = desk.sync("sku,quantity\nA,5\n")
    desk.ask("INSERT INTO retention VALUES ('change_log', now() + interval '1 hour')")
    assert desk.job(revert(desk, reverted))["error_code"] == "HISTORY_NOT_KEPT"
    desk.ask("DELETE FROM retention")


def test_the_id_of_another_job_is_no_id_for_a_revert(desk: Desk) -> None:
    first, other = desk.sync("sku,quantity\nA,5\n"), desk.sync("sku,quantity\nB,5\n")
    with pytest.raises(Invalid) as refusal:
        revert(desk, first, other)
    assert refusal.value.code is ErrorCode.SYNC_NOT_READY
    assert levels(desk.database)["w1", "A", "unassigned"] == (5, 1)


def test_what_was_reverted_can_be_applied_again(desk: Desk) -> None:
    content = "sku,quantity\nA,5\n"
    revert(desk, desk.sync(content))
    assert desk.counts(desk.sync(content)) == ("success", 1, 1, 0, 0)
    assert levels(desk.database) == {("w1", "A", "unassigned"): (5, 3)}


def test_a_sync_whose_rows_are_all_applied_is_not_aborted_any_more(desk: Desk) -> None:
    sync_id = desk.request(desk.put("sku,quantity\nA,1\nNOPE,1\n"))
    for chunk in desk.chunks(sync_id):
        desk.apply(sync_id, chunk)
    desk.abort(sync_id)
    desk.apply_all(sync_id)
    assert desk.counts(sync_id) == ("partial", 2, 1, 1, 0)
