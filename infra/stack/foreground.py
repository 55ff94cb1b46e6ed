"""Servers as a program in the foreground: started, their addresses printed, stopped by Ctrl-C or SIGTERM."""

import signal
import sys
from collections.abc import Callable

from infra.stack.errors import StackError


def serve(start: Callable[[], dict[str, str]], stop: Callable[[], None]) -> int:
    """Call `start`, print what it returns as `NAME=value` lines, wait for a signal, call `stop`.

    The exit code: 0 after a signal, 1 after a StackError, whose message goes to standard error. `stop` is called in
    any case.
    """

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        try:
            for name, value in start().items():
                print(f"{name}={value}")
            sys.stdout.flush()
            while True:
                signal.pause()
        finally:
            stop()
    except KeyboardInterrupt:
        return 0
    except StackError as problem:
        print(problem, file=sys.stderr)
        return 1
