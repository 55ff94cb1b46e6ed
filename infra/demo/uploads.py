"""Writes the CSV files of the demo, and remembers what must become of each row."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

from infra.demo.catalogue import BINS, MAIN, Size, bin_id, bin_name, sku
from infra.demo.expected import Place
from infra.demo.faults import DUPLICATE, FAULTS, WRONG_WAREHOUSE, Fault, Row
from schemas.errors import ErrorCode

HEADER: Final = "sku,quantity,action,reason,location\n"
_SPELLINGS: Final = ("{}", "{}", "{}", "{}", "+{}", "{}.0", " {} ", "{}.")
"""Of one quantity; all of them are accepted."""


@dataclass(frozen=True)
class Upload:
    """A file, the quantity that each good row sets, and the codes of each bad row by its number."""

    path: Path
    rows: int
    targets: dict[Place, int]
    bad: dict[int, frozenset[ErrorCode]]

    def codes(self) -> dict[str, int]:
        """How many rows have each code."""
        return dict(Counter(code.value for codes in self.bad.values() for code in codes))


def write_opening(path: Path, size: Size) -> Upload:
    """A file without a fault: the first bin of every product."""
    random = Random(size.seed)  # noqa: S311 - the same demo every time
    rows = [_row(n, n, size, random.randint(0, 99)) for n in range(1, size.products + 1)]
    path.write_text(HEADER + "".join(f"{row.line(reason='opening stock')}\n" for row, _ in rows), "ascii")
    return Upload(path, len(rows), {place: row.quantity for row, place in rows}, {})


def write_upload(path: Path, size: Size, opening: Upload) -> Upload:
    """A file of `size.rows` rows in any order, about 1 % of them bad. Every tenth product's first bin is unchanged."""
    random = Random(size.seed + 1)  # noqa: S311
    bins = list(range(1, size.rows + 1))
    random.shuffle(bins)
    bad, twins = _choose_bad(random, size.rows)
    targets: dict[Place, int] = {}
    with path.open("w", encoding="latin-1") as file:
        file.write(HEADER)
        for number, nth in enumerate(bins, start=1):
            row, place = _row(number, bins[twins[number] - 1] if number in twins else nth, size, random.randint(0, 999))
            if nth % 10 == 0 and place in opening.targets:
                row = replace(row, quantity=opening.targets[place])
            if fault := bad.get(number):
                file.write(f"{fault.write(row)}\n")
            else:
                targets[place] = row.quantity
                file.write(f"{row.line(quantity=random.choice(_SPELLINGS).format(row.quantity))}\n")
    return Upload(path, size.rows, targets, {number: fault.codes for number, fault in bad.items()})


def _row(number: int, nth: int, size: Size, quantity: int) -> tuple[Row, Place]:
    """A row about the `nth` place: first the first bin of every product, then the second, and so on."""
    round_, index = divmod(nth - 1, size.products)
    product, bin_number = sku(index + 1), (index * 10 + round_) % BINS
    return Row(number, product, quantity, bin_name(bin_number)), Place(MAIN, product, bin_id(bin_number))


def _choose_bad(random: Random, rows: int) -> tuple[dict[int, Fault], dict[int, int]]:
    """Which row has which fault; and of pairs of duplicates, the one row by the other."""
    of_each = max(1, rows // 100 // (len(FAULTS) + 2))
    faults = [WRONG_WAREHOUSE, *(fault for fault in (*FAULTS, DUPLICATE, DUPLICATE) for _ in range(of_each))]
    numbers = random.sample(range(1, rows + 1), len(faults))
    duplicates = numbers[-2 * of_each :]
    return dict(zip(numbers, faults, strict=True)), dict(zip(duplicates[::2], duplicates[1::2], strict=True))
