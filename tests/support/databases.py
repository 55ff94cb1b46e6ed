"""Databases that are copies of another one: for a test, or for fixtures that live longer or shorter than that."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

import psycopg
from psycopg import sql


@contextmanager
def copy_of(template_url: str) -> Iterator[str]:
    """The URL of a copy of a database that nobody is connected to; dropped at the end."""
    url = _copy(template_url)
    try:
        yield url
    finally:
        _drop(url)


class Copies:
    """Copies of one database. The next one is made, and the last one dropped, while a test runs on its own."""

    def __init__(self, template_url: str) -> None:
        self._template_url = template_url
        self._maker = ThreadPoolExecutor(1)
        self._next: Future[str] | None = None
        self._dropped: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._next:
            self._dropped.append(self._maker.submit(_drop, self._next.result()))
        self._maker.shutdown()
        for dropped in self._dropped:
            dropped.result()

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of a copy; dropped some time after the end."""
        ready = self._next or self._make()
        url = ready.result()
        self._next = self._make()
        try:
            yield url
        finally:
            self._dropped.append(self._maker.submit(_drop, url))

    def _make(self) -> Future[str]:
        return self._maker.submit(_copy, self._template_url)


def template(server_url: str, name: str, fill: Callable[[str], None]) -> str:
    """Make a database to be copied, fill it, and give its URL."""
    _run(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = f"{server_url.rpartition('/')[0]}/{name}"
    fill(url)
    return url


def _copy(template_url: str) -> str:
    server, _, original = template_url.rpartition("/")
    name = f"copy_{uuid.uuid4().hex}"
    _run(template_url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(original)))
    return f"{server}/{name}"


def _drop(url: str) -> None:
    _run(url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(url.rpartition("/")[2])))


def _run(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(f"{url.rpartition('/')[0]}/postgres", autocommit=True) as connection:
        connection.execute(statement)
