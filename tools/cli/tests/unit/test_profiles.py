"""Which deployment is meant, and that its secrets are only referred to."""

from pathlib import Path

import pytest

from yizhan_cli import profiles
from yizhan_cli.client import Edge, ingest_edge
from yizhan_cli.errors import NotFound, UsageError
from yizhan_cli.kafka import connection
from yizhan_cli.settings import KafkaSettings, kafka_settings

CONFIG = """
default = "staging"

[profiles.staging]
ingest_url = "https://ingest.staging.example/"
kafka_url = "k.staging:9093"
kafka_security = "SASL_SSL"
kafka_username = "operator"
kafka_password = "env:STAGING_KAFKA"
namespace = "staging."
key = "k-1"
secret = "file:{secret}"

[profiles.live]
ingest_url = "https://ingest.example"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("s-1\n")
    file = tmp_path / "config.toml"
    file.write_text(CONFIG.format(secret=secret))
    for name in ("YIZHAN_PROFILE", "YIZHAN_KAFKA_URL", "YIZHAN_NAMESPACE", "YIZHAN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("YIZHAN_CONFIG", str(file))
    monkeypatch.setenv("STAGING_KAFKA", "p-1")
    return file


def test_the_default_profile_is_used_with_its_secret_from_a_file(config: Path) -> None:
    assert ingest_edge(None) == Edge("https://ingest.staging.example", "Bearer k-1.s-1")
    assert "s-1" not in repr(ingest_edge(None))


def test_kafka_comes_from_the_profile_unless_an_option_names_another(config: Path) -> None:
    assert kafka_settings() == KafkaSettings(
        "k.staging:9093", "staging.", "SASL_SSL", username="operator", password="p-1"
    )
    assert kafka_settings("o:1") == KafkaSettings("o:1")


def test_the_environment_names_another_profile(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_PROFILE", "live")
    with pytest.raises(UsageError, match="YIZHAN_KEY"):
        ingest_edge(None)
    with pytest.raises(UsageError, match="kafka_url"):
        connection(kafka_settings())
    monkeypatch.setenv("YIZHAN_KEY", "k-2")
    monkeypatch.setenv("YIZHAN_SECRET", "s-2")
    assert ingest_edge(None) == Edge("https://ingest.example", "Bearer k-2.s-2")


def test_an_unknown_profile_names_those_there_are(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_PROFILE", "prod")
    with pytest.raises(NotFound, match="staging"):
        profiles.current()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.a]\nsecret = 'abc'", "written out"),
        ("[profiles.a]\ningest = 'x'", "may not hold ingest"),
        ("[profiles.a]\nkey = 3", "texts only"),
        ("profiles = 3", r"\[profiles"),
        ("[", "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(UsageError, match=said) as refused:
        profiles.everything()
    assert "abc" not in str(refused.value)


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/nowhere/secret"])
def test_a_reference_to_nothing_is_told(config: Path, reference: str) -> None:
    config.write_text(f"default = 'a'\n[profiles.a]\nkey = 'k'\nsecret = '{reference}'")
    with pytest.raises(UsageError, match=r"a\.secret"):
        ingest_edge("http://127.0.0.1:1")


def test_without_a_file_there_is_no_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.delenv("YIZHAN_PROFILE", raising=False)
    assert profiles.current() is None
    assert profiles.everything() == ("", {})
