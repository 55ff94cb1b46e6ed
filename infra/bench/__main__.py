"""`make bench`: runs the benchmarks and writes infra/bench/results/latest.json."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from infra.bench.commands import bench_commands
from infra.bench.lanes import bench_lanes
from infra.bench.machine import describe_machine
from infra.bench.snapshot import bench_snapshot
from infra.bench.sync import bench_large_sync, bench_sync, bench_workbook

_RESULTS: Final = Path(__file__).parent / "results" / "latest.json"
_PARTS: Final[dict[str, tuple[Callable[[int, Path], dict[str, float]], int]]] = {
    "sync": (bench_sync, 1_000_000),
    "sync10m": (bench_large_sync, 10_000_000),
    "workbook": (bench_workbook, 100_000),
    "lanes": (bench_lanes, 5_000_000),
    "commands": (bench_commands, 500_000),
    "snapshot": (bench_snapshot, 1_000_000),
}
"""Each part with its usual number of rows, commands or levels."""


def main(
    only: Annotated[str, typer.Option(help="One part: sync, sync10m, workbook, lanes, commands or snapshot.")] = "",
    rows: Annotated[int, typer.Option(help="Rows, commands or levels; 0 for each part's usual number.")] = 0,
) -> None:
    """Run the benchmarks on the embedded stack, print the figures, and write them down.

    A run of one part with its usual size updates that part's figures; with another size it only prints.
    """
    if only and only not in _PARTS:
        raise typer.BadParameter(f"{only!r} is not one of {', '.join(_PARTS)}", param_hint="--only")
    figures: dict[str, float] = {}
    for name in [only] if only else _PARTS:
        bench, usual = _PARTS[name]
        with tempfile.TemporaryDirectory(prefix="onhand-bench-") as folder:
            figures |= bench(rows or usual, Path(folder) / "data")
    figures = {name: round(value, 3) for name, value in figures.items()}
    typer.echo(json.dumps(figures, indent=2))
    if rows in (0, *([_PARTS[only][1]] if only else [])):
        _write_down(figures)


def _write_down(figures: dict[str, float]) -> None:
    earlier = json.loads(_RESULTS.read_text("utf-8"))["figures"] if _RESULTS.exists() else {}
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git.stdout.strip() or "unknown",
        "machine": describe_machine(),
        "figures": dict(sorted((earlier | figures).items())),
    }
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
