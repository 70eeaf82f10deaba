"""Where the servers are: options, the services' environment, the profile, the running stack.

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

from yizhan_cli import profiles
from yizhan_cli.errors import UsageError

DEFAULT_KAFKA_URL = "127.0.0.1:9092"
SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_CLIENT = {
    "security": "YIZHAN_KAFKA_SECURITY",
    "ca_file": "YIZHAN_KAFKA_CA_FILE",
    "cert_file": "YIZHAN_KAFKA_CERT_FILE",
    "key_file": "YIZHAN_KAFKA_KEY_FILE",
    "sasl_mechanism": "YIZHAN_KAFKA_SASL_MECHANISM",
    "username": "YIZHAN_KAFKA_USERNAME",
    "password": "YIZHAN_KAFKA_PASSWORD",
}
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
    known = {} if named else _known(given)
    if namespace is None:
        namespace = given.get("YIZHAN_NAMESPACE", known.get("namespace", ""))
    client: dict[str, str] = {
        name: value
        for name, variable in _CLIENT.items()
        if (value := given.get(variable) or known.get(f"kafka_{name}"))
    }
    url = named or known.get("kafka_url", DEFAULT_KAFKA_URL)
    settings = KafkaSettings(url, namespace, **client)
    _check(settings)
    return settings


def _known(environ: Mapping[str, str]) -> dict[str, Any]:
    """Give what the profile says or, without one, the running stack."""
    profile = profiles.current(environ)
    if profile is None:
        return running_stack(environ)
    names = (*profiles.KAFKA, "kafka_password")
    return {"kafka_url": ""} | {name: profile.get(name) for name in names if name in profile.values}


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
