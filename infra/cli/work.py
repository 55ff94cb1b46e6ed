"""`onhand up` and `onhand worker`: servers to try it on, and the processes that do the work."""

import asyncio
import ctypes
import logging
import shlex
import signal
import sys
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from consumers.settings import Settings
from infra.cli.context import load_settings, open_database
from infra.cli.failures import is_bug
from infra.cli.output import AsJson, print_json, print_note
from infra.platform import KafkaKind, Platform

DEFAULT_DATA: Final = Path(".onhand/stack")
_LOOK_SECONDS: Final = 0.5
_M_ARENA_MAX: Final = -8
"""Of malloc.h."""


class Role(StrEnum):
    """What a worker does; ALL is everything else."""

    COMMANDS = "commands"
    UPLOADS = "uploads"
    SYNCS = "syncs"
    SNAPSHOTS = "snapshots"
    RELAY = "relay"
    SCHEDULER = "scheduler"
    ALL = "all"


class _NotTooOften(logging.Filter):
    """Lets each message of the Kafka client through once in ten seconds: without a broker it repeats itself."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        if not record.name.startswith("aiokafka"):
            return True
        what = (record.name, str(record.msg))
        if record.created < self._next.get(what, 0):
            return False
        self._next[what] = record.created + 10
        return True


class Kafka(StrEnum):
    """Which broker `up` starts."""

    EMBEDDED = "embedded"
    APACHE = "apache"


def _share_arenas() -> None:
    """Let all threads take memory from two arenas, where the C library is that of GNU.

    By itself it makes eight for each processor, and each keeps what its threads gave back: a fifth of a worker's peak.
    """
    with suppress(AttributeError):  # another C library has no mallopt
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def worker(
    roles: Annotated[list[Role] | None, typer.Argument(help="What it does; everything where nothing is named.")] = None,
    as_json: AsJson = False,
) -> None:
    """Work on the configured servers until Ctrl-C or SIGTERM. A worker waits for servers that are away."""
    from consumers.app import ROLES, run_worker  # noqa: PLC0415 - FastStream takes a second to import

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # it tells of every group that it joins
    for handler in logging.getLogger().handlers:
        handler.addFilter(_NotTooOften())
    _share_arenas()
    wanted = ROLES if not roles or Role.ALL in roles else tuple(roles)
    try:
        asyncio.run(run_worker(load_settings(), wanted))
    except Exception as error:
        if is_bug(error):  # a worker has nobody who could run it again with --debug
            logging.getLogger(__name__).exception("The worker stops: this is a bug of onhand")
        raise
    if as_json:
        print_json({"stopped": True})


def up(
    data: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = DEFAULT_DATA,
    kafka: Annotated[
        Kafka, typer.Option(help="embedded: in memory, forgets all messages; apache: needs Java 17 and Maven.")
    ] = Kafka.EMBEDDED,
    as_json: AsJson = False,
) -> None:
    """Start PostgreSQL, an S3 store, a Kafka broker and all workers, until Ctrl-C. For trying out, not for keeping.

    The addresses are printed as `export` lines: copy them into another terminal, and use `onhand` there. A worker
    that dies stops everything, with exit code 1.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    kind: KafkaKind = "apache" if kafka is Kafka.APACHE else "embedded"
    try:
        with Platform(data, kafka=kind) as platform:
            if kafka is Kafka.EMBEDDED:
                _resume_syncs(platform.settings)
            _print_environment(platform.environ, as_json=as_json)
            print_note(f"Up. The logs are in {platform.logs}. Ctrl-C stops everything.")
            while True:
                platform.check()
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        print_note("Stopped.")


def _resume_syncs(settings: Settings) -> None:
    """Send out what is left of syncs: the broker that had their messages has forgotten them."""
    from pipeline.syncs.care import resume_stuck  # noqa: PLC0415 - brings boto3 with it

    with open_database(settings) as database:
        for key in resume_stuck(database, 0):
            print_note(f"Sync {key.sync_id} of account {key.account_id} goes on.")


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _print_environment(environ: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(environ)
    else:
        sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in environ.items())
    sys.stdout.flush()
