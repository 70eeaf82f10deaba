"""What the services really read is what the registry says that they read."""

from collections.abc import Set as AbstractSet
from pathlib import Path
from string import Template
from typing import Any

import pytest

from yizhan_contracts import topics
from yizhan_contracts.topics import Service
from yizhan_local.configuration import load_account, render, secret_names
from yizhan_local.services import INTERNAL_TOKEN, PROGRAMS

CONFIG = Path(__file__).parents[2] / "deploy" / "config"
CHANNEL = "apex-global"
MODULES = {service: service.replace("-", "_") for service in Service}

DECLARED = {topic.name: topic for topic in topics.all_topics([CHANNEL])}
# Declared, and not read yet: who begins to read one takes it out of here.
NOT_YET: dict[Service, AbstractSet[str]] = {
    Service.VOICE_FALLBACK: {"channel.configured.v1", "message.settled.v1"},
}


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the services the demo's configuration, as a stack does."""
    somewhere = "http://127.0.0.1:1"
    placeholders = load_account(tmp_path / "secrets.json").placeholders()
    placeholders |= {"SIMULATORS_URL": somewhere, "SIMULATORS_SMPP_URL": "smpp://127.0.0.1:2"}
    text = render(CONFIG, tmp_path, placeholders)
    values = {
        "config": str(tmp_path),
        "url": somewhere,
        "receipts_url": somewhere,
        "ingest_url": somewhere,
    }
    for service in PROGRAMS.services:
        for name, value in service.settings.items():
            monkeypatch.setenv(name, Template(value).safe_substitute(values))
    for name in (*secret_names(text), INTERNAL_TOKEN):
        monkeypatch.setenv(name, "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("YIZHAN_NAMESPACE", "")
    monkeypatch.setenv("YIZHAN_ADAPTER_CHANNELS", CHANNEL)


def subscribed(service: Any) -> set[str]:
    groups = {topic.name for one in service._broker.subscribers for topic in one.topics}
    tables = {reader._topic for reader in service._tables}
    return groups | tables


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("name", Service)
async def test_a_service_reads_what_the_registry_says(name: Service) -> None:
    service = pytest.importorskip(f"{MODULES[name]}.app").build()
    declared = {topic.name for topic in DECLARED.values() if name in topic.consumers}
    assert subscribed(service) == declared - NOT_YET.get(name, set())
    assert {topic.name: topic.partitions for topic in service._needs.values()}.items() <= {
        topic.name: topic.partitions for topic in DECLARED.values()
    }.items()
