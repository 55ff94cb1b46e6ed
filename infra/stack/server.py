"""What the servers of the stack have in common: directories, remembered ports, one retry, and stopping."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from infra.stack.errors import PortTakenError
from infra.stack.ports import claim_ports
from infra.stack.process import ChildProcess


class Server(ABC):
    """One server with its data in `data_dir/<name>`, its output in `data_dir/logs/<name>.log`.

    `keep_open` are file descriptors that its processes hold open as long as they live. An object starts once.
    """

    name: ClassVar[str]
    ports_needed: ClassVar[int] = 1

    def __init__(self, data_dir: Path, *, keep_open: Sequence[int] = ()) -> None:
        self.data_dir = data_dir.resolve()
        self.directory = self.data_dir / self.name
        self.log = self.data_dir / "logs" / f"{self.name}.log"
        self.keep_open = tuple(keep_open)
        self._children: list[ChildProcess] = []
        self._stop_requested = False

    def start(self) -> str:
        """Start it and wait until it serves; the address clients connect to. StackError when it does not come up."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        remembered = self.data_dir / f"{self.name}.ports"
        try:
            return self.launch(claim_ports(remembered, self.ports_needed))
        except PortTakenError:
            remembered.unlink(missing_ok=True)
            return self.launch(claim_ports(remembered, self.ports_needed))

    @abstractmethod
    def launch(self, ports: list[int]) -> str:
        """Start the server on these ports and return its address once it is healthy."""

    def child(self, process: ChildProcess) -> ChildProcess:
        """Make `process` one that is stopped with this server."""
        self._children.append(process)
        if self._stop_requested:
            process.request_stop()
        return process

    def check(self) -> None:
        """StackError, with the end of its log, when one of its processes has died."""
        for process in self._children:
            process.check()

    def request_stop(self) -> None:
        """Ask all its processes to stop, and return at once."""
        self._stop_requested = True
        for process in list(self._children):
            process.request_stop()

    def join(self) -> None:
        """After `request_stop`: wait until all its processes are gone."""
        for process in list(self._children):
            process.join()

    def stop(self) -> None:
        """Stop it in order, kill it when that takes too long. May be called at any time and more than once."""
        self.request_stop()
        self.join()


def clean_environment(home: Path) -> dict[str, str]:
    """The environment servers get: nothing of ours, since PG*, AWS_*, WEED_* or LC_* variables would change them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C", "TZ": "UTC"}
