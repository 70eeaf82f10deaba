"""The programs of the stack: what each is called, how it is started, what it is told.

Values may name `${config}` (the folder of the rendered configuration), `${work}` (the stack's own
folder), `${url}` (the instance's own address), `${smpp_port}` (where the simulators take binds) and
`${<service>_url}` (the first instance of another service, hyphens as underscores).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

REFERENCES = "YIZHAN_SECRET_"
"""What the configuration refers to: carriers', providers' and customers' secrets."""

INTERNAL_TOKEN = "YIZHAN_INTERNAL_TOKEN"  # noqa: S105 - only its name
"""What services show each other, and operators show ingest."""

VAULT_KEYS = "YIZHAN_INGEST_VAULT_KEYS"
"""What seals the secrets of API keys."""

ERASURE_KEY = "YIZHAN_RECEIPTS_ERASURE_KEY"
"""What names numbers that were erased."""

PUSH_VAULT_KEYS = "YIZHAN_RECEIPTS_VAULT_KEYS"
"""What seals the secrets that pushes are signed with."""

DRAWN = (INTERNAL_TOKEN, VAULT_KEYS, PUSH_VAULT_KEYS, ERASURE_KEY)
"""Secrets that no file refers to."""


@dataclass(frozen=True)
class Service:
    """One program of the stack: `python -m <module> <arguments>`."""

    name: str
    module: str
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    after: str = ""
    """The service that must be ready before this one starts."""
    secrets: tuple[str, ...] = ()
    """Beginnings of the names of the secrets that it is handed."""


@dataclass(frozen=True)
class Programs:
    """All that a stack consists of; tests have small programs in their place."""

    simulators: Service
    services: tuple[Service, ...]
    provision: tuple[str, ...]
    """Module and arguments of the command that creates the topics, before anything else runs."""
    provision_settings: Mapping[str, str]


PROGRAMS = Programs(
    simulators=Service(
        "simulators",
        "yizhan_simulators",
        arguments=(
            *("--port", "${port}", "--smpp-port", "${smpp_port}"),
            *("--record-dir", "${work}/records"),
        ),
        secrets=(REFERENCES,),
    ),
    services=(
        Service(
            "receipts",
            "receipts",
            {
                "YIZHAN_RECEIPTS_ENDPOINTS_FILE": "${config}/endpoints.yaml",
                "YIZHAN_RECEIPTS_WAITING_FILE": "${config}/waiting.yaml",
                "YIZHAN_TOKENS_URL": "${ingest_url}",
            },
            secrets=(REFERENCES, INTERNAL_TOKEN, PUSH_VAULT_KEYS, ERASURE_KEY),
        ),
        Service(
            "router",
            "router",
            {
                "YIZHAN_ROUTER_CHANNELS_FILE": "${config}/channels.yaml",
                "YIZHAN_TOKENS_URL": "${ingest_url}",
            },
            secrets=(INTERNAL_TOKEN,),
        ),
        Service(
            "carrier-adapter",
            "carrier_adapter",
            {"YIZHAN_ADAPTER_CALLBACK_URL": "${url}"},
            # It subscribes to the channels of the table, and the router publishes the table.
            after="router",
            secrets=(REFERENCES,),
        ),
        Service(
            "voice-fallback",
            "voice_fallback",
            {
                "YIZHAN_VOICE_PROVIDERS_FILE": "${config}/voice.yaml",
                "YIZHAN_VOICE_RECEIPTS_URL": "${receipts_url}",
                "YIZHAN_VOICE_CALLBACK_URL": "${url}",
            },
            secrets=(REFERENCES, INTERNAL_TOKEN),
        ),
        Service(
            "ingest",
            "ingest",
            {"YIZHAN_INGEST_ACCOUNTS_FILE": "${config}/accounts.yaml"},
            secrets=(INTERNAL_TOKEN, VAULT_KEYS),
        ),
    ),
    provision=("yizhan_cli", "topics", "apply"),
    provision_settings={"YIZHAN_ROUTER_CHANNELS_FILE": "${config}/channels.yaml"},
)
