"""The keys that accounts begin with, from the accounts file."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from ingest.catalogue import Account, ApiKey
from ingest.keys.domain import Key, Secret, sha256_of


def seeded(accounts: Iterable[Account], now: datetime) -> list[Key]:
    """Give the keys of the file."""
    return [_key(account, entry, now) for account in accounts for entry in account.keys]


def _key(account: Account, entry: ApiKey, now: datetime) -> Key:
    clear = entry.secret.get_secret_value()
    sha256 = sha256_of(clear) if clear else entry.secret_sha256
    return Key(
        key=entry.key,
        account_id=account.id,
        name="from the accounts file",
        scopes=entry.scopes,
        test=entry.test,
        secrets=(Secret(sha256[:8], sha256, now, clear),),
        created_at=now,
        seed=_digest(account.id, entry, sha256),
    )


def _digest(account_id: str, entry: ApiKey, sha256: str) -> str:
    """Name the entry: it is applied once, and again when the file says something else."""
    said = [account_id, entry.key, sha256, sorted(entry.scopes), entry.test]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
