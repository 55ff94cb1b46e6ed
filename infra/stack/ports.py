"""Free ports of 127.0.0.1, the same ones at every start of a data directory as long as nobody else took them."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path


def claim_ports(remembered: Path, count: int) -> list[int]:
    """The `count` ports noted in the file `remembered` when all of them are free now, otherwise new ones, noted there.

    Ports are only looked at, not held: whoever binds them has to be ready for another process being quicker.
    """
    try:
        ports: list[int] = json.loads(remembered.read_text())
        if len(ports) == count and _bind_all(ports):
            return ports
    except (FileNotFoundError, ValueError):
        pass
    ports = _bind_all([0] * count)
    remembered.write_text(json.dumps(ports))
    return ports


def _bind_all(ports: list[int]) -> list[int]:
    """Bind all at once, so that they differ; the ports bound (0 is any free one), or none when one is taken."""
    with ExitStack() as held:
        bound = []
        for port in ports:
            listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                return []
            bound.append(int(listener.getsockname()[1]))
        return bound
