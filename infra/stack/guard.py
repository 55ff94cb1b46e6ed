"""Runs one server and sees to it that the server does not outlive the process that asked for it.

Started as a script by `process.ChildProcess`, one guard for each server. It passes SIGTERM on as the server's own stop
signal, and stops the server in the same orderly way when its parent is gone, however that ended (kill -9 too). Should
the guard itself be killed, Linux kills the server with it (PR_SET_PDEATHSIG); macOS has nothing like that, so there a
server survives the killing of its guard, and keeps the data directory locked until it is stopped by hand.

A guard is needed because PR_SET_PDEATHSIG watches the thread that started the child, not the process, and servers are
started from short-lived threads; and because a guard has one thread, code between fork and exec is safe in it.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

CHECK_PARENT_SECONDS = 0.25
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the server described by the JSON on standard input; return its exit code (128 + n when signal n ended it)."""
    order: dict[str, Any] = json.load(sys.stdin)
    stop_asked = False

    def ask_to_stop(_signal: int, _frame: object) -> None:
        nonlocal stop_asked
        stop_asked = True

    wake, waker = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask_to_stop)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the end of the server wakes select

    try:
        server = subprocess.Popen(
            order["command"],
            env=order["environment"],
            stdin=subprocess.DEVNULL,
            user=order["uid"],
            group=order["gid"],
            extra_groups=[] if order["uid"] is not None else None,
            close_fds=False,  # hands on the lock of the data directory, see directory.py
            preexec_fn=_die_with_guard(os.getpid()),  # noqa: PLW1509 - there is one thread
        )
    except OSError as problem:
        print(f"cannot run {order['command'][0]}: {problem}", flush=True)
        return 127
    while server.poll() is None and not stop_asked and os.getppid() == order["parent"]:
        select.select([wake], [], [], CHECK_PARENT_SECONDS)
    if server.poll() is None:
        server.send_signal(order["stop_signal"])
        try:
            server.wait(order["grace"])
        except subprocess.TimeoutExpired:
            server.kill()
    code = server.wait()
    return code if code >= 0 else 128 - code


def _die_with_guard(guard: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def between_fork_and_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # it died before the line above
            os._exit(1)

    return between_fork_and_exec


if __name__ == "__main__":
    sys.exit(main())
