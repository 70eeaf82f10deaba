"""Connections to Kafka, with the security of the settings, and the check of the topics."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from yizhan_contracts.topics import Topic
from yizhan_runtime.errors import Misconfigured, Retryable
from yizhan_runtime.settings import RuntimeSettings

_ADMIN_TIMEOUT_S = 15.0
_NOT_AUTHORIZED = 29


def connection(settings: RuntimeSettings) -> dict[str, Any]:
    """Give the keyword arguments that every aiokafka client takes for its connection."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_hosts,
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_security.endswith("SSL"):
        arguments["ssl_context"] = tls_context(settings)
    if settings.kafka_security.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return arguments


def tls_context(settings: RuntimeSettings) -> ssl.SSLContext:
    """Trust the given CA, or the system's; show our certificate where one is given."""
    try:
        context = ssl.create_default_context(cafile=_path(settings.kafka_ca_file))
        if settings.kafka_cert_file is not None:
            context.load_cert_chain(settings.kafka_cert_file, _path(settings.kafka_key_file))
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"YIZHAN_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE cannot be used: {error}"
        ) from error
    return context


def _path(path: object) -> str | None:
    return None if path is None else str(path)


async def check_topics(settings: RuntimeSettings, topics: Iterable[Topic]) -> None:
    """Compare the topics with the registry. Raises Misconfigured, naming all that is wrong.

    Without this a consumer's start blocks for 40 s on each unknown topic, and a wrong partition
    count would put one key in two places.
    """
    wanted = {settings.namespace + topic.name: topic.partitions for topic in topics}
    problems = [
        _problem(name, wanted[name], found)
        for name, found in (await describe_topics(settings, wanted)).items()
        if found != wanted[name]
    ]
    if problems:
        raise Misconfigured(
            f"{'; '.join(sorted(problems))}. Run `yizhan topics apply` with the same "
            "YIZHAN_KAFKA_URL and YIZHAN_NAMESPACE. A partition count is never changed in place "
            "(a key has one partition): drain the topic, delete it, and apply"
        )


def _problem(name: str, wanted: int, found: int) -> str:
    return (
        f"topic {name} is missing"
        if found == 0
        else f"topic {name} has {found} partitions, not {wanted}"
    )


async def describe_topics(settings: RuntimeSettings, names: Iterable[str]) -> dict[str, int]:
    """Give the partition count of each topic, 0 for one that is not there.

    Raises Retryable, or Misconfigured where we may not even look.
    """
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(_ADMIN_TIMEOUT_S):
            await admin.start()
            described = await admin.describe_topics(sorted(names))
    except (KafkaError, TimeoutError, OSError) as error:
        raise Retryable(
            f"Kafka at {settings.kafka_url} does not answer, or not to us: {type(error).__name__}"
        ) from error
    finally:
        await admin.close()
    hidden = [one["topic"] for one in described if one["error_code"] == _NOT_AUTHORIZED]
    if hidden:
        raise Misconfigured(f"Kafka does not let us see the topics {', '.join(sorted(hidden))}")
    return {one["topic"]: len(one["partitions"]) for one in described}
