"""`onhand demo` from outside: a small one, as a subprocess, that says that all of it was true, and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from infra.demo.catalogue import BINS, Size
from infra.demo.uploads import write_opening, write_upload
from schemas.errors import ErrorCode

COMMAND = (sys.executable, "-m", "infra.cli", "demo", "--rows", "5000", "--products", "500")


def test_a_small_demo_is_true_in_every_point_and_leaves_nothing_behind(tmp_path: Path) -> None:
    result = subprocess.run(
        [*COMMAND, "--json"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)

    assert report["ok"] is True
    assert [check["claim"] for check in report["checks"] if not check["ok"]] == []
    assert len(report["checks"]) >= 18
    sync = report["sync"]
    assert sync["status"] == "partial"
    assert sync["rows"] == 5000 == sum(sync["rows_by_status"].values())
    assert len(sync["errors_by_code"]) >= 10
    assert sync["rows_per_s"] > 0
    assert len(report["rejected_rows"]) == 5
    assert all(error["message"] for row in report["rejected_rows"] for error in row["errors"])
    assert report["events"]["expected"] == report["events"]["received"] > 5000
    assert {event["type"] for event in report["events"]["first"]} == {"inventory.level.changed.v1"}
    assert report["snapshot"]["size_bytes"] > 0
    assert all(not finding["broken"] for finding in report["audit"])
    assert list(tmp_path.iterdir()) == []
    assert _processes_in(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        COMMAND, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert demo.stderr is not None
    while "the servers are up" not in demo.stderr.readline():
        assert demo.poll() is None
    time.sleep(1)  # anywhere in what follows
    demo.send_signal(number)
    assert demo.wait(60) != 0
    assert list(tmp_path.iterdir()) == []
    assert _processes_in(tmp_path) == []


def test_a_directory_with_files_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = subprocess.run([*COMMAND, "--data", str(tmp_path)], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "has files in it" in result.stderr


def test_the_generated_upload_is_what_it_says_it_is(tmp_path: Path) -> None:
    size = Size(rows=5000, products=500)
    opening = write_opening(tmp_path / "opening.csv", size)
    upload = write_upload(tmp_path / "count.csv", size, opening)
    lines = upload.path.read_text("latin-1").splitlines()[1:]
    duplicates = [lines[row - 1] for row, codes in upload.bad.items() if codes == {ErrorCode.DUPLICATE_ROW}]

    assert len(lines) == upload.rows == 5000
    assert len(upload.targets) + len(upload.bad) == 5000
    assert set(Counter((line.split(",")[0], line.split(",")[4]) for line in duplicates).values()) == {2}
    assert len({code for codes in upload.bad.values() for code in codes}) >= 10
    assert upload.bad == write_upload(tmp_path / "again.csv", size, opening).bad
    assert upload.path.read_bytes() == (tmp_path / "again.csv").read_bytes()


@pytest.mark.parametrize("rows", [49, 50 * BINS + 1])
def test_a_size_that_the_catalogue_cannot_hold_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match="rows must be between"):
        Size(rows=rows, products=50)


def _processes_in(folder: Path) -> list[int]:
    """Processes that work in a folder; a server's last child may take a moment."""
    deadline = time.monotonic() + 5
    while (found := [p.pid for p in psutil.process_iter() if _works_in(p, folder)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd().startswith(str(folder))
    except psutil.Error:
        return False
