"""Connections to Kafka, and its errors in the operator's words."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError

from yizhan_cli.errors import Unavailable, UsageError
from yizhan_cli.settings import KafkaSettings

T = TypeVar("T")

_AWAY = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, TimeoutError, OSError)


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Give the keyword arguments that every aiokafka client takes. Raises UsageError."""
    if not settings.url:
        raise UsageError("the profile has no kafka_url: add it, or give --kafka-url")
    arguments: dict[str, Any] = {
        "bootstrap_servers": [host.strip() for host in settings.url.split(",") if host.strip()],
        "security_protocol": settings.security,
    }
    if settings.security.endswith("SSL"):
        arguments["ssl_context"] = _tls_context(settings)
    if settings.security.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password,
        }
    return arguments


def _tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"YIZHAN_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE cannot be used: {error}"
        ) from error
    return context


@asynccontextmanager
async def admin_client(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client, and close it."""
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def run(work: Coroutine[Any, Any, T], settings: KafkaSettings, timeout_s: float) -> T:
    """Run what needs Kafka, bounded. Raises Unavailable instead of the client's errors."""
    # The client logs each failed connection; the operator gets one sentence at the end.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(_bounded(work, timeout_s))
    except _AWAY as error:
        raise Unavailable(
            f"Kafka at {settings.url} does not answer ({type(error).__name__}). "
            "Is it up, and is YIZHAN_KAFKA_URL right?"
        ) from error
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {settings.url} refused: {type(error).__name__} {error}"
        ) from error


async def _bounded(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    async with asyncio.timeout(timeout_s):
        return await work
