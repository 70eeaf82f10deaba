"""Where the servers are: options, then the environment of the services, then the running stack.

The variables are those of the services (``YIZHAN_KAFKA_URL`` and so on), read here by hand: the
runtime library takes most of a second to import.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yizhan_cli.errors import UsageError

DEFAULT_KAFKA_URL = "127.0.0.1:9092"
SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_NAMESPACE = re.compile(r"([a-z0-9-]+\.)?")


@dataclass(frozen=True)
class KafkaSettings:
    """How Kafka is reached, and the prefix of the deployment's topics and groups."""

    url: str
    namespace: str = ""
    security: str = "PLAINTEXT"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""


def kafka_settings(
    url: str | None = None,
    namespace: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> KafkaSettings:
    """Put the settings together. Raises UsageError for what cannot be meant."""
    given = os.environ if environ is None else environ
    named = url or given.get("YIZHAN_KAFKA_URL")
    stack = {} if named else running_stack(given)
    if namespace is None:
        namespace = given.get("YIZHAN_NAMESPACE", stack.get("namespace", ""))
    settings = KafkaSettings(
        url=named or stack.get("kafka_url", DEFAULT_KAFKA_URL),
        namespace=namespace,
        security=given.get("YIZHAN_KAFKA_SECURITY", "PLAINTEXT"),
        ca_file=given.get("YIZHAN_KAFKA_CA_FILE"),
        cert_file=given.get("YIZHAN_KAFKA_CERT_FILE"),
        key_file=given.get("YIZHAN_KAFKA_KEY_FILE"),
        sasl_mechanism=given.get("YIZHAN_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
        username=given.get("YIZHAN_KAFKA_USERNAME", ""),
        password=given.get("YIZHAN_KAFKA_PASSWORD", ""),
    )
    _check(settings)
    return settings


def running_stack(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read what ``make up`` wrote about the stack that runs here; empty when none does."""
    given = os.environ if environ is None else environ
    file = Path(given.get("YIZHAN_LOCAL_DIR") or ".local") / "stack.json"
    try:
        stack = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return stack if isinstance(stack, dict) else {}


def _check(settings: KafkaSettings) -> None:
    if settings.security not in SECURITY:
        raise UsageError(f"YIZHAN_KAFKA_SECURITY must be one of {', '.join(SECURITY)}")
    if settings.security.startswith("SASL") and not (settings.username and settings.password):
        raise UsageError("SASL needs YIZHAN_KAFKA_USERNAME and YIZHAN_KAFKA_PASSWORD")
    if not _NAMESPACE.fullmatch(settings.namespace):
        raise UsageError(
            f"the namespace {settings.namespace!r} must be lower-case letters, digits and hyphens "
            "with a dot at its end, such as staging."
        )
