"""Makes the topics what `schemas.topics` says they are, and says where they are not."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError, KafkaTimeoutError

from consumers.settings import Settings
from pipeline.errors import TryLater
from schemas.topics import TOPICS, TopicSpec

_ALREADY_EXISTS: Final = 36
_USABLE_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.05
_DYNAMIC_TOPIC_CONFIG: Final = 1  # KIP-226: the source of a value that somebody set on the topic itself


class TopicsError(Exception):
    """The broker refuses what was asked. The message carries the broker's own reason."""


class Outcome(StrEnum):
    """What a topic was found to be, and what was done. Only DIFFERS and MISSING are left for a person to mend."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    CORRECTED = "corrected"
    DIFFERS = "differs"
    MISSING = "missing"


@dataclass(frozen=True)
class TopicReport:
    """One topic under its full name; `detail` lists what differs or was corrected, empty where nothing does."""

    name: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class _Found:
    """A topic as the broker has it. `overrides` are the values set on the topic, `values` all that apply to it."""

    partitions: int
    replication_factor: int
    values: Mapping[str, str]
    overrides: Mapping[str, str]


async def apply_topics(settings: Settings) -> list[TopicReport]:
    """Create the topics that are missing and correct the settings of the others, where the broker can.

    When it returns the topics can be used.

    Partitions are never added to a topic that exists: keys would move to other partitions and lose their order.
    Such a difference, and one in the replication factor, is reported as DIFFERS.

    Raises:
        TryLater: no broker answers.
        TopicsError: the broker refuses, for instance for want of brokers for the replication factor, or of rights.
    """
    async with _admin(settings) as admin:
        missing = [spec for spec, found in (await _compare(admin, settings)).items() if found is None]
        created = await _create(admin, settings, missing)
        reports = []
        for spec, found in (await _compare(admin, settings)).items():
            if spec in created:
                reports.append(TopicReport(_name(settings, spec), Outcome.CREATED))
            elif found is None:
                raise TopicsError(f"Topic {_name(settings, spec)} was deleted while it was looked at: try again.")
            else:
                reports.append(await _correct(admin, settings, spec, found))
        return reports


async def check_topics(settings: Settings) -> list[TopicReport]:
    """What `apply_topics` would find: each topic UNCHANGED, MISSING or DIFFERS. Changes nothing.

    Raises:
        TryLater, TopicsError: as `apply_topics` does.
    """
    async with _admin(settings) as admin:
        return [
            _report(settings, spec, _shape_differences(settings, spec, found) + _config_differences(spec, found))
            if found is not None
            else TopicReport(_name(settings, spec), Outcome.MISSING)
            for spec, found in (await _compare(admin, settings)).items()
        ]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=15_000)
    try:
        await admin.start()
        yield admin
    except (KafkaConnectionError, KafkaTimeoutError, TimeoutError) as error:
        raise TryLater(f"Kafka does not answer at {settings.kafka_bootstrap_servers}: {error}") from error
    except KafkaError as error:
        raise TopicsError(f"Kafka refuses: {error}") from error
    finally:
        await admin.close()


async def _compare(admin: AIOKafkaAdminClient, settings: Settings) -> dict[TopicSpec, _Found | None]:
    # All topics are asked for, because asking for one by name can create it where the broker does so by itself.
    described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    names = {spec: _name(settings, spec) for spec in TOPICS.values()}
    configs = await _configs(admin, [name for name in names.values() if name in described])
    return {
        spec: _found(described[name], configs.get(name, {})) if name in described else None
        for spec, name in names.items()
    }


def _found(partitions: list[dict[str, Any]], entries: dict[str, tuple[str, int]]) -> _Found:
    return _Found(
        partitions=len(partitions),
        replication_factor=min((len(partition["replicas"]) for partition in partitions), default=0),
        values={key: value for key, (value, _) in entries.items()},
        overrides={key: value for key, (value, source) in entries.items() if source == _DYNAMIC_TOPIC_CONFIG},
    )


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """By topic and key: the value and its source."""
    if not names:
        return {}
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    configs = {}
    for resource in (resource for response in responses for resource in response.resources):
        code, message, _, name, entries = resource
        _refuse(code, message, f"Kafka does not show the settings of topic {name}")
        configs[name] = {entry[0]: (entry[1], entry[3]) for entry in entries}
    return configs


async def _create(admin: AIOKafkaAdminClient, settings: Settings, specs: Iterable[TopicSpec]) -> set[TopicSpec]:
    wanted = {_name(settings, spec): spec for spec in specs}
    if not wanted:
        return set()
    response = await admin.create_topics(
        [
            NewTopic(name, spec.partitions, settings.kafka_replication_factor, topic_configs=spec.config())
            for name, spec in wanted.items()
        ]
    )
    created = set()
    for name, code, message in response.topic_errors:
        if code != _ALREADY_EXISTS:  # somebody else was faster, and what they made is compared like any other
            _refuse(code, message, f"Kafka does not create topic {name}")
            created.add(wanted[name])
    await _wait_until_usable(admin, wanted.keys())
    return created


async def _wait_until_usable(admin: AIOKafkaAdminClient, names: Set[str]) -> None:
    """A broker says that it has created a topic a moment before it shows the topic and its leaders to clients."""
    try:
        async with asyncio.timeout(_USABLE_SECONDS):
            while not names <= {topic["topic"] for topic in await admin.describe_topics() if _has_leaders(topic)}:
                await asyncio.sleep(_LOOK_SECONDS)  # there is nothing that would wake us
    except TimeoutError:
        raise TryLater(f"Kafka has no leaders for its new topics after {_USABLE_SECONDS:g} s.") from None


def _has_leaders(topic: dict[str, Any]) -> bool:
    return not topic["error_code"] and not any(partition["error_code"] for partition in topic["partitions"])


async def _correct(admin: AIOKafkaAdminClient, settings: Settings, spec: TopicSpec, found: _Found) -> TopicReport:
    shape, config = _shape_differences(settings, spec, found), _config_differences(spec, found)
    if not config:
        return _report(settings, spec, shape)
    # The request replaces every setting of the topic, so those that onhand says nothing about are sent along.
    values = dict(found.overrides) | spec.config()
    try:
        responses = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, _name(settings, spec), values)])
    except IncompatibleBrokerVersion:  # this broker cannot change a topic
        return _report(settings, spec, shape + config)
    for code, message, _, name in (resource for response in responses for resource in response.resources):
        _refuse(code, message, f"Kafka does not change the settings of topic {name}")
    return _report(settings, spec, shape) if shape else _report(settings, spec, config, Outcome.CORRECTED)


def _report(
    settings: Settings, spec: TopicSpec, differences: list[str], outcome: Outcome = Outcome.DIFFERS
) -> TopicReport:
    return TopicReport(_name(settings, spec), outcome if differences else Outcome.UNCHANGED, "; ".join(differences))


def _shape_differences(settings: Settings, spec: TopicSpec, found: _Found) -> list[str]:
    wanted = {"partitions": spec.partitions, "replication factor": settings.kafka_replication_factor}
    actual = {"partitions": found.partitions, "replication factor": found.replication_factor}
    return [f"{what} {actual[what]}, not {value}" for what, value in wanted.items() if actual[what] != value]


def _config_differences(spec: TopicSpec, found: _Found) -> list[str]:
    return [
        f"{key} {found.values.get(key)}, not {value}"
        for key, value in spec.config().items()
        if found.values.get(key) != value
    ]


def _refuse(code: int, message: str | None, what: str) -> None:
    if code:
        raise TopicsError(f"{what}: {message or f'error code {code}'}")


def _name(settings: Settings, spec: TopicSpec) -> str:
    return settings.kafka_topic_prefix + spec.name
