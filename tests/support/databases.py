"""Databases that are copies of another one, for fixtures that live longer or shorter than those of conftest.py."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql


@contextmanager
def copy_of(template_url: str) -> Iterator[str]:
    """The URL of a copy of a database that nobody is connected to; dropped at the end."""
    server, _, template = template_url.rpartition("/")
    name = f"copy_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
