"""Keys: made, listed, rotated, revoked; sealed; seeded once; replays change nothing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from services.ingest.tests.unit.fakes import NOON, FakeClock
from services.ingest.tests.unit.making import catalogue

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Asked, Authenticator, Caller
from ingest.keys.domain import Key, KeyTable
from ingest.keys.seeds import seeded
from ingest.keys.service import ManageKeys, apply_seeds


class FakeKeys:
    """The store of keys in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Key] = {}

    async def add(self, key: Key) -> bool:
        return self.stored.setdefault(key.key, key) is key

    async def replace(self, key: Key, revision: int) -> bool:
        if self.stored[key.key].revision != revision:
            return False
        self.stored[key.key] = key
        return True

    async def find(self, key: str) -> Key | None:
        return self.stored.get(key)

    async def of_account(self, account_id: str) -> Sequence[Key]:
        return [key for key in self.stored.values() if key.account_id == account_id]


class World:
    def __init__(self, *, can_seal: bool = True) -> None:
        self.keys, self.table = FakeKeys(), KeyTable()
        self.manage = ManageKeys(self.keys, self.table, FakeClock(), can_seal=can_seal)
        self.doors = Authenticator(self.table, catalogue(), FakeClock())

    def lets_in(self, key: str, secret: str) -> bool:
        try:
            self.doors.authenticate(Asked("GET", "/", f"Bearer {key}.{secret}"), b"")
        except RequestRefused:
            return False
        return True


def caller(account_id: str = "shop", *, signature: str = "", test: bool = False) -> Caller:
    account = catalogue().account(account_id)
    return Caller(account, "its-key", frozenset(Scope), test, signature)


async def refused(work: object) -> Code:
    with pytest.raises(RequestRefused) as caught:
        await work  # type: ignore[misc]
    return caught.value.refusals[0].code


async def test_a_key_that_was_made_lets_in_until_it_is_revoked() -> None:
    world = World()
    key, secret = await world.manage.make(caller(), "shop floor", [Scope.SEND], test=False)
    assert key.key.startswith("yz_live_")
    assert world.lets_in(key.key, secret)
    assert [one.name for one in await world.manage.listed(caller())] == ["shop floor"]
    await world.manage.revoke(caller(), key.key)
    assert not world.lets_in(key.key, secret)
    assert await world.manage.listed(caller()) == []
    assert await refused(world.manage.revoke(caller(), key.key)) is Code.KEY_NOT_FOUND


async def test_two_secrets_live_side_by_side_and_a_third_ends_the_first() -> None:
    world = World()
    key, first = await world.manage.make(caller(), "k", [Scope.SEND], test=False)
    _, second = await world.manage.rotate(caller(), key.key)
    assert world.lets_in(key.key, first)
    assert world.lets_in(key.key, second)
    rotated, third = await world.manage.rotate(caller(), key.key)
    good = [world.lets_in(key.key, secret) for secret in (first, second, third)]
    assert good == [False, True, True]
    await world.manage.drop_secret(caller(), key.key, rotated.secrets[1].secret_id)
    assert not world.lets_in(key.key, second)
    last = rotated.secrets[0].secret_id
    assert await refused(world.manage.drop_secret(caller(), key.key, last)) is Code.SECRET_STAYS


async def test_a_replayed_request_makes_and_rotates_nothing() -> None:
    world = World()
    signed = caller(signature="5" * 64)
    key, _ = await world.manage.make(signed, "k", [Scope.SEND], test=False)
    again = world.manage.make(signed, "k", [Scope.SEND], test=False)
    assert await refused(again) is Code.REQUEST_REPLAYED
    other = caller(signature="6" * 64)
    await world.manage.rotate(other, key.key)
    assert await refused(world.manage.rotate(other, key.key)) is Code.REQUEST_REPLAYED
    assert len(world.keys.stored) == 1


async def test_another_accounts_key_is_not_found() -> None:
    world = World()
    key, _ = await world.manage.make(caller(), "k", [Scope.SEND], test=False)
    for work in (world.manage.rotate, world.manage.revoke):
        assert await refused(work(caller("other"), key.key)) is Code.KEY_NOT_FOUND
    assert await world.manage.listed(caller("other")) == []


async def test_a_test_key_makes_and_changes_test_keys_only() -> None:
    world = World()
    key, _ = await world.manage.make(caller(), "k", [Scope.SEND], test=False)
    testing = caller(test=True)
    assert await refused(world.manage.make(testing, "k", [Scope.SEND], test=False)) is Code.TEST_KEY
    assert await refused(world.manage.rotate(testing, key.key)) is Code.TEST_KEY
    made, _ = await world.manage.make(testing, "k", [Scope.SEND], test=True)
    assert made.key.startswith("yz_test_")


async def test_a_change_that_came_between_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    key, _ = await world.manage.make(caller(), "k", [Scope.SEND], test=False)

    async def stale(_key: str) -> Key:
        return replace(key, revision=key.revision - 1)

    monkeypatch.setattr(world.keys, "find", stale)
    assert await refused(world.manage.rotate(caller(), key.key)) is Code.CHANGED_MEANWHILE


async def test_without_a_vault_no_secret_is_made() -> None:
    world = World(can_seal=False)
    making = world.manage.make(caller(), "k", [Scope.SEND], test=False)
    assert await refused(making) is Code.VAULT_MISSING


def test_an_older_state_of_a_key_changes_nothing() -> None:
    key = seeded(catalogue().accounts(), NOON)[0]
    table = KeyTable([replace(key, revision=3, revoked_at=NOON)])
    table.put(replace(key, revision=2))
    assert table.find(key.key) is None


async def test_the_accounts_files_keys_are_stored_once_and_again_when_they_change() -> None:
    keys = FakeKeys()
    seeds = seeded(catalogue().accounts(), NOON)
    await apply_seeds(keys, seeds)
    first = seeds[0].key
    revoked = replace(keys.stored[first], revoked_at=NOON, secrets=(), revision=2)
    keys.stored[first] = revoked
    await apply_seeds(keys, seeds)
    assert keys.stored[first] == revoked
    await apply_seeds(keys, [replace(seeds[0], seed="another entry")])
    assert keys.stored[first].is_live
    assert keys.stored[first].revision == 3
