"""Fetches files from the web for people who name a URL, without letting the URL reach into the private network."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from pipeline.addresses import resolve
from pipeline.errors import Invalid
from pipeline.web_deadline import DeadlineTransport
from schemas.errors import ErrorCode
from schemas.jobs import shown_url

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each URL with its query, which may hold a signature

_MAX_REDIRECTS: Final = 5
_CODES: Final = {
    401: ErrorCode.FILE_FORBIDDEN,
    403: ErrorCode.FILE_FORBIDDEN,
    404: ErrorCode.FILE_NOT_FOUND,
    410: ErrorCode.FILE_NOT_FOUND,
}


@dataclass(frozen=True)
class WebLimits:
    """What a fetch may do.

    `timeout_seconds` is for connecting and for each read, `deadline_seconds` for all of it from the first redirect to
    the last byte; `max_bytes` is for the whole file.
    """

    timeout_seconds: float
    max_bytes: int
    allow_private: bool = False
    """Also http:// and addresses that are not public."""
    deadline_seconds: float = 3600.0


@dataclass(frozen=True)
class WebFile:
    """An open file. `etag` is without quotes, None where the server names none; so is `size`, in bytes.

    The bytes are as they were sent: `packing` is what the server says of them (Content-Encoding), in lower case, and
    may be wrong. `charset` is what it says of the text. `has_known_end`: missing bytes at the end would be noticed.
    """

    host: str
    etag: str | None
    size: int | None
    packing: str
    charset: str | None
    has_known_end: bool
    chunks: Iterator[bytes]
    """Can be read once, inside the block that opened the file; raises Invalid as `open_url` does."""


@contextmanager
def open_url(url: str, limits: WebLimits, *, chunk_size: int) -> Iterator[WebFile]:
    """Open the file at an https URL; its bytes come in chunks of `chunk_size`, the last one shorter.

    The bytes are as they are sent: who reads them unpacks them, in bounded memory. (httpx would unpack each piece that
    comes at once, whatever becomes of it.)

    Nothing is tried twice: a person waits for the answer and can submit again, so that an absent server is Invalid
    here and not TryLater. A caller that wants another attempt makes it. Messages name the host and never the query,
    which may hold a signature.

    Raises:
        Invalid: URL_NOT_ALLOWED, FILE_NOT_FOUND, FILE_FORBIDDEN, FILE_TOO_LARGE, or FILE_UNREACHABLE for every other
            failure: name, connection, certificate, time, status, a body that breaks off.
    """
    # The proxies of the environment would look the name up again, and so undo the check of the address. The
    # certificates of the environment (SSL_CERT_FILE) are welcome.
    certificates = httpx.create_ssl_context(trust_env=True)
    transport = DeadlineTransport(certificates, limits.deadline_seconds)
    with httpx.Client(transport=transport, trust_env=False, timeout=limits.timeout_seconds) as client:
        answer, host = _follow(client, url, limits)
        try:
            size = _size(answer)
            if size is not None and size > limits.max_bytes:
                raise _too_large(host, limits)
            etag = answer.headers.get("ETag")
            yield WebFile(
                host,
                etag and etag.removeprefix("W/").strip('"'),
                size,
                packing=answer.headers.get("Content-Encoding", "").strip().lower(),
                charset=answer.charset_encoding,
                # A client that reads until the connection is closed cannot tell an end from a break.
                has_known_end=size is not None or "Transfer-Encoding" in answer.headers,
                chunks=_chunks(answer, host, limits, chunk_size),
            )
        finally:
            answer.close()


def _follow(client: httpx.Client, url: str, limits: WebLimits) -> tuple[httpx.Response, str]:
    """The answer that is no redirect, and the host that gave it. Each hop is checked like the first one."""
    target = _parse(url)
    for _ in range(_MAX_REDIRECTS + 1):
        _check(target, limits)
        answer = _get(client, target, limits)
        if answer.status_code == 200:
            return answer, target.host
        answer.close()
        client.cookies.clear()  # one host's cookies are not for the next
        if not answer.has_redirect_location:
            code = _CODES.get(answer.status_code, ErrorCode.FILE_UNREACHABLE)
            raise Invalid(code, f"{target.host} answers {answer.status_code} {answer.reason_phrase}".rstrip())
        target = _parse(answer.headers["Location"], base=target)
    raise Invalid(ErrorCode.FILE_UNREACHABLE, f"{target.host}: more than {_MAX_REDIRECTS} redirects")


def _get(client: httpx.Client, target: httpx.URL, limits: WebLimits) -> httpx.Response:
    """Ask the very address that was checked, with the name in the Host header and in the TLS handshake."""
    name = target.raw_host.decode("ascii")
    port = target.port or (443 if target.scheme == "https" else 80)
    address = resolve(name, port, allow_private=limits.allow_private)
    request = client.build_request(
        "GET",
        target.copy_with(host=address),
        headers={"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
        extensions={"sni_hostname": name},
    )
    try:
        return client.send(request, stream=True)
    except httpx.HTTPError as error:
        raise _unreachable(target.host, error) from error


def _parse(url: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        return base.join(url) if base else httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Invalid(ErrorCode.URL_NOT_ALLOWED, f"not a URL: {shown_url(url)[:200]}") from error


def _check(target: httpx.URL, limits: WebLimits) -> None:
    if target.scheme != "https" and not (target.scheme == "http" and limits.allow_private):
        raise Invalid(ErrorCode.URL_NOT_ALLOWED, f"scheme {target.scheme!r} of {target.host or 'the URL'}")
    if not target.host:
        raise Invalid(ErrorCode.URL_NOT_ALLOWED, "the URL names no host")
    if target.userinfo:
        raise Invalid(ErrorCode.URL_NOT_ALLOWED, f"credentials in the URL of {target.host}; use a signed link instead")


def _chunks(answer: httpx.Response, host: str, limits: WebLimits, chunk_size: int) -> Iterator[bytes]:
    total = 0
    try:
        for chunk in answer.iter_raw(chunk_size):
            total += len(chunk)
            if total > limits.max_bytes:
                raise _too_large(host, limits)
            yield chunk
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise _unreachable(host, error) from error


def _size(answer: httpx.Response) -> int | None:
    """The size that the server promises."""
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _too_large(host: str, limits: WebLimits) -> Invalid:
    return Invalid(ErrorCode.FILE_TOO_LARGE, f"{host} sends more than {limits.max_bytes:,} bytes")


def _unreachable(host: str, error: Exception) -> Invalid:
    return Invalid(ErrorCode.FILE_UNREACHABLE, f"{host}: {error or type(error).__name__}")
