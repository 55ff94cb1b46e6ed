"""Remembers the last event of each object of the uploads bucket, so that one that comes late is known as such."""

import psycopg

from pipeline.store.statements import statements

_SQL = statements("upload_events")


def take_event(connection: psycopg.Connection, bucket: str, key: str, sequencer: str) -> bool:
    """Remember an event; False where a later one of the same object was seen. The last one may come again.

    `sequencer` is hexadecimal. Of two values the higher one is the later one, after the shorter one was filled up with
    zeros at its end.

    Source: Amazon S3 user guide, event message structure.
    """
    comparable = sequencer.upper().rstrip("0")
    return connection.execute(_SQL["take_event"], {"bucket": bucket, "key": key, "sequencer": comparable}).rowcount > 0


def delete_old_events(connection: psycopg.Connection, days: int) -> int:
    """Forget the objects of which nothing was heard for so many days; how many."""
    return connection.execute(_SQL["delete_old_events"], {"days": days}).rowcount
