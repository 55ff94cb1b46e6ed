"""What the figures were measured on and with."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil

_SERVERS = {"postgres": "postgresql", "tansu": "broker", "java": "broker", "weed": "object_store"}
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


def cpu_seconds() -> defaultdict[str, float]:
    """The processor time that the processes below this one have used so far: each worker by its roles, each server."""
    used: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used[_group(process)] += times.user + times.system
    return used


def cpu_micros(before: Mapping[str, float], count: int) -> dict[str, float]:
    """The processor time since `cpu_seconds` said `before`, in µs for each of `count` things done."""
    return {name: (cpu - before.get(name, 0.0)) / count * 1e6 for name, cpu in cpu_seconds().items()}


def _group(process: psutil.Process) -> str:
    words = process.cmdline()
    if "worker" in words:
        return f"worker_{'_'.join(words[words.index('worker') + 1 :])}"
    return _SERVERS.get(process.name(), "other")


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no VmHWM")
