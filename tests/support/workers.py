"""Workers as an operator runs them: processes that get SIGTERM, and SIGKILL in the middle of their work."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.polling import eventually

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 15


class Worker:
    """`onhand worker …` as a process of its own, from construction to the end of the `with` block."""

    def __init__(self, environ: dict[str, str], *roles: str, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "worker", *roles],
                env={**os.environ, **environ, "PYTHONFAULTHANDLER": "1"},
                stdout=output, stderr=subprocess.STDOUT, cwd=ROOT,
            )  # fmt: skip

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        code = self.stop()
        if kind is None:
            assert code in {0, -signal.SIGKILL}, self.output()

    def output(self) -> str:
        """All that it has logged."""
        return self.log.read_text("utf-8", "replace")

    def says(self, words: str, *, seconds: float = 60) -> None:
        """Wait until the log has these words."""

        def said() -> bool:
            assert self._process.poll() is None, f"the worker has ended:\n{self.output()}"
            return words in self.output()

        eventually(said, f"{words!r} in the log of the worker", seconds=seconds)

    def ready(self) -> "Worker":
        """Wait until it has joined its groups."""
        self.says("ready: ")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it by SIGTERM; its exit code. It must not take longer than STOP_SECONDS."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # with faulthandler on, it tells where it hangs
            self._process.wait()
            raise AssertionError(f"SIGTERM did not end the worker in {STOP_SECONDS} s:\n{self.output()}") from None
