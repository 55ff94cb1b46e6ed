"""`onhand db upgrade`, `onhand topics apply`, `onhand doctor`: make the servers ready, and say what they lack."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from uuid import uuid4

import typer
from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code
from aiokafka.protocol.transaction import InitProducerIdRequest

from consumers.connections import object_store
from consumers.settings import Settings
from consumers.topics import Outcome, apply_topics, check_topics
from infra.cli.context import load_settings
from infra.cli.failures import SEE_DOCTOR, explain
from infra.cli.output import AsJson, print_json, print_line, print_rows
from pipeline.errors import Invalid, TryLater
from pipeline.objects import ObjectStore
from schemas.errors import ErrorCode

db = typer.Typer(no_args_is_help=True, help="The database.")
topics = typer.Typer(no_args_is_help=True, help="The Kafka topics.")


# Typer makes an application of one command that command itself, unless it has a callback.
db.callback()(lambda: None)
topics.callback()(lambda: None)


@db.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to this version's schema. Safe to run twice and at once."""
    from pipeline.store import migrate  # noqa: PLC0415 - Alembic is slow to import

    done = migrate.upgrade(load_settings().database_url.get_secret_value())
    if as_json:
        print_json({"applied": done})
    else:
        print_line(f"Applied {', '.join(done)}." if done else "The database is up to date.")


@topics.command()
def apply(as_json: AsJson = False) -> None:
    """Create the topics, and correct their settings. Exit code 1 where one still differs."""
    reports = asyncio.run(apply_topics(load_settings()))
    print_rows([asdict(report) for report in reports], as_json=as_json, limit=None)
    if any(report.outcome is Outcome.DIFFERS for report in reports):
        raise typer.Exit(1)


@dataclass(frozen=True)
class Check:
    """One thing that doctor looked at; `detail` says what was seen, or what is wrong and what to do."""

    check: str
    ok: bool
    detail: str


def doctor(as_json: AsJson = False) -> None:
    """Check PostgreSQL, Kafka and the object store, and say of each what is wrong. Exit code 1 where anything is."""
    settings = load_settings()
    failed = False
    for check in _checks(settings):
        failed = failed or not check.ok
        if as_json:
            print_json(asdict(check))
        else:
            print_line(f"{'ok    ' if check.ok else 'failed'}  {check.check}: {check.detail}")
    if failed:
        raise typer.Exit(1)


def _checks(settings: Settings) -> Iterator[Check]:
    buckets = {
        "uploads": settings.s3_uploads_bucket,
        "work": settings.s3_work_bucket,
        "snapshots": settings.s3_snapshots_bucket,
    }
    yield _check("PostgreSQL", partial(_database, settings))
    yield _check("Kafka topics", partial(_kafka_topics, settings))
    yield _check("Kafka idempotent producer", lambda: asyncio.run(_idempotence(settings)))
    for use, bucket in buckets.items():
        # A probe in the uploads bucket would be taken for somebody's file.
        yield _check(f"S3 bucket for {use}", partial(_bucket, settings, use, bucket, write=use != "uploads"))


class _Wrong(Exception):  # noqa: N818 - a finding
    """The server is there and not as it should be."""


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except _Wrong as finding:
        return Check(name, False, str(finding))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one server, the others are looked at
        return Check(name, False, explain(error).removesuffix(SEE_DOCTOR))


def _database(settings: Settings) -> str:
    from pipeline.store import migrate  # noqa: PLC0415 - Alembic is slow to import

    missing = migrate.pending(settings.database_url.get_secret_value())
    if missing:
        raise _Wrong(f"lacks {', '.join(missing)}: run `onhand db upgrade`")
    return "reachable, schema up to date"


def _kafka_topics(settings: Settings) -> str:
    wrong = [report for report in asyncio.run(check_topics(settings)) if report.outcome is not Outcome.UNCHANGED]
    if wrong:
        what = "; ".join(f"{report.name} {report.detail or report.outcome}" for report in wrong)
        raise _Wrong(f"{what}. Run `onhand topics apply`: it mends what can be mended.")
    return "reachable, all topics as specified"


async def _idempotence(settings: Settings) -> str:
    if not settings.kafka_idempotence:
        return "switched off by ONHAND_KAFKA_IDEMPOTENCE"
    client = AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=10_000)
    try:
        await client.bootstrap()
        refused = await _ask_for_producer_id(client)
    except KafkaConnectionError as error:
        raise TryLater(f"Kafka does not answer at {settings.kafka_bootstrap_servers}: {error}") from error
    except (KafkaError, TimeoutError) as error:
        refused = type(error)
    finally:
        await client.close()
    if refused:
        raise _Wrong(
            f"refused ({refused.__name__}): grant the user IdempotentWrite on the cluster, or set "
            "ONHAND_KAFKA_IDEMPOTENCE=false where the broker cannot do it"
        )
    return "works"


async def _ask_for_producer_id(client: AIOKafkaClient) -> type[KafkaError] | None:
    """Why the broker gives none. A broker that has just started is asked again for a few seconds."""
    asked = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
    refused: type[KafkaError] | None = None
    for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
        answer = await client.send(client.get_random_node(), asked)
        refused = for_code(answer.error_code) if answer.error_code else None
        if refused is None or not refused.retriable:
            break
        await asyncio.sleep(pause)
    return refused


def _bucket(settings: Settings, use: str, bucket: str, *, write: bool) -> str:
    try:
        return _probe(object_store(settings), bucket, write=write)
    except Invalid as error:
        remedy = {
            ErrorCode.FILE_NOT_FOUND: f"make the bucket, or name another one in ONHAND_S3_{use.upper()}_BUCKET",
            ErrorCode.FILE_FORBIDDEN: "check ONHAND_S3_ACCESS_KEY_ID, ONHAND_S3_SECRET_ACCESS_KEY and what they may do",
        }
        raise _Wrong(f"{error.detail}: {remedy.get(error.code, error.code.hint)}") from error


def _probe(store: ObjectStore, bucket: str, *, write: bool) -> str:
    if not write:
        next(store.list(bucket), None)
        return f"{bucket} can be listed"
    key, content = f".onhand-doctor/{uuid4()}", b"onhand"
    store.put_bytes(bucket, key, content)
    try:
        if store.download(bucket, key) != content:
            raise _Wrong(f"{bucket} does not give back what was written to it")
    finally:
        store.delete_prefix(bucket, key)
    return f"{bucket} can be written, read and deleted from"
