"""Topics are made what the contracts say, as often as one likes, and differences are told."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumers.settings import Settings
from consumers.topics import Outcome, TopicReport, apply_topics, check_topics
from pipeline.errors import TryLater
from schemas.topics import TOPICS, Topic
from tests.support.polling import eventually


def apply(settings: Settings) -> dict[str, TopicReport]:
    return {report.name: report for report in asyncio.run(apply_topics(settings))}


def check(settings: Settings) -> dict[str, TopicReport]:
    return {report.name: report for report in asyncio.run(check_topics(settings))}


def make(settings: Settings, topic: Topic, partitions: int, config: dict[str, str]) -> str:
    """A topic that somebody else has made; its name."""
    name = f"{settings.kafka_topic_prefix}{topic}"

    async def create() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        finally:
            await admin.close()

    asyncio.run(create())
    return name


def test_topics_are_created_once_and_a_second_time_changes_nothing(settings: Settings) -> None:
    names = {f"{settings.kafka_topic_prefix}{topic}" for topic in TOPICS}
    assert {name: r.outcome for name, r in check(settings).items()} == dict.fromkeys(names, Outcome.MISSING)
    assert {name: r.outcome for name, r in apply(settings).items()} == dict.fromkeys(names, Outcome.CREATED)
    assert {name: r.outcome for name, r in apply(settings).items()} == dict.fromkeys(names, Outcome.UNCHANGED)
    assert {name: r.outcome for name, r in check(settings).items()} == dict.fromkeys(names, Outcome.UNCHANGED)


def test_another_number_of_partitions_is_told_and_left_alone(settings: Settings) -> None:
    name = make(settings, Topic.CHANGES, 2, TOPICS[Topic.CHANGES].config())
    for report in (apply(settings)[name], apply(settings)[name], check(settings)[name]):
        assert (report.outcome, report.detail) == (Outcome.DIFFERS, "partitions 2, not 12")


def test_another_setting_is_told_and_corrected_where_the_broker_can(settings: Settings) -> None:
    spec = TOPICS[Topic.SYNC_STATUS]
    name = make(settings, Topic.SYNC_STATUS, spec.partitions, {**spec.config(), "retention.ms": "1000"})
    report = eventually(lambda: (r := check(settings)[name]).detail and r, "the topic")
    assert (report.outcome, report.detail) == (Outcome.DIFFERS, "retention.ms 1000, not 604800000")
    applied = apply(settings)[name]
    assert applied.detail == report.detail
    if applied.outcome is Outcome.DIFFERS:
        pytest.skip("this broker cannot change the settings of a topic")
    assert applied.outcome is Outcome.CORRECTED
    eventually(lambda: check(settings)[name].outcome is Outcome.UNCHANGED, "the corrected setting")


def test_a_replication_factor_that_differs_is_told(settings: Settings) -> None:
    apply(settings)
    wanting = settings.model_copy(update={"kafka_replication_factor": 3})
    details = {report.detail for report in check(wanting).values()}
    assert details == {"replication factor 1, not 3"}


def test_a_broker_that_is_away_is_a_matter_of_trying_later(settings: Settings) -> None:
    with pytest.raises(TryLater, match=r"127\.0\.0\.1:1"):
        apply(settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"}))
