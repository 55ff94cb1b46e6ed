"""`make guards`: takes each guard out in a copy of the project, and runs the tests that have to fail then.

python -m tests.guards [NAME...]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Final

from tests.guards.guards import ROOT, Guard, guards

_COPIED: Final = (
    "consumers",
    "infra",
    "pipeline",
    "schemas",
    "tests",
    "pyproject.toml",
    "Makefile",
    "README.md",
    "docs",
)
_AT_ONCE: Final = 2
_TEST_FAILED: Final = 1
_LONGEST_SECONDS: Final = 600


def main(names: list[str]) -> int:
    """Try the guards of these names, or all; 0 where each is caught."""
    chosen = [guard for guard in guards() if not names or guard.name in names]
    with tempfile.TemporaryDirectory(prefix="onhand-guards-") as folder:
        copies: Queue[Path] = Queue()
        for number in range(_AT_ONCE):
            copies.put(_copy(Path(folder) / str(number)))

        def tried(guard: Guard) -> bool:
            copy = copies.get()
            try:
                return _is_caught(guard, copy)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            caught = list(pool.map(tried, chosen))
    print(f"{sum(caught)} of {len(chosen)} guards are caught when they are missing", flush=True)
    return 0 if all(caught) else 1


def _copy(folder: Path) -> Path:
    folder.mkdir()
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def _is_caught(guard: Guard, copy: Path) -> bool:
    """Whether a test fails without the guard. The copy is as before in the end."""
    path = copy / guard.file
    content = path.read_text("utf-8")
    began = time.monotonic()
    try:
        path.write_text(guard.taken_out(content), "utf-8")
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *guard.tests],
            cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False,
            timeout=_LONGEST_SECONDS,
        )  # fmt: skip
    finally:
        path.write_text(content, "utf-8")
    failed = [line for line in run.stdout.splitlines() if line.startswith("FAILED")]
    is_caught = run.returncode == _TEST_FAILED and bool(failed)
    said = failed[0].partition(" - ")[0].removeprefix("FAILED ") if is_caught else f"pytest ended with {run.returncode}"
    print(
        f"{'caught' if is_caught else 'MISSED':<7} {guard.name} ({said}, {time.monotonic() - began:.0f} s)", flush=True
    )
    if not is_caught and run.returncode:
        print(run.stdout[-2_000:] + run.stderr[-2_000:], flush=True)
    return is_caught


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
