"""Proves the invariants on live data: what the tables say of each other, at one instant."""

from dataclasses import dataclass
from typing import Final

from pipeline.store.database import Database
from pipeline.store.statements import statements

_PROOFS: Final = (
    (1, "ledger_sums", "the change log adds up to every level and state"),
    (1, "versions", "versions count 1..n without a gap or a jump"),
    (1, "incoming", "what is incoming is what schedules and transfers have yet to bring"),
    (1, "committed", "what is committed is what documents have allocated"),
    (2, "negatives", "no state is below zero where that is not allowed"),
    (3, "commands", "each command took effect as its one result says"),
    (4, "sync_counts", "the counts of a sync that goes on are never more than what it has"),
    (4, "sync_rows", "each row of an ended sync has one status, and the counts add up"),
    (4, "sync_changes", "each change of a sync belongs to one row, and each changed row to one change"),
    (5, "unpublished", "no change waits to be published for more than a minute"),
)


@dataclass(frozen=True)
class Finding:
    """What one proof found: how many things it checked, how many are broken, and up to five of those in words."""

    invariant: int
    name: str
    checked: int
    broken: int
    examples: tuple[str, ...]


def audit(database: Database, account_id: str | None = None) -> list[Finding]:
    """Prove invariants 1 to 5 of one account or of all, from one consistent view of the database."""
    sql = statements("audit")
    findings = []
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(sql["stand_still"])
        for invariant, statement, name in _PROOFS:
            row = connection.execute(sql[statement], {"account_id": account_id}).fetchone()
            assert row is not None  # noqa: S101 - an aggregate gives one row
            checked, broken, examples = row
            findings.append(Finding(invariant, name, checked, broken, tuple(examples)))
    return findings
