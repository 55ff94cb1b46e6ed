"""Web servers with one file, or with the answers that people meet."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def web_file(*versions: bytes, meanwhile: Callable[[], object] | None = None) -> Iterator[str]:
    """A file on a web server, a version for each request; `meanwhile` is called once, before its last byte is sent."""
    todo = [meanwhile] if meanwhile else []
    left = list(versions)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:-1])
            self.wfile.flush()
            if todo:
                todo.pop()()
            self.wfile.write(content[-1:])

        def log_message(self, *_: object) -> None:
            pass

    with _running(Handler) as port:
        yield f"http://127.0.0.1:{port}/stock.csv"


@dataclass(frozen=True)
class Answer:
    """What a server says. `length`: it names the length; otherwise the connection is closed at the end.

    `chunks`: it comes in chunks; None as the last one breaks the connection off.
    """

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    length: bool = True
    chunks: tuple[bytes | None, ...] | None = None


@contextmanager
def web_answers(answers: Mapping[str, Answer]) -> Iterator[str]:
    """A server that knows these paths, whatever stands behind a question mark; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = answers[self.path.partition("?")[0]]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunks is not None:
                self.send_header("Transfer-Encoding", "chunked")
            elif answer.length:
                self.send_header("Content-Length", str(len(answer.body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            for chunk in answer.chunks or ():
                if chunk is None:
                    self.close_connection = True
                    return
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(answer.body if answer.chunks is None else b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    with _running(Handler) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
