"""Make, list, rotate and revoke an account's keys."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Caller
from ingest.keys.domain import (
    Key,
    KeyTable,
    Secret,
    revoked,
    rotated,
    sha256_of,
    without_secret,
)
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

MAX_KEYS = 50
_SECRET_BYTES = 32


class Keys(Protocol):
    """The store of keys. Every method raises Retryable while it is away."""

    async def add(self, key: Key) -> bool:
        """Insert; False if there is one of that name."""
        ...

    async def replace(self, key: Key, revision: int) -> bool:
        """Put a new state in the place of that revision; False if another was quicker."""
        ...

    async def find(self, key: str) -> Key | None: ...

    async def of_account(self, account_id: str) -> Sequence[Key]: ...


class ManageKeys:
    """Every change is in force here at once, on the other instances within a second.

    A signed request that is replayed changes nothing a second time: it is answered 409.
    """

    def __init__(self, keys: Keys, table: KeyTable, clock: Clock, *, can_seal: bool) -> None:
        self._keys = keys
        self._table = table
        self._clock = clock
        self._can_seal = can_seal

    async def make(
        self, caller: Caller, name: str, scopes: Iterable[Scope], *, test: bool
    ) -> tuple[Key, str]:
        """Make a key; gives it and its secret, which nobody is ever told again."""
        caller.must_have_key()
        self._must_seal()
        if caller.test and not test:
            raise RequestRefused.of(403, Code.TEST_KEY, "test")
        mark = _mark(caller)
        # The name of a signed request's key follows from its signature: a replay collides.
        name_bits = mark[:24] if mark else secrets.token_hex(12)
        secret, clear = _draw(self._clock.now())
        key = Key(
            key=f"yz_{'test' if test else 'live'}_{name_bits}",
            account_id=caller.account_id,
            name=name,
            scopes=frozenset(scopes),
            test=test,
            secrets=(secret,),
            created_at=secret.created_at,
            changed_by=mark,
        )
        if len(await self._live(caller)) >= MAX_KEYS:
            detail = f"The account has {MAX_KEYS} keys."
            raise RequestRefused.of(409, Code.KEYS_EXHAUSTED, detail=detail)
        if not await self._keys.add(key):
            raise RequestRefused.of(409, Code.REQUEST_REPLAYED, "Authorization")
        self._done("key made", caller, key)
        return key, clear

    async def listed(self, caller: Caller) -> Sequence[Key]:
        """List the account's keys that are live, without their secrets."""
        return await self._live(caller)

    async def rotate(self, caller: Caller, name: str) -> tuple[Key, str]:
        """Give a key its next secret; the one before it stays good, an older one does not."""
        caller.must_have_key()
        self._must_seal()
        key, mark = await self._own(caller, name), _mark(caller)
        if mark and mark == key.changed_by:
            raise RequestRefused.of(409, Code.REQUEST_REPLAYED, "Authorization")
        secret, clear = _draw(self._clock.now())
        fresh = rotated(key, secret, mark)
        await self._put(fresh, key, caller, "key rotated")
        return fresh, clear

    async def drop_secret(self, caller: Caller, name: str, secret_id: str) -> Key:
        """End a rotation: take one of two secrets away."""
        key = await self._own(caller, name)
        left = without_secret(key, secret_id)
        if left is None:
            raise RequestRefused.of(409, Code.SECRET_STAYS, "secret_id")
        await self._put(left, key, caller, "secret dropped")
        return left

    async def revoke(self, caller: Caller, name: str) -> None:
        """End a key."""
        key = await self._own(caller, name)
        await self._put(revoked(key, self._clock.now()), key, caller, "key revoked")

    async def _live(self, caller: Caller) -> list[Key]:
        return [key for key in await self._keys.of_account(caller.account_id) if key.is_live]

    async def _own(self, caller: Caller, name: str) -> Key:
        key = await self._keys.find(name)
        if key is None or not key.is_live or key.account_id != caller.account_id:
            raise RequestRefused.of(404, Code.KEY_NOT_FOUND, "key")
        if caller.test and not key.test:
            raise RequestRefused.of(403, Code.TEST_KEY, "key")
        return key

    async def _put(self, fresh: Key, old: Key, caller: Caller, what: str) -> None:
        if not await self._keys.replace(fresh, old.revision):
            raise RequestRefused.of(409, Code.CHANGED_MEANWHILE, "key")
        self._done(what, caller, fresh)

    def _done(self, what: str, caller: Caller, key: Key) -> None:
        self._table.put(key)
        by = "operator" if caller.is_operator else "account"
        log.info(what, extra={"account_id": key.account_id, "by": by, "revision": key.revision})

    def _must_seal(self) -> None:
        if not self._can_seal:
            raise RequestRefused.of(503, Code.VAULT_MISSING)


async def apply_seeds(keys: Keys, seeds: Iterable[Key]) -> None:
    """Store the accounts file's keys: new ones, and those whose entry says something else now.

    What was changed over the API stays: an entry is applied once. Raises Retryable.
    """
    for seed in seeds:
        if await keys.add(seed):
            continue
        stored = await keys.find(seed.key)
        if stored is not None and stored.seed != seed.seed:
            await keys.replace(replace(seed, revision=stored.revision + 1), stored.revision)


def _draw(now: datetime) -> tuple[Secret, str]:
    clear = secrets.token_urlsafe(_SECRET_BYTES)
    return Secret(secrets.token_hex(4), sha256_of(clear), now, clear), clear


def _mark(caller: Caller) -> str:
    """Name a signed request, so that a replay of it is known; "" for a bearer."""
    return hashlib.sha256(caller.signature.encode()).hexdigest() if caller.signature else ""
