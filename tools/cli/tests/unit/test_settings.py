"""Where the command finds Kafka."""

import json
from pathlib import Path

import pytest

from yizhan_cli.channels import channel_names
from yizhan_cli.errors import UsageError
from yizhan_cli.kafka import connection
from yizhan_cli.settings import DEFAULT_KAFKA_URL, KafkaSettings, kafka_settings


@pytest.fixture
def stack(tmp_path: Path) -> dict[str, str]:
    running = {"kafka_url": "127.0.0.1:1111", "namespace": "up."}
    (tmp_path / "stack.json").write_text(json.dumps(running))
    return {"YIZHAN_LOCAL_DIR": str(tmp_path)}


def test_an_option_comes_before_the_environment_before_the_stack(stack: dict[str, str]) -> None:
    environ = {**stack, "YIZHAN_KAFKA_URL": "k:1", "YIZHAN_NAMESPACE": "e."}
    assert kafka_settings("o:1", "o.", environ) == KafkaSettings("o:1", "o.")
    assert kafka_settings(None, None, environ) == KafkaSettings("k:1", "e.")
    assert kafka_settings(None, None, stack) == KafkaSettings("127.0.0.1:1111", "up.")


def test_the_namespace_of_the_stack_is_not_taken_to_another_kafka(stack: dict[str, str]) -> None:
    assert kafka_settings("o:1", None, stack).namespace == ""


def test_without_anything_it_is_the_local_default(tmp_path: Path) -> None:
    environ = {"YIZHAN_LOCAL_DIR": str(tmp_path)}
    assert kafka_settings(environ=environ) == KafkaSettings(DEFAULT_KAFKA_URL)
    (tmp_path / "stack.json").write_text("{half")
    assert kafka_settings(environ=environ) == KafkaSettings(DEFAULT_KAFKA_URL)


@pytest.mark.parametrize(
    "environ",
    [
        {"YIZHAN_NAMESPACE": "no-dot"},
        {"YIZHAN_NAMESPACE": "Upper."},
        {"YIZHAN_KAFKA_SECURITY": "TLS"},
        {"YIZHAN_KAFKA_SECURITY": "SASL_SSL", "YIZHAN_KAFKA_USERNAME": "u"},
    ],
)
def test_what_cannot_be_meant_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        kafka_settings("k:1", None, environ)


def test_sasl_and_tls_reach_the_client() -> None:
    arguments = connection(
        KafkaSettings("a:1, b:2,", security="SASL_SSL", username="u", password="p")
    )
    assert arguments["bootstrap_servers"] == ["a:1", "b:2"]
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_plain_username"] == "u"
    assert arguments["ssl_context"].check_hostname


def test_a_certificate_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match="CA_FILE"):
        connection(KafkaSettings("a:1", security="SSL", ca_file="/nowhere.pem"))


def test_channels_come_from_the_option_and_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YIZHAN_ROUTER_CHANNELS_FILE", raising=False)
    table = tmp_path / "channels.yaml"
    table.write_text("channels:\n  - channel: acme-eu\n    tps: 5\n  - name: dragon-cn\n")
    assert channel_names("x1, acme-eu", table) == ["acme-eu", "dragon-cn", "x1"]
    monkeypatch.setenv("YIZHAN_ROUTER_CHANNELS_FILE", str(table))
    assert channel_names("", None) == ["acme-eu", "dragon-cn"]


@pytest.mark.parametrize(
    "text", ["", "[]", "channels: 3", "channels: [x]", "channels: [{tps: 1}]", "a: ["]
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    table = tmp_path / "channels.yaml"
    table.write_text(text)
    with pytest.raises(UsageError):
        channel_names("", table)


@pytest.mark.parametrize("name", ["Acme", "a.b", "a_b", "-a", "a" * 42])
def test_a_name_that_no_topic_could_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        channel_names(name, None)
