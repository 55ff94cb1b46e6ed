# ruff: noqa: PLR0913, PLR0917 - a parameter is an option of the command line
"""`onhand demo`: the whole story on servers of its own, start to end, and then whether all of it was true."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from infra.cli.context import open_database
from infra.cli.failures import Failure
from infra.cli.output import AsJson, print_error, print_json, print_line, print_note
from infra.cli.work import Kafka
from infra.platform import Platform

_OVERRIDES: Final = {"ONHAND_UPLOADS_POLL_SECONDS": "0.25"}


def demo(
    data: Annotated[
        Path | None, typer.Option(help="A new directory that keeps the data; without it, nothing is kept.")
    ] = None,
    kafka: Annotated[
        Kafka, typer.Option(help="embedded: in memory; apache: needs Java 17 and Maven.")
    ] = Kafka.EMBEDDED,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the upload.")] = 200_000,
    products: Annotated[int, typer.Option(min=50, help="Products of the catalogue.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Decides all quantities and the order of the rows.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Start servers and workers, sync a large CSV with bad rows in it, and check every claim. Exit code 1 where one
    is not true."""
    # These bring readers of events with them, which take a while to import.
    from infra.demo.catalogue import Size  # noqa: PLC0415

    try:
        size = Size(rows, products, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    # Ctrl-C and SIGTERM end it in the same way, wherever it is.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with _directory(data) as folder:
        report = _run(folder, kafka, size, quiet=as_json)
    if as_json:
        print_json(report)
    for check in report["checks"]:
        if not check["ok"]:
            print_error(f"Not true: {check['claim']}: {check['detail']}")
    if not report["ok"]:
        raise typer.Exit(1)


def _run(folder: Path, kafka: Kafka, size: Any, *, quiet: bool) -> dict[str, Any]:
    from infra.demo.checks import check_all  # noqa: PLC0415
    from infra.demo.report import document, words  # noqa: PLC0415
    from infra.demo.story import Story  # noqa: PLC0415

    began = time.monotonic()

    def say(what: str) -> None:
        if not quiet:
            print_note(f"{time.monotonic() - began:5.1f} s  {what}")

    say("starting PostgreSQL, an S3 store, a Kafka broker and three workers")
    kind: Any = kafka.value
    with (
        Platform(folder / "stack", kafka=kind, overrides=_OVERRIDES) as platform,
        open_database(platform.settings) as database,
    ):
        say("the servers are up; the workers join their consumer groups")
        told = asyncio.run(Story(platform, database, size, say).tell(folder))
        say("comparing all of it with what the generator knows")
        findings = asyncio.run(check_all(told, platform.settings, database))
        report = document(told, findings, database, time.monotonic() - began)
        if not quiet:
            for line in words(report):
                print_line(line)
    return report


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    """A directory of the demo's own: a temporary one, or the new one that was named."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="onhand-demo-") as folder:
            yield Path(folder)
        return
    if data.exists() and any(data.iterdir()):
        raise Failure(f"{data} has files in it: name a new directory, so that the counts are those of this demo alone.")
    data.mkdir(parents=True, exist_ok=True)
    yield data
    print_note(f"The data are in {data}: `onhand up --data {data / 'stack'}` starts the servers on them again.")
