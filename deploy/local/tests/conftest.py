from pathlib import Path

import pytest

STUBS = Path(__file__).parent / "stub"

CHANNELS = """\
channels:
  - id: one
    base_url: ${SIMULATORS_URL}/one
    secret_ref: YIZHAN_SECRET_ONE
"""
ACCOUNTS = """\
accounts:
  - key: ${DEMO_KEY}
    secret_sha256: ${DEMO_SECRET_SHA256}
    text: Hello ${name}
"""


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "channels.yaml").write_text(CHANNELS)
    (folder / "accounts.yaml").write_text(ACCOUNTS)
    return folder


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small programs be found, and give addresses that nobody has to listen on."""
    monkeypatch.setenv("PYTHONPATH", str(STUBS))
    monkeypatch.setenv("YIZHAN_SERVERS", "url")
    monkeypatch.setenv("YIZHAN_KAFKA_URL", "127.0.0.1:1")
    monkeypatch.setenv("YIZHAN_MONGO_URL", "mongodb://127.0.0.1:1")
