"""API keys: what one may do, and the one or two secrets that prove it."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ingest.catalogue import Scope

MAX_SECRETS = 2
"""The one in use and the one before it: clients change over while both are taken."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a key. Without ``clear`` (seeded by its hash) it is good as a bearer only."""

    secret_id: str
    sha256: str
    created_at: datetime
    clear: str = ""

    def is_told(self, told_sha256: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.sha256, told_sha256)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an account, as it is in force. Never changed in place."""

    key: str
    account_id: str
    name: str
    scopes: frozenset[Scope]
    test: bool
    secrets: tuple[Secret, ...]
    created_at: datetime
    revoked_at: datetime | None = None
    revision: int = 1
    changed_by: str = ""
    """Digest of the signed request that changed it last: a replay of it changes nothing more."""
    seed: str = ""
    """Digest of the entry in the accounts file that it comes from."""

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and bool(self.secrets)


def rotated(key: Key, fresh: Secret, changed_by: str) -> Key:
    """Give a key its next secret; of the old ones only the newest stays."""
    secrets = (fresh, *key.secrets)[:MAX_SECRETS]
    return replace(key, secrets=secrets, revision=key.revision + 1, changed_by=changed_by)


def without_secret(key: Key, secret_id: str) -> Key | None:
    """Take one secret away; None where it is the last or not there."""
    left = tuple(secret for secret in key.secrets if secret.secret_id != secret_id)
    if not left or len(left) == len(key.secrets):
        return None
    return replace(key, secrets=left, revision=key.revision + 1)


def revoked(key: Key, now: datetime) -> Key:
    """End a key for good. Its secrets are forgotten."""
    return replace(key, secrets=(), revoked_at=now, revision=key.revision + 1)


def sha256_of(secret: str) -> str:
    """Hash a secret as it is told; lone halves of characters included."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class KeyTable:
    """The keys in force, in memory: it is asked for every request."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = {key.key: key for key in keys}

    def find(self, key: str) -> Key | None:
        """Give a key that may be used."""
        found = self._keys.get(key)
        return found if found is not None and found.is_live else None

    def revision(self, key: str) -> int:
        """Give the revision that is known of a key, 0 for none."""
        found = self._keys.get(key)
        return found.revision if found else 0

    def put(self, key: Key) -> None:
        """Take a newer state of a key; an older one changes nothing."""
        if key.revision >= self.revision(key.key):
            self._keys[key.key] = key
