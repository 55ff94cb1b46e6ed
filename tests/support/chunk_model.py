"""What a chunk must do, in plain words: one row after the other, on a dictionary of levels."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.identifiers import ALL_WAREHOUSES
from schemas.states import Duplicates

LOCATIONS = {"": "unassigned", "unassigned": "unassigned", "A-01": "b1"}
SKUS = {"A", "B", "L"}
LOT_TRACKED = {"L": {"l1", "l2"}}
OWNERS = {"": "acme", "acme": "acme", "shop": "shop"}
"""By what rows call them; acme may act for these."""
WAREHOUSES = {
    "acme": {"w1": "w1", "One": "w1", "w2": "w2", "Two": "w2"},
    "shop": {"w1": "w1", "Shop": "w1"},
}
"""By owner and by what rows call them."""
STATIC = {"w2"}

Row = Mapping[str, str]
Key = tuple[str, str, str, str, str]
"""Account, warehouse, SKU, location id and lot."""


@dataclass
class Level:
    """Units that are free, units that are held back, and how often the level has changed."""

    available: int = 0
    held: int = 0
    version: int = 0


@dataclass
class Fate:
    """What must become of a row."""

    codes: set[str] = field(default_factory=set)
    skipped: bool = False
    merged_into: int | None = None

    def __str__(self) -> str:
        """The status, or the codes of a row in error."""
        return "skipped" if self.skipped else " ".join(sorted(self.codes)) or "success"


class Model:
    """A chunk on levels as they are before it; `levels` is what they are after `apply`. `asked`: of which warehouse."""

    def __init__(self, levels: Mapping[Key, Level], asked: str) -> None:
        self.asked = asked
        self.levels: dict[Key, Level] = defaultdict(Level, levels)

    def apply(self, rows: Sequence[Row], duplicates: Duplicates) -> list[Fate]:
        """The fates of the rows."""
        fates = [Fate(wrong_with(row, self.asked)) for row in rows]
        quantities = [int(row["quantity"]) for row in rows]
        groups: dict[object, list[int]] = defaultdict(list)
        for n, row in enumerate(rows):
            groups[named(row, self.asked)].append(n)
        copies = [group for group in groups.values() if len(group) > 1]
        for group in copies:
            settle(group, rows, fates, quantities, duplicates)
        for n, row in enumerate(rows):
            if not fates[n].codes and not fates[n].skipped and fates[n].merged_into is None:
                copied = [rows[m] for m in groups[named(row, self.asked)]]
                wants = expectation(copied if duplicates is Duplicates.SUM else [row])
                fates[n].codes = self.carry_out(row, quantities[n], wants)
        for group in copies:
            follow(group, fates)
        return fates

    def carry_out(self, row: Row, quantity: int, wants: int | None) -> set[str]:
        """Do what a row says, or tell what the level has against it."""
        key = level_key(row, "location", self.asked)
        level = self.levels[key]
        action = row["action"] or "replace"
        if wants is not None and wants != level.available + (level.held if action == "replace" else 0):
            return {"STALE_QUANTITY"}
        delta = {"add": quantity, "replace": quantity - level.available - level.held}.get(action, -quantity)
        if delta < 0 and level.available + delta < 0:
            return {"INSUFFICIENT_STOCK"}
        self.change(key, delta)
        if action == "move":
            self.change(level_key(row, "to_location", self.asked), quantity)
        return set()

    def change(self, key: Key, delta: int) -> None:
        """Bring units in or take them out."""
        if delta:
            level = self.levels[key]
            self.levels[key] = Level(level.available + delta, level.held, level.version + 1)


def wrong_with(row: Row, asked: str) -> set[str]:
    """All that is wrong with a row before its level is looked at; of a customer that is not linked nothing is told."""
    move, end = row["action"] == "move", row["to_location"]
    tracked = row["sku"] in LOT_TRACKED
    of_the_row = {
        "TO_LOCATION_MISSING": move and not end,
        "TO_LOCATION_NOT_ALLOWED": not move and bool(end),
        "SAME_LOCATION": move and bool(end) and place(end) == place(row["location"]),
    }
    of_the_catalogue = {
        "UNKNOWN_SKU": row["sku"] not in SKUS,
        "LOT_REQUIRED": tracked and not row["lot"],
        "LOT_NOT_ALLOWED": row["sku"] in SKUS and not tracked and bool(row["lot"]),
        "UNKNOWN_LOT": tracked and bool(row["lot"]) and row["lot"] not in LOT_TRACKED[row["sku"]],
    }
    linked = row["customer_account_id"] in OWNERS
    rules = of_the_row | (of_the_catalogue if linked else {"FORBIDDEN_ACCOUNT": True})
    of_the_place = wrong_place(row, asked) if linked else set()
    return {code for code, broken in rules.items() if broken} | of_the_place


def wrong_place(row: Row, asked: str) -> set[str]:
    """What is wrong with the warehouse that a row names, or else with its locations there."""
    text = row["warehouse"] or asked
    meant = WAREHOUSES[OWNERS[row["customer_account_id"]]].get(text)
    if meant is None:
        return {"WAREHOUSE_MISSING" if text == ALL_WAREHOUSES else "UNKNOWN_WAREHOUSE"}
    if asked not in {meant, ALL_WAREHOUSES}:
        return {"WAREHOUSE_NOT_REQUESTED"}
    ends = {row["location"], row["to_location"] if row["action"] == "move" else ""}
    if meant in STATIC:
        return {"LOCATION_NOT_ALLOWED"} if ends - {"", "unassigned"} else set()
    return set() if ends <= set(LOCATIONS) else {"UNKNOWN_LOCATION"}


def warehouse(row: Row, asked: str) -> str | None:
    """The warehouse that a row means, if the request is about it."""
    owner = OWNERS.get(row["customer_account_id"])
    meant = WAREHOUSES[owner].get(row["warehouse"] or asked) if owner else None
    return meant if asked in {meant, ALL_WAREHOUSES} else None


def settle(
    group: list[int], rows: Sequence[Row], fates: list[Fate], quantities: list[int], duplicates: Duplicates
) -> None:
    """Decide between rows that name the same thing."""
    last = group[-1]
    if duplicates is Duplicates.ERROR:
        for n in group:
            fates[n].codes |= {"DUPLICATE_ROW"}
    elif duplicates is Duplicates.LAST:
        for n in group[:-1]:
            fates[n] = Fate(fates[n].codes | {"DUPLICATE_ROW"}) if fates[last].codes else Fate(set(), True, last)
    elif any(fates[n].codes for n in group) or not alike([rows[n] for n in group]):
        for n in group:
            fates[n].codes = fates[n].codes or {"DUPLICATE_ROW"}
    else:
        quantities[last] = sum(quantities[n] for n in group)
        for n in group[:-1]:
            fates[n].merged_into = last


def follow(group: list[int], fates: list[Fate]) -> None:
    """What the last copy met on its level, the others share."""
    last = fates[group[-1]]
    for n in group[:-1]:
        if last.codes and fates[n].skipped:
            fates[n] = Fate({"DUPLICATE_ROW"})
        elif last.codes and fates[n].merged_into is not None:
            fates[n] = Fate(set(last.codes))


def alike(rows: Sequence[Row]) -> bool:
    """Whether rows do the same and expect nothing different."""
    expectations = {row["expected_quantity"] for row in rows} - {""}
    return len({row["action"] or "replace" for row in rows}) == 1 and len(expectations) < 2


def expectation(rows: Sequence[Row]) -> int | None:
    """What one of the rows expects."""
    return next((int(row["expected_quantity"]) for row in rows if row["expected_quantity"]), None)


def place(name: str) -> str:
    """A location's id, or its name if there is no such location."""
    return LOCATIONS.get(name, name)


def named(row: Row, asked: str) -> object:
    """What a row names: a level, or both ends of a move."""
    where = warehouse(row, asked) or row["warehouse"]
    owner = OWNERS.get(row["customer_account_id"], row["customer_account_id"])
    end = row["to_location"] if row["action"] == "move" else None
    return owner, where, row["sku"], place(row["location"]), row["lot"], end


def level_key(row: Row, column: str, asked: str) -> Key:
    """The level that a good row names in a column."""
    where = warehouse(row, asked)
    assert where is not None
    return OWNERS[row["customer_account_id"]], where, row["sku"], LOCATIONS[row[column]], row["lot"]
