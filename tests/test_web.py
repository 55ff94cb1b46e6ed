"""Fetching over the web: a real server for the plumbing, and the URLs that must never be fetched."""

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Invalid
from pipeline.web import WebLimits, open_url
from schemas.errors import ErrorCode

BODY = b"sku,quantity\n" + b"A-1,5\n" * 10_000
LIMITS = WebLimits(timeout_seconds=5, max_bytes=1_000_000, allow_private=True)
STRICT = WebLimits(timeout_seconds=5, max_bytes=1_000_000)


@dataclass
class Served:
    """A server, and the Host header and path of each request that it got."""

    port: int
    seen: list[tuple[str, str]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class Files(BaseHTTPRequestHandler):
    """`/file` has BODY; the other paths misbehave as their names say."""

    served: Served

    def do_GET(self) -> None:
        self.served.seen.append((self.headers["Host"], self.path))
        name, _, argument = self.path.partition("?")[0].removeprefix("/").partition("/")
        getattr(self, f"do_{name}")(argument)

    def do_file(self, _: str) -> None:
        self.answer(200, BODY, {"ETag": 'W/"v1"', "Content-Length": str(len(BODY)), "Set-Cookie": "a=b"})

    def do_unsized(self, _: str) -> None:
        self.answer(200, BODY, {})

    def do_compressed(self, _: str) -> None:
        data = gzip.compress(BODY)
        self.answer(200, data, {"Content-Encoding": "gzip", "Content-Length": str(len(data))})

    def do_packed(self, packing: str) -> None:
        self.answer(200, b"who knows", {"Content-Encoding": packing, "Content-Length": "9"})

    def do_dripping(self, part: str) -> None:
        """A head or a body that never ends, each byte of it in time."""
        self.send_response(200)
        if part == "body":
            self.end_headers()
        self.flush_headers()
        with suppress(OSError):
            for number in count():
                self.wfile.write(f"X-{number}: x\r\n".encode() if part == "head" else b"x")
                if self.served.gone.wait(0.02):
                    return

    def do_broken(self, _: str) -> None:
        self.answer(200, BODY, {"Content-Length": str(2 * len(BODY))})

    def do_status(self, status: str) -> None:
        self.answer(int(status), b"", {"Content-Length": "0"})

    def do_redirects(self, count: str) -> None:
        target = f"/redirects/{int(count) - 1}" if int(count) > 1 else "/file"
        self.answer(302, b"", {"Location": target, "Content-Length": "0"})

    def do_to(self, target: str) -> None:
        self.answer(301, b"", {"Location": target, "Content-Length": "0"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


def serve(context: ssl.SSLContext | None = None) -> Iterator[Served]:
    class Handler(Files):
        """Each server has its own list of what it saw."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Handler.served = Served(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Handler.served
        Handler.served.gone.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Served]:
    yield from serve()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Give a host name a list of answers, one for each look-up; the list returned holds the look-ups made."""
    real = socket.getaddrinfo

    def install(name: str, *answers: list[str]) -> list[str]:
        asked: list[str] = []

        def fake(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host != name:
                return real(host, port, *args, **kwargs)
            asked.append(name)
            addresses = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", fake)
        return asked

    return install


def fetch(url: str, limits: WebLimits = LIMITS) -> bytes:
    with open_url(url, limits, chunk_size=1000) as file:
        return b"".join(file.chunks)


def refused(url: str, limits: WebLimits = LIMITS) -> tuple[ErrorCode, str]:
    with pytest.raises(Invalid) as raised:
        fetch(url, limits)
    return raised.value.code, raised.value.detail


def test_file_comes_in_chunks_with_what_is_known_of_it(server: Served) -> None:
    with open_url(server.url("/file"), LIMITS, chunk_size=7_000) as file:
        chunks = list(file.chunks)

    assert b"".join(chunks) == BODY
    assert {len(chunk) for chunk in chunks[:-1]} == {7_000}
    assert (file.etag, file.size, file.has_known_end) == ("v1", len(BODY), True)


def test_size_may_be_unknown(server: Served) -> None:
    with open_url(server.url("/unsized"), LIMITS, chunk_size=1000) as file:
        assert (file.etag, file.size, file.has_known_end) == (None, None, False)
        assert b"".join(file.chunks) == BODY


def test_answer_that_is_packed_with_gzip_is_left_as_it_is(server: Served) -> None:
    packed = fetch(server.url("/compressed"))

    assert gzip.decompress(packed) == BODY
    with open_url(server.url("/compressed"), LIMITS, chunk_size=1000) as file:
        assert file.size == len(packed)


@pytest.mark.parametrize("packing", ["br", "zstd", "deflate", "gzip,gzip", "utf-8"])
def test_what_a_server_says_of_the_packing_is_told_and_the_bytes_come_as_they_are(server: Served, packing: str) -> None:
    with open_url(server.url(f"/packed/{packing}"), LIMITS, chunk_size=1000) as file:
        assert (file.packing, b"".join(file.chunks)) == (packing, b"who knows")


@pytest.mark.parametrize("part", ["head", "body"])
def test_server_that_drips_bytes_is_unreachable_when_the_time_for_all_of_it_is_over(server: Served, part: str) -> None:
    patient = WebLimits(timeout_seconds=60, max_bytes=10**9, allow_private=True, deadline_seconds=0.3)
    began = time.monotonic()

    code, detail = refused(server.url(f"/dripping/{part}"), patient)

    assert (code, detail.startswith("127.0.0.1: ")) == (ErrorCode.FILE_UNREACHABLE, True)
    assert time.monotonic() - began < 5


def test_deadline_is_for_all_redirects_together(server: Served) -> None:
    over = WebLimits(timeout_seconds=5, max_bytes=10**9, allow_private=True, deadline_seconds=1e-9)

    assert refused(server.url("/redirects/2"), over) == (
        ErrorCode.FILE_UNREACHABLE,
        "127.0.0.1: it takes too long altogether",
    )


@pytest.mark.parametrize("path", ["/file", "/unsized"])
def test_size_is_capped(server: Served, path: str) -> None:
    exact = WebLimits(timeout_seconds=5, max_bytes=len(BODY), allow_private=True)
    small = WebLimits(timeout_seconds=5, max_bytes=len(BODY) - 1, allow_private=True)

    assert fetch(server.url(path), exact) == BODY
    code, detail = refused(server.url(path), small)
    assert code is ErrorCode.FILE_TOO_LARGE
    assert detail == f"127.0.0.1 sends more than {len(BODY) - 1:,} bytes"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, ErrorCode.FILE_NOT_FOUND),
        (410, ErrorCode.FILE_NOT_FOUND),
        (401, ErrorCode.FILE_FORBIDDEN),
        (403, ErrorCode.FILE_FORBIDDEN),
        (400, ErrorCode.FILE_UNREACHABLE),
        (429, ErrorCode.FILE_UNREACHABLE),
        (503, ErrorCode.FILE_UNREACHABLE),
        (204, ErrorCode.FILE_UNREACHABLE),
        (302, ErrorCode.FILE_UNREACHABLE),  # without a Location
    ],
)
def test_status_has_its_code(server: Served, status: int, code: ErrorCode) -> None:
    found, detail = refused(server.url(f"/status/{status}?signature=secret"))

    assert found is code
    assert detail.startswith(f"127.0.0.1 answers {status}")
    assert "secret" not in detail


def test_body_that_breaks_off_is_unreachable(server: Served) -> None:
    code, detail = refused(server.url("/broken"))

    assert code is ErrorCode.FILE_UNREACHABLE
    assert detail.startswith("127.0.0.1: ")


def test_absent_server_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        code, detail = refused(f"http://127.0.0.1:{unused.getsockname()[1]}/file")

    assert code is ErrorCode.FILE_UNREACHABLE
    assert detail.startswith("127.0.0.1: ")


def test_silent_server_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        impatient = WebLimits(timeout_seconds=0.2, max_bytes=1, allow_private=True)

        code, detail = refused(f"http://127.0.0.1:{silent.getsockname()[1]}/file", impatient)

    assert (code, detail) == (ErrorCode.FILE_UNREACHABLE, "127.0.0.1: timed out")


def test_unknown_name_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    code, detail = refused("https://nowhere.example/file", STRICT)

    assert code is ErrorCode.FILE_UNREACHABLE
    assert "nowhere.example" in detail


def test_five_redirects_are_followed_and_no_more(server: Served) -> None:
    assert fetch(server.url("/redirects/5")) == BODY
    code, detail = refused(server.url("/redirects/6"))
    assert (code, detail) == (ErrorCode.FILE_UNREACHABLE, "127.0.0.1: more than 5 redirects")


@pytest.mark.parametrize(
    "target", ["ftp://files.example/file", "file:///etc/passwd", "http://user:pass@127.0.0.1/file"]
)
def test_each_redirect_is_checked_like_the_first_url(server: Served, target: str) -> None:
    assert refused(server.url(f"/to/{target}"))[0] is ErrorCode.URL_NOT_ALLOWED
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("url", "limits"),
    [
        ("http://93.184.215.14/file", STRICT),
        ("ftp://93.184.215.14/file", LIMITS),
        ("file:///etc/passwd", LIMITS),
        ("https:///file", LIMITS),
        ("files.csv", LIMITS),
        ("https://user:pass@93.184.215.14/file", STRICT),
        ("https://host:port/file", STRICT),
        ("https://127.0.0.1/file", STRICT),
        ("https://localhost/file", STRICT),
        ("https://[::1]/file", STRICT),
        ("https://2130706433/file", STRICT),
        ("https://0x7f.1/file", STRICT),
        ("https://169.254.169.254/latest/meta-data", STRICT),
        ("https://[::ffff:169.254.169.254]/latest/meta-data", STRICT),
    ],
)
def test_url_is_not_allowed(url: str, limits: WebLimits) -> None:
    assert refused(url, limits)[0] is ErrorCode.URL_NOT_ALLOWED


def test_one_private_address_among_public_ones_is_enough(names: Callable[..., list[str]]) -> None:
    names("files.example", ["93.184.215.14", "10.0.0.1"])

    assert refused("https://files.example/file", STRICT) == (
        ErrorCode.URL_NOT_ALLOWED,
        "files.example has the address 10.0.0.1, which is not public",
    )


def test_name_is_looked_up_once(server: Served, names: Callable[..., list[str]]) -> None:
    asked = names("files.example", ["127.0.0.1"], ["127.0.0.2"])

    assert fetch(f"http://files.example:{server.port}/file") == BODY
    assert asked == ["files.example"]
    assert server.seen == [(f"files.example:{server.port}", "/file")]


def test_address_that_was_checked_is_the_one_connected_to(
    names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        tried.append(address[0])
        raise ConnectionRefusedError("refused")

    names("files.example", ["93.184.215.14"], ["127.0.0.1"])
    monkeypatch.setattr(socket, "create_connection", refuse)

    assert refused("https://files.example/file", STRICT)[0] is ErrorCode.FILE_UNREACHABLE
    assert tried == ["93.184.215.14"]


def test_redirect_to_a_private_name_is_refused(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # The test server stands in for a public one; the address behind the redirect is judged as always.
    monkeypatch.setattr("pipeline.addresses.is_public", lambda address: address != "127.0.0.2")
    target = WebLimits(timeout_seconds=5, max_bytes=1_000_000)
    monkeypatch.setattr("pipeline.web._check", lambda *_: None)

    assert refused(server.url("/to/http://127.0.0.2/file"), target) == (
        ErrorCode.URL_NOT_ALLOWED,
        "127.0.0.2 has the address 127.0.0.2, which is not public",
    )


def test_environment_proxies_are_ignored(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert fetch(server.url("/file")) == BODY


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_certificate_is_checked_for_the_name(
    tmp_path: Path, names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=files.example",
         "-addext", "subjectAltName=DNS:files.example", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names("files.example", ["127.0.0.1"])

    for served in serve(context):
        url = f"https://files.example:{served.port}/file"
        code, detail = refused(url)
        assert (code, "certificate" in detail.lower()) == (ErrorCode.FILE_UNREACHABLE, True)

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(url) == BODY
        assert refused(f"https://127.0.0.1:{served.port}/file")[0] is ErrorCode.FILE_UNREACHABLE
