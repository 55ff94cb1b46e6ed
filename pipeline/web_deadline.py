"""A deadline for all that a web client sends and receives: a server that drips bytes holds nobody up for ever."""

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class DeadlineTransport(httpx.HTTPTransport):
    """Connections that all end `seconds` after the transport was made, whatever comes; then a httpx.TimeoutException.

    httpx has a time for each read only, and a head or a body can be made of any number of reads.
    """

    def __init__(self, certificates: ssl.SSLContext, seconds: float) -> None:
        super().__init__(verify=certificates, trust_env=False)
        # Where its bytes come from is not for a caller of httpx to say; of httpcore, which httpx wraps, it is.
        self._pool = httpcore.ConnectionPool(
            ssl_context=certificates, network_backend=_Backend(time.monotonic() + seconds)
        )


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None, failure: type[Exception]) -> float:
    """Seconds that the next step may take."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise failure("it takes too long altogether")
    return left if timeout is None else min(left, timeout)
