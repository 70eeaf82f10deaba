"""Profiles: which deployment is meant, and with which key. Secrets only by reference.

A profile is whole: beside it, the stack that runs here is not looked at. Options and the services'
environment variables come before it.
"""

import os
import tomllib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from yizhan_cli.errors import NotFound, UsageError

PROFILE = "YIZHAN_PROFILE"
CONFIG = "YIZHAN_CONFIG"
ADDRESSES = ("ingest_url", "receipts_url", "router_url", "adapter_url", "voice_url")
KAFKA = (
    "kafka_url",
    "namespace",
    "kafka_security",
    "kafka_ca_file",
    "kafka_cert_file",
    "kafka_key_file",
    "kafka_sasl_mechanism",
    "kafka_username",
)
SECRETS = ("secret", "token", "kafka_password")
NAMES = frozenset({*ADDRESSES, *KAFKA, *SECRETS, "key", "ca_file"})

chosen: ContextVar[str | None] = ContextVar("chosen", default=None)
"""What ``--profile`` says; None: not given."""


@dataclass(frozen=True)
class Profile:
    """One deployment, by the names of NAMES."""

    name: str
    values: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """Give a value, empty if it has none; what is a secret, from where it is referred to."""
        value = self.values.get(name, "")
        return _resolved(value, f"{self.name}.{name}") if value and name in SECRETS else value


def current(environ: Mapping[str, str] | None = None) -> Profile | None:
    """Give the profile that is meant, if any. Raises NotFound, UsageError."""
    given = os.environ if environ is None else environ
    file = config_file(given)
    name = chosen.get() or given.get(PROFILE) or ""
    if not name and not file.exists():
        return None
    content = _read(file)
    name = name or content.default
    if not name:
        return None
    if name not in content.profiles:
        raise NotFound(f"{file} has no profile {name!r}: one of {sorted(content.profiles)}")
    return content.profiles[name]


def everything(environ: Mapping[str, str] | None = None) -> tuple[str, dict[str, Profile]]:
    """Give the default's name and all profiles. Raises UsageError."""
    file = config_file(os.environ if environ is None else environ)
    if not file.exists():
        return "", {}
    content = _read(file)
    return content.default, content.profiles


def config_file(environ: Mapping[str, str]) -> Path:
    """Say where the profiles are."""
    if named := environ.get(CONFIG):
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~") / ".config")
    return Path(home).expanduser() / "yizhan" / "config.toml"


@dataclass(frozen=True)
class _Content:
    default: str
    profiles: dict[str, Profile]


def _read(file: Path) -> _Content:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {file}: write the profile there") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    profiles, default = content.get("profiles", {}), content.get("default", "")
    if not isinstance(profiles, dict) or not isinstance(default, str):
        raise UsageError(f'{file}: write default = "name" and [profiles.name]')
    return _Content(default, {name: _profile(name, one, file) for name, one in profiles.items()})


def _profile(name: str, values: object, file: Path) -> Profile:
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise UsageError(f"{file}: [profiles.{name}] holds texts only")
    if strange := sorted(values.keys() - NAMES):
        raise UsageError(f"{file}: [profiles.{name}] may not hold {', '.join(strange)}")
    for secret in SECRETS:
        if (reference := values.get(secret)) and not reference.startswith(("env:", "file:")):
            raise UsageError(
                f"{file}: profiles.{name}.{secret} is written out: refer to it instead, "
                "as env:NAME or file:/path"
            )
    return Profile(name, values)


def _resolved(reference: str, place: str) -> str:
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = os.environ.get(name, "")
    else:
        try:
            found = Path(name).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{place}: {name} cannot be read: {error}") from error
    if not found:
        raise UsageError(f"{place}: {reference} is empty: set it")
    return found
