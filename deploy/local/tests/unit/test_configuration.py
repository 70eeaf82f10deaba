import hashlib
import stat
from pathlib import Path

import pytest

from yizhan_local.configuration import load_account, load_secrets, render, secret_names
from yizhan_local.errors import StackError


def test_placeholders_are_filled_and_those_of_texts_are_left(
    config_dir: Path, tmp_path: Path
) -> None:
    account = load_account(tmp_path / "secrets.json")
    placeholders = {"SIMULATORS_URL": "http://127.0.0.1:1", **account.placeholders()}
    text = render(config_dir, tmp_path / "rendered", placeholders)
    assert "base_url: http://127.0.0.1:1/one" in text
    assert hashlib.sha256(account.secret.encode()).hexdigest() in text
    assert "Hello ${name}" in (tmp_path / "rendered" / "accounts.yaml").read_text()
    assert account.secret not in text


def test_account_and_secrets_are_drawn_once_and_readable_by_their_owner_only(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secrets.json"
    account = load_account(file)
    drawn = load_secrets(file, ["YIZHAN_SECRET_ONE"], {})
    assert load_account(file) == account
    assert load_secrets(file, ["YIZHAN_SECRET_ONE"], {}) == drawn
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secret_of_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    assert load_secrets(file, ["YIZHAN_SECRET_ONE"], {"YIZHAN_SECRET_ONE": "mine"}) == {
        "YIZHAN_SECRET_ONE": "mine"
    }


def test_secret_names_are_found_once_each() -> None:
    text = "secret_ref: YIZHAN_SECRET_B\nsecret_ref: YIZHAN_SECRET_A\nsecret_ref: YIZHAN_SECRET_B"
    assert secret_names(text) == ["YIZHAN_SECRET_A", "YIZHAN_SECRET_B"]


def test_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no configuration"):
        render(tmp_path, tmp_path / "rendered", {})
