"""Compares the topics of a broker with the registry, and creates those that are missing."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from yizhan_cli.errors import Unavailable
from yizhan_cli.kafka import admin_client
from yizhan_cli.settings import KafkaSettings
from yizhan_contracts.topics import Topic

MAX_REPLICAS = 3
_ALREADY_EXISTS = 36
_POLL_S = 0.05
_LIMIT = "max.message.bytes"


class State(StrEnum):
    """What was found of a topic."""

    CREATED = "created"
    PRESENT = "present"
    MISSING = "missing"
    WRONG_PARTITIONS = "wrong-partitions"
    TOO_SMALL = "too-small"
    """Takes smaller records than declared: one that the broker refuses poisons its producer."""


@dataclass(frozen=True)
class Finding:
    """One topic of the registry, and how the broker has it."""

    topic: Topic
    name: str
    state: State
    partitions: int = 0
    differs: tuple[str, ...] = ()
    """Settings that an operator has changed; they are left as they are."""

    @property
    def is_wrong(self) -> bool:
        """Tell whether the services would refuse to start, or fail, on it."""
        return self.state in (State.WRONG_PARTITIONS, State.TOO_SMALL)


async def check(settings: KafkaSettings, topics: Sequence[Topic]) -> list[Finding]:
    """Compare, and change nothing."""
    async with admin_client(settings) as admin:
        return await _compare(admin, _named(settings, topics))


async def apply(
    settings: KafkaSettings, topics: Sequence[Topic], replicas: int | None
) -> list[Finding]:
    """Create what is missing, all in one request, and wait until it has leaders.

    Idempotent. Never changes a topic that is there: with another partition count, keys would move.
    """
    wanted = _named(settings, topics)
    async with admin_client(settings) as admin:
        found = await _compare(admin, wanted)
        missing = [finding for finding in found if finding.state is State.MISSING]
        if not missing:
            return found
        created = await _create(admin, missing, replicas or await _default_replicas(admin))
        await _until_led(admin, [finding.name for finding in missing])
        if len(created) < len(missing):
            # Somebody else was quicker, and may have made it otherwise.
            found = await _compare(admin, wanted)
        return [_created(finding) if finding.name in created else finding for finding in found]


def _named(settings: KafkaSettings, topics: Iterable[Topic]) -> dict[str, Topic]:
    return {f"{settings.namespace}{topic.name}": topic for topic in topics}


async def _compare(admin: AIOKafkaAdminClient, wanted: Mapping[str, Topic]) -> list[Finding]:
    # All topics, not those by name: a broker that auto-creates would do so on being asked.
    described = await admin.describe_topics()
    counts = {one["topic"]: len(one["partitions"]) for one in described}
    configs = await _configs(admin, [name for name in wanted if name in counts], wanted)
    return [
        _judged(topic, name, counts.get(name), configs.get(name, {}))
        for name, topic in wanted.items()
    ]


async def _default_replicas(admin: AIOKafkaAdminClient) -> int:
    cluster = await admin.describe_cluster()
    return min(MAX_REPLICAS, len(cluster["brokers"]))


def _judged(topic: Topic, name: str, count: int | None, config: Mapping[str, str]) -> Finding:
    if count is None:
        return Finding(topic, name, State.MISSING)
    differs = tuple(
        f"{key} is {config[key]}, declared {value}"
        for key, value in topic.config().items()
        if key in config and _parts(config[key]) != _parts(value)
    )
    state = State.PRESENT
    if count != topic.partitions:
        state = State.WRONG_PARTITIONS
    elif int(config.get(_LIMIT, topic.max_message_bytes)) < topic.max_message_bytes:
        state = State.TOO_SMALL
    return Finding(topic, name, state, count, differs)


def _parts(value: str) -> set[str]:
    # Kafka may give `compact,delete` back as `delete,compact`.
    return set(value.split(","))


async def _configs(
    admin: AIOKafkaAdminClient, names: Sequence[str], wanted: Mapping[str, Topic]
) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(wanted[name].config(), ""))
        for name in names
    ]
    answers = await admin.describe_configs(resources)
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


async def _create(
    admin: AIOKafkaAdminClient, missing: Sequence[Finding], replicas: int
) -> set[str]:
    asked = [
        NewTopic(one.name, one.topic.partitions, replicas, topic_configs=one.topic.config())
        for one in missing
    ]
    answer = await admin.create_topics(asked)
    for name, code, why in answer.topic_errors:
        if code not in (0, _ALREADY_EXISTS):
            raise Unavailable(f"Kafka does not create {name}: {why or for_code(code).__name__}")
    return {name for name, code, _ in answer.topic_errors if code == 0}


async def _until_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    # Kafka tells nobody when it is done.
    while not all(map(_is_led, await admin.describe_topics(names))):  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)


def _is_led(described: dict[str, Any]) -> bool:
    return bool(described["partitions"]) and all(
        partition["leader"] >= 0 for partition in described["partitions"]
    )


def _created(finding: Finding) -> Finding:
    return replace(finding, state=State.CREATED, partitions=finding.topic.partitions)
