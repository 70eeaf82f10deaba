"""The programs of the stack: what each is called, how it is started, what it is told.

Values may name `${config}` (the folder of the rendered configuration), `${work}` (the stack's own
folder), `${url}` (the instance's own address) and `${<service>_url}` (the first instance of another
service, hyphens as underscores).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Service:
    """One program of the stack: `python -m <module> <arguments>`."""

    name: str
    module: str
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    gets_secrets: bool = False
    """Whether it is handed the values behind the secret references of the configuration."""


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
        arguments=("--port", "${port}", "--record-dir", "${work}/records"),
        gets_secrets=True,
    ),
    services=(
        Service(
            "receipts",
            "receipts",
            {"YIZHAN_RECEIPTS_ENDPOINTS_FILE": "${config}/endpoints.yaml"},
            gets_secrets=True,
        ),
        Service("router", "router", {"YIZHAN_ROUTER_CHANNELS_FILE": "${config}/channels.yaml"}),
        Service(
            "carrier-adapter",
            "carrier_adapter",
            {"YIZHAN_ADAPTER_CALLBACK_URL": "${url}"},
            gets_secrets=True,
        ),
        Service(
            "voice-fallback",
            "voice_fallback",
            {
                "YIZHAN_VOICE_PROVIDERS_FILE": "${config}/voice.yaml",
                "YIZHAN_VOICE_RECEIPTS_URL": "${receipts_url}",
                "YIZHAN_VOICE_CALLBACK_URL": "${url}",
            },
            gets_secrets=True,
        ),
        Service("ingest", "ingest", {"YIZHAN_INGEST_ACCOUNTS_FILE": "${config}/accounts.yaml"}),
    ),
    provision=("yizhan_cli", "topics", "apply"),
    provision_settings={"YIZHAN_ROUTER_CHANNELS_FILE": "${config}/channels.yaml"},
)
