"""What the figures were measured on and with."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import psutil

_PACKAGES = ("aiokafka", "faststream", "pandera", "polars", "psycopg", "pydantic")


def describe_machine() -> dict[str, str | int]:
    """Cores, memory, kernel, Python and the packages that matter."""
    return {
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def peak_rss_mb(pids: Iterable[int]) -> float:
    """The largest resident size that any of the processes had since it began, in MB (Linux)."""
    return max(_peak_kib(pid) for pid in pids) * 1024 / 1e6


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no VmHWM")
