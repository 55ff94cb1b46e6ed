"""One child process: started with its output in a file, waited for until it is healthy, and surely stopped."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.stack import guard
from infra.stack.errors import PortTakenError, StackError
from infra.stack.users import SystemUser

PROBE_EVERY_SECONDS = 0.05
GUARD_SECONDS = 3.0  # what the guard may take on top of the server's own grace
LOG_TAIL_LINES = 20
# as PostgreSQL and Kafka, Tansu, and SeaweedFS say it
PORT_TAKEN = ("address already in use", "address in use", "is not available on 127.0.0.1")


@dataclass(eq=False)
class ChildProcess:
    """A server (or a program that ends by itself) under a guard, see guard.py.

    `grace` is how long a server may take, in seconds, to stop in order before it is killed. `keep_open` are file
    descriptors that it inherits. `user` is whom it runs as, None for whoever we are. All methods may be called from
    any thread; after `request_stop` a `start` fails, so that a start in one thread cannot slip past a stop in another.
    """

    name: str
    log: Path
    keep_open: Sequence[int] = ()
    user: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    _guard: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _stop_requested: bool = field(default=False, init=False)
    _ends_by_itself: bool = field(default=False, init=False)
    # reentrant: a signal handler may stop what the same thread is starting
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def start(self, command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start `command` with exactly this environment. The log of the previous run is kept beside it as `.old`.

        The child gets a session of its own: Ctrl-C in the terminal reaches us and not the servers, so that the workers
        can finish while the servers are still there.
        """
        order = {
            "command": [str(part) for part in command],
            "environment": dict(environment),
            "uid": self.user.uid if self.user else None,
            "gid": self.user.gid if self.user else None,
            "stop_signal": int(self.stop_signal),
            "grace": self.grace,
            "parent": os.getpid(),
        }
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_name(self.log.name + ".old"))
        with self._lock, self.log.open("wb") as output:
            if self._stop_requested:
                raise StackError(f"{self.name} was stopped while it started")
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__],
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self.keep_open,
                start_new_session=True,
            )
            _hand_over(self._guard, json.dumps(order).encode())
        if self._stop_requested:
            self.request_stop()

    def wait_until_healthy(
        self, probe: Callable[[], object], *, seconds: float, retry_on: tuple[type[Exception], ...]
    ) -> None:
        """Call `probe` until it raises none of `retry_on`.

        StackError with the end of the log when the child exits or `seconds` have passed; PortTakenError when it exited
        because a port was in use.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._fail_if_exited()
            try:
                probe()
            except retry_on as problem:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{self.name} did not answer within {seconds:.0f} s ({problem}); {self._log_tail()}"
                    ) from problem
                time.sleep(PROBE_EVERY_SECONDS)
            else:
                self._fail_if_exited()  # what answered may have been somebody else on that port
                return

    def check(self) -> None:
        """StackError, with the end of its log, when it is not running any more and was not one that ends by itself."""
        if not self._ends_by_itself:
            self._fail_if_exited()

    def wait_until_done(self, *, seconds: float) -> None:
        """Wait for a program that ends by itself; StackError with the end of its log unless it exits with 0 in time."""
        if self._guard is None:
            raise StackError(f"{self.name} was not started")
        self._ends_by_itself = True
        try:
            code = self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise StackError(f"{self.name} took longer than {seconds:.0f} s; {self._log_tail()}") from None
        if code != 0:
            raise StackError(f"{self.name} failed with exit code {code}; {self._log_tail()}")

    def request_stop(self) -> None:
        """Ask for an orderly stop and return at once. Harmless when it is not running."""
        with self._lock:
            self._stop_requested = True
            if self._guard is not None and self._guard.poll() is None:
                self._guard.terminate()

    def join(self) -> None:
        """After `request_stop`: wait until it is gone. It is killed when it does not stop in time."""
        if self._guard is None:
            return
        try:
            self._guard.wait(self.grace + GUARD_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def stop(self) -> None:
        """`request_stop` and `join`."""
        self.request_stop()
        self.join()

    def pids(self) -> list[int]:
        """The processes under the guard: the server and what it has started. Empty when it is not running."""
        if self._guard is None or self._guard.poll() is not None:
            return []
        return [process.pid for process in psutil.Process(self._guard.pid).children(recursive=True)]

    def _fail_if_exited(self) -> None:
        code = None if self._guard is None else self._guard.poll()
        if code is None:
            return
        if self._stop_requested:
            raise StackError(f"{self.name} was stopped while it started")
        tail = self._log_tail()
        if any(words in tail.lower() for words in PORT_TAKEN):
            raise PortTakenError(f"{self.name} found its port taken; {tail}")
        raise StackError(f"{self.name} exited with code {code}; {tail}")

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"the end of {self.log}:", *lines[-LOG_TAIL_LINES:]])


def _hand_over(process: subprocess.Popen[bytes], order: bytes) -> None:
    """Write to its standard input: a command line, unlike this, is for everybody to read, and keys are in it."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(order)
