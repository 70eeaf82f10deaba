"""Settings."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from yizhan_runtime import RuntimeSettings
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.kafka import connection
from yizhan_runtime.subscription import make_broker


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_URL", "MONGO_URL", "NAMESPACE"):
        monkeypatch.delenv(f"YIZHAN_{name}", raising=False)


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIZHAN_KAFKA_URL", "one:1, two:2 ,")
    monkeypatch.setenv("YIZHAN_NAMESPACE", "staging.")
    settings = RuntimeSettings()
    assert settings.kafka_hosts == ["one:1", "two:2"]
    assert connection(settings)["bootstrap_servers"] == ["one:1", "two:2"]
    assert settings.database("carrier-adapter") == "staging_carrier_adapter"


@pytest.mark.parametrize("namespace", ["staging", "Staging.", "a.b.", "a_b."])
def test_a_namespace_that_topics_or_databases_cannot_have_is_refused(namespace: str) -> None:
    with pytest.raises(ValidationError):
        RuntimeSettings(namespace=namespace)


def test_secrets_are_not_shown() -> None:
    settings = RuntimeSettings(
        kafka_security="SASL_SSL",
        kafka_username="u",
        kafka_password=SecretStr("hidden"),
        mongo_url=SecretStr("mongodb://u:hidden@h"),
    )
    assert "hidden" not in repr(settings)


def test_sasl_needs_a_user() -> None:
    with pytest.raises(ValidationError, match="YIZHAN_KAFKA_USERNAME"):
        RuntimeSettings(kafka_security="SASL_PLAINTEXT")


def test_a_key_needs_its_certificate() -> None:
    with pytest.raises(ValidationError, match="YIZHAN_KAFKA_CERT_FILE"):
        RuntimeSettings(kafka_security="SSL", kafka_key_file=Path("k.pem"))


def test_files_that_cannot_be_read_say_which_setting(tmp_path: Path) -> None:
    settings = RuntimeSettings(kafka_security="SSL", kafka_ca_file=tmp_path / "none.pem")
    with pytest.raises(Misconfigured, match="YIZHAN_KAFKA_CA_FILE"):
        connection(settings)


def test_sasl_and_tls_reach_aiokafka_and_faststream() -> None:
    settings = RuntimeSettings(
        kafka_security="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-256",
        kafka_username="u",
        kafka_password=SecretStr("p"),
    )
    ours = connection(settings)
    theirs = make_broker(settings, lambda _error: None)._connection_kwargs
    for name in (
        "security_protocol",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
    ):
        assert theirs[name] == ours[name]
    assert theirs["ssl_context"] is not None
