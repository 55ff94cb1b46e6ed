"""A web server with one file."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stock.csv"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
