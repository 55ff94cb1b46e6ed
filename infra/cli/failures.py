"""What a person at the terminal is told about an error: what happened and what to do, in a line."""

from typing import Final

import psycopg
from aiokafka.errors import KafkaError
from botocore.exceptions import ClientError

from consumers.dead_letters import TooManyDeadLetters
from consumers.topics import TopicsError
from infra.stack import StackError
from pipeline.errors import Invalid, TryLater
from pipeline.store.database import UpgradeError

SEE_DOCTOR: Final = " (`onhand doctor` checks every server.)"


class Failure(Exception):  # noqa: N818 - it is what the person sees, not a kind of bug
    """The command cannot do what was asked; the message is for the person who asked."""


_EXPECTED: Final = (Failure, Invalid, TryLater, StackError, UpgradeError, TopicsError, TooManyDeadLetters)
_FROM_OUTSIDE: Final = (psycopg.Error, ClientError, KafkaError, OSError)


def is_bug(error: Exception) -> bool:
    """Whether only a trace can explain it."""
    return not isinstance(error, _EXPECTED + _FROM_OUTSIDE)


def explain(error: Exception) -> str:
    """The message for a person. Of what nothing is known, it is said to be a bug."""
    what = _line(error)
    match error:
        case TryLater():
            what += SEE_DOCTOR
        case _ if isinstance(error, _EXPECTED):
            what = str(error)
        case psycopg.errors.UndefinedTable():
            what = "The database has no schema yet, or not all of it: run `onhand db upgrade`."
        case psycopg.Error():
            what = f"PostgreSQL: {what}{SEE_DOCTOR}"
        case ClientError():
            what = f"The object store: {what}{SEE_DOCTOR}"
        case KafkaError():
            what = f"Kafka: {what}{SEE_DOCTOR}"
        case OSError() if error.filename:
            what = f"{error.filename}: {error.strerror}"
        case OSError():
            pass
        case _:
            what = f"This is a bug of onhand: {type(error).__name__}: {what} (`onhand --debug …` shows the trace.)"
    return what


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
