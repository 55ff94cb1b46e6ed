"""The settings of the embedded PostgreSQL, sized to the machine. Durability is never traded: fsync and
synchronous_commit stay on."""

import os
import shutil
from pathlib import Path

MB = 1024 * 1024
GB = 1024 * MB
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives, no temporary file


def settings(data: Path, port: int) -> str:
    """The text of postgresql.conf. What a person sets with ALTER SYSTEM goes before it."""
    memory = _memory()
    cores = os.cpu_count() or 1
    wal = _between(256 * MB, shutil.disk_usage(data).free // 8, 8 * GB)
    values: dict[str, str | int | float] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",  # TCP with a password is the one way in
        "password_encryption": "scram-sha-256",
        "max_connections": 100,
        "shared_buffers": _mb(_between(64 * MB, memory // 4, 2 * GB)),
        "effective_cache_size": _mb(max(128 * MB, memory // 2)),
        "work_mem": _mb(_between(8 * MB, memory // 256, 64 * MB)),
        "maintenance_work_mem": _mb(_between(64 * MB, memory // 32, 512 * MB)),
        "max_wal_size": _mb(wal),
        "min_wal_size": _mb(max(80 * MB, wal // 8)),
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": 0.9,
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "wal_buffers": "16MB",
        "random_page_cost": 1.1,
        "jit": "off",  # set-based statements over chunks are planned often and run briefly
        "io_method": "worker",  # this build has no io_uring (and no lz4, hence no compression of the WAL)
        "max_worker_processes": max(8, cores),
        "max_parallel_workers": cores,
        "max_parallel_workers_per_gather": min(4, cores // 2),
        "max_parallel_maintenance_workers": min(4, cores // 2),
        # levels are updated all the time and the change log only grows: vacuum little and often
        "autovacuum_max_workers": min(3, max(2, cores // 2)),
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_scale_factor": 0.05,
        "autovacuum_vacuum_insert_scale_factor": 0.1,
        "autovacuum_analyze_scale_factor": 0.02,
        "autovacuum_vacuum_cost_limit": 2000,
        # containers often have 64 MB there, too little for parallel queries
        "dynamic_shared_memory_type": "posix" if _free(SHARED_MEMORY) > GB // 4 else "mmap",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "lc_messages": "C",
    }
    return "# Written anew at every start: use ALTER SYSTEM to change a setting.\n" + "".join(
        f"{name} = '{value}'\n" for name, value in values.items()
    )


def _memory() -> int:
    """Bytes this process may use: the machine's memory, or the container's limit when that is lower."""
    import psutil  # noqa: PLC0415 - an optional dependency, and importing this module must work without it

    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or the limit is "max"
        return total


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free if path.exists() else 0


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _mb(size: int) -> str:
    return f"{size // MB}MB"
