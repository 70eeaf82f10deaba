"""The configuration in force: files of `deploy/config`, rendered for one stack, and its secrets.

Secrets are never in the files. These name environment variables (`YIZHAN_SECRET_...`); a stack
takes the values from its own environment and draws those that are missing, once per work folder.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from yizhan_local.errors import StackError
from yizhan_local.files import read_json, write_atomically

SECRET_NAME = re.compile(r"\bYIZHAN_SECRET_[A-Z0-9_]+\b")


@dataclass(frozen=True)
class Account:
    """The demo account's way in: `Authorization: Bearer <key>.<secret>`."""

    key: str
    secret: str

    def placeholders(self) -> dict[str, str]:
        """Return what a configuration file may write for it."""
        digest = hashlib.sha256(self.secret.encode()).hexdigest()
        return {"DEMO_KEY": self.key, "DEMO_SECRET_SHA256": digest}


def load_account(file: Path) -> Account:
    """Return the account of this work folder, drawn the first time."""
    kept = read_json(file)
    if "key" not in kept:
        kept = {**kept, "key": f"demo-{secrets.token_hex(6)}", "secret": secrets.token_urlsafe(24)}
        write_atomically(file, json.dumps(kept, indent=2))
    return Account(kept["key"], kept["secret"])


def load_secrets(file: Path, names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return a value for each name: that of the environment, else one drawn once and kept."""
    kept = read_json(file)
    drawn: dict[str, str] = kept.get("secrets", {})
    found = {name: environ.get(name) or drawn.get(name) or secrets.token_hex(16) for name in names}
    write_atomically(file, json.dumps({**kept, "secrets": {**drawn, **found}}, indent=2))
    return found


def render(source: Path, target: Path, placeholders: Mapping[str, str]) -> str:
    """Write every file of a folder with its placeholders filled; returns all the text."""
    files = sorted(source.glob("*.yaml"))
    if not files:
        raise StackError(f"no configuration: {source} holds no .yaml file")
    rendered = [Template(file.read_text()).safe_substitute(placeholders) for file in files]
    for file, text in zip(files, rendered, strict=True):
        write_atomically(target / file.name, text)
    _link_words(source, target)
    return "\n".join(rendered)


def _link_words(source: Path, target: Path) -> None:
    """Let ingest see the word lists where they are edited: it reads them again when they change."""
    words, link = (source / "words").absolute(), target / "words"
    if words.is_dir():
        link.unlink(missing_ok=True)
        link.symlink_to(words, target_is_directory=True)


def secret_names(text: str) -> list[str]:
    """Return the names of the secrets that a configuration refers to."""
    return sorted(set(SECRET_NAME.findall(text)))
