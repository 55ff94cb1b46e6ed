"""What a person at the terminal is told about an error: what happened and what to do, in a line."""

import psycopg
from aiokafka.errors import KafkaError
from botocore.exceptions import ClientError

from consumers.topics import TopicsError
from infra.stack import StackError
from pipeline.errors import Invalid, TryLater
from pipeline.store.migrate import UpgradeError


class Failure(Exception):  # noqa: N818 - it is what the person sees, not a kind of bug
    """The command cannot do what was asked; the message is for the person who asked."""


def explain(error: Exception) -> str:
    """The message for a person. Of what nothing is known, it is said to be a bug."""
    match error:
        case Failure() | StackError() | UpgradeError() | TopicsError() | Invalid():
            return str(error)
        case TryLater():
            return f"{_line(error)} (`onhand doctor` checks every server.)"
        case psycopg.errors.UndefinedTable():
            return "The database has no schema yet, or not all of it: run `onhand db upgrade`."
        case psycopg.Error():
            return f"PostgreSQL: {_line(error)}"
        case ClientError():
            return f"S3: {_line(error)} (`onhand doctor` checks every server.)"
        case KafkaError():
            return f"Kafka: {_line(error)} (`onhand doctor` checks every server.)"
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else _line(error)
        case _:
            return (
                f"This is a bug of onhand: {type(error).__name__}: {_line(error)} (`onhand --debug …` shows the trace.)"
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
