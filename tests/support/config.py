"""The configuration of the tests: that of deploy/config, with little of it changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).resolve().parents[2] / "deploy" / "config"

Files = dict[str, Any]
"""What the files hold, by name without .yaml; placeholders in ${ } are filled by the stack."""


def write_config(folder: Path, change: Callable[[Files], None] = lambda _: None) -> Path:
    """Write the demo's configuration with a change to a folder, and give the folder."""
    files: Files = {file.stem: yaml.safe_load(file.read_text()) for file in SOURCE.glob("*.yaml")}
    change(files)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text)
    return folder


def account(files: Files, name: str) -> dict[str, Any]:
    """Give one account of the file."""
    found: dict[str, Any] = next(one for one in files["accounts"]["accounts"] if one["id"] == name)
    return found


def channel(files: Files, name: str) -> dict[str, Any]:
    """Give one channel of the table."""
    found: dict[str, Any] = next(
        one for one in files["channels"]["channels"] if one["channel"] == name
    )
    return found


def add_account(
    files: Files, name: str, like: str, suffix: str, *, test: bool = False, **changes: Any
) -> None:
    """Add an account like another, with a key and a receipt endpoint of its own."""
    key = {"key": "${DEMO_KEY}" + suffix, "secret_sha256": "${DEMO_SECRET_SHA256}", "test": test}
    new = {**account(files, like), "id": name, "name": name, "keys": [key], **changes}
    files["accounts"]["accounts"].append(new)
    url = "${SIMULATORS_URL}/customers/" + name + "/receipts"
    files["endpoints"]["endpoints"][name] = {"url": url, "concurrency": 4, "timeout_s": 3}
