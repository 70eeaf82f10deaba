"""Endpoints managed by those whose they are: every change is the next version, or is refused."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import replace

from yarl import URL

from receipts.errors import CannotSeal, ChangedMeanwhile, NoSuchEndpoint
from receipts.push.endpoints import (
    About,
    Endpoint,
    Secret,
    State,
    Wishes,
    changed,
    deleted,
    paused,
    resumed,
    rotated,
    unsigned,
)
from receipts.push.ports import Addresses, EndpointStore
from receipts.push.signing import new_secret
from yizhan_runtime import Clock, get_logger

log = get_logger(__name__)

_TRIES = 5
Change = Callable[[Endpoint], Endpoint]


class ManageEndpoints:
    """Saves, pauses, resumes and ends endpoints. ``take`` hears of each change at once."""

    def __init__(
        self,
        store: EndpointStore,
        addresses: Addresses,
        take: Callable[[Endpoint], None],
        clock: Clock,
        *,
        can_seal: bool,
    ) -> None:
        self._store = store
        self._addresses = addresses
        self._take = take
        self._clock = clock
        self._can_seal = can_seal

    async def find(self, account_id: str) -> Endpoint:
        """Give an account's endpoint. Raises NoSuchEndpoint."""
        endpoint = (await self._store.find([account_id])).get(account_id)
        if endpoint is None or endpoint.state is State.DELETED:
            raise NoSuchEndpoint("this account has no endpoint: PUT one")
        return endpoint

    async def page(self, after: str, limit: int) -> list[Endpoint]:
        return await self._store.page(after, limit)

    async def save(self, account_id: str, wishes: Wishes) -> Endpoint:
        """Make an account's endpoint, or give it other wishes. Raises ForbiddenAddress."""
        for about in About:
            if url := wishes.url_for(about):
                await self._addresses.check(URL(str(url)))
        fresh = Endpoint(account_id, wishes)
        if await self._store.add(fresh):
            return self._done("endpoint made", fresh)
        return await self._change(account_id, lambda known: changed(known, wishes), "changed")

    async def pause(self, account_id: str) -> Endpoint:
        """Send nothing more, keep everything."""
        await self.find(account_id)
        return await self._change(account_id, paused, "paused")

    async def resume(self, account_id: str) -> Endpoint:
        """Go on, in the order in which it was due."""
        await self.find(account_id)
        now = self._clock.now()
        return await self._change(account_id, lambda known: resumed(known, now), "resumed")

    async def delete(self, account_id: str) -> None:
        """End it. What waits is parked when its day is over."""
        await self.find(account_id)
        await self._change(account_id, deleted, "deleted")

    async def rotate_secret(self, account_id: str) -> tuple[Endpoint, str]:
        """Give it its first or next secret, and tell it: this once. Raises CannotSeal."""
        await self.find(account_id)
        if not self._can_seal:
            raise CannotSeal("the operators must set YIZHAN_RECEIPTS_VAULT_KEYS before this works")
        now = self._clock.now()
        fresh = Secret(secrets.token_hex(4), new_secret(), now)
        endpoint = await self._change(
            account_id, lambda known: rotated(known, fresh, now), "secret rotated"
        )
        return endpoint, fresh.clear

    async def drop_secrets(self, account_id: str) -> Endpoint:
        """Sign nothing more."""
        await self.find(account_id)
        return await self._change(account_id, unsigned, "not signed any more")

    async def _change(self, account_id: str, change: Change, what: str) -> Endpoint:
        for _ in range(_TRIES):
            known = (await self._store.find([account_id]))[account_id]
            fresh = replace(change(known), version=known.version + 1)
            if await self._store.replace(fresh, known.version):
                return self._done(f"endpoint {what}", fresh)
        raise ChangedMeanwhile("others changed this endpoint at the same time: look, and try again")

    def _done(self, what: str, endpoint: Endpoint) -> Endpoint:
        self._take(endpoint)
        log.info(what, extra={"account_id": endpoint.account_id, "version": endpoint.version})
        return endpoint


async def apply_seeds(store: EndpointStore, seeds: Collection[Endpoint]) -> None:
    """Store what the file says: new endpoints, and those whose entry says something else now.

    What was changed over the API stays: an entry is applied once. Raises Retryable.
    """
    stored = await store.find({seed.account_id for seed in seeds})
    for seed in seeds:
        known = stored.get(seed.account_id)
        if known is None:
            await store.add(seed)
        elif known.seed != seed.seed:
            fresh = replace(changed(known, seed.wishes), seed=seed.seed, version=known.version + 1)
            await store.replace(fresh, known.version)
