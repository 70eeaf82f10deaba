"""Accounts in MongoDB: seeded from a file, changed through the API.

One document an account. ``owner`` says who has the last word: ``file`` until the API changes the
account for the first time, ``api`` from then on. A start brings what the file owns up to date and
leaves the rest alone, so that a restart never undoes what somebody changed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingest.catalogue import AccountFacts
from yizhan_runtime.clock import Clock
from yizhan_runtime.feed import Feed
from yizhan_runtime.logs import get_logger
from yizhan_runtime.mongo import Document, Mongo

log = get_logger(__name__)

ACCOUNTS = "accounts"
FILE, API = "file", "api"
_CHANGES_KEPT = 50
_TRIES = 5


class AccountStore:
    """Seeds, reads and changes accounts. Every method raises Retryable while MongoDB is away."""

    def __init__(self, mongo: Mongo, put: Callable[[AccountFacts], None], clock: Clock) -> None:
        self._mongo = mongo
        self._clock = clock
        self.feed = Feed(mongo, ACCOUNTS, lambda document: put(facts_of(document)), clock)

    async def seed(self, accounts: Sequence[AccountFacts]) -> None:
        """Bring in what a file says. Idempotent; several processes may do it at once."""
        documents = [self._document(facts, FILE) for facts in accounts]
        known = await self._mongo.insert_new(ACCOUNTS, documents)
        stored = await self._mongo.find_by_ids(ACCOUNTS, known)
        for facts in accounts:
            if (there := stored.get(facts.id)) is not None:
                await self._reseed(facts, there)

    async def _reseed(self, facts: AccountFacts, there: Document) -> None:
        if there["facts"] == plain(facts):
            return
        if there["owner"] != FILE:
            log.info("the API has changed it: the file is not asked", extra={"account": facts.id})
            return
        await self._write(there, facts, FILE, {"by": "file"})

    async def add(self, facts: AccountFacts, by: str) -> bool:
        """Add an account; False if its id is taken."""
        document = self._document(facts, API) | {"changes": [self._change(by)]}
        is_new = await self._mongo.insert_one(ACCOUNTS, document)
        if is_new:
            self.feed.take(document)
        return is_new

    async def change(
        self, account_id: str, values: Mapping[str, Any], by: str
    ) -> AccountFacts | None:
        """Change some fields; None if there is no such account. Raises ValidationError."""
        for _ in range(_TRIES):
            found = await self._mongo.find_by_ids(ACCOUNTS, [account_id])
            if account_id not in found:
                return None
            there = found[account_id]
            facts = AccountFacts.model_validate(
                {**plain(facts_of(there)), **values, "id": account_id}
            )
            change = self._change(by) | {"fields": sorted(values)}
            if await self._write(there, facts, API, change):
                await self.feed.refresh()
                return facts
        return None

    async def _write(
        self, there: Document, facts: AccountFacts, owner: str, change: Document
    ) -> bool:
        """Write, unless somebody else was quicker."""
        update = {
            "$set": {"facts": plain(facts), "owner": owner, "changed_at": self._clock.now()},
            "$inc": {"version": 1},
            "$push": {"changes": {"$each": [change], "$slice": -_CHANGES_KEPT}},
        }
        same = {"_id": there["_id"], "version": there["version"]}
        return bool(await self._mongo.update_one(ACCOUNTS, same, update))

    def _change(self, by: str) -> Document:
        return {"at": self._clock.now(), "by": by}

    def _document(self, facts: AccountFacts, owner: str) -> Document:
        return {
            "_id": facts.id,
            "version": 1,
            "owner": owner,
            "facts": plain(facts),
            "changed_at": self._clock.now(),
        }


def plain(facts: AccountFacts) -> Document:
    """Give an account's own facts, without what belongs to other collections."""
    return facts.model_dump(mode="json", include=set(AccountFacts.model_fields))


def facts_of(document: Document) -> AccountFacts:
    """Read a document back; fields of a newer version are ignored. Raises ValidationError."""
    return AccountFacts.model_validate(document["facts"], extra="ignore")
