"""The HTTP edge over a ledger in memory, and a client that shows a token."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from pydantic import SecretStr
from services.receipts.tests.unit.asking import ask_app
from services.receipts.tests.unit.world import METRICS, World

from receipts.access import Access
from receipts.api import make_router
from receipts.bad_input import tell_bad_input
from receipts.ledger.api import make_operating_router
from receipts.ledger.conservation import Conservation
from receipts.ledger.documents import Document
from receipts.log.api import make_log_router
from receipts.log.as_of import AsOf
from receipts.log.budget import Budget
from receipts.log.domain import Kept, Plan, Sieve, Span, Values
from receipts.log.ports import Found, Walked
from receipts.log.service import MessageLog
from receipts.log.trace import Trace
from receipts.log.trace_api import make_trace_router
from receipts.replies.api import make_replies_router
from receipts.replies.conversations import Conversations
from receipts.replies.searching import Key, Place, ReplySearch
from receipts.replies.shown import RepliesTo
from yizhan_runtime import Retryable
from yizhan_runtime.tokens import BadToken, Holder, TokenReader

TOKEN = "a-token-for-tests"


class Reader:
    """The ledger's documents, read from memory."""

    def __init__(self, world: World) -> None:
        self._store = world.store

    async def find_message(self, message_id: str) -> Document | None:
        return self._store.messages.get(message_id)

    async def find_by_reference(self, account_id: str, reference: str, limit: int) -> list[str]:
        its = (m for m in self._store.messages.values() if m["account_id"] == account_id)
        found = [m["_id"] for m in its if m["reference"] == reference]
        return sorted(found, reverse=True)[:limit]

    async def find_settled(self, message_id: str) -> Document | None:
        return self._store.settled.get(message_id)

    async def find_text(self, message_id: str) -> str | None:
        return self._store.contents.get(message_id, {}).get("text")

    async def find_facts(self, message_id: str) -> list[Document]:
        return [f for f in self._store.facts.values() if f["message_id"] == message_id]

    async def senders_of(self, message_ids: Collection[str]) -> dict[str, str]:
        return {
            fact["message_id"]: fact.get("sender", "")
            for fact in self._store.facts.values()
            if fact["message_id"] in message_ids and fact["kind"] == "submitted"
        }


class MemoryLog:
    """The log's store over dicts: what MongoDB is asked, in Python's words."""

    def __init__(self, messages: Any, settled: Any, contents: Any, facts: Any) -> None:
        self._of = {Kept.MESSAGES: messages, Kept.SETTLED: settled, Kept.CONTENTS: contents}
        self._facts = facts

    async def walk(
        self, plan: Plan, span: Span, size: int, budget: Budget, *, newest_first: bool
    ) -> Walked:
        budget.left_s()
        documents = self._of[plan.source]
        inside = sorted(
            (
                message_id
                for message_id, document in documents.items()
                if span.first <= message_id < span.below and _says(document, plan.key)
            ),
            reverse=newest_first,
        )[:size]
        found = [one for one in inside if _says(documents[one], plan.also)]
        if len(inside) < size:
            return Walked(found, None)
        last = inside[-1]
        return Walked(found, span.before(last) if newest_first else span.after(last))

    async def keep(self, sieve: Sieve, ids: Sequence[str], budget: Budget) -> Collection[str]:
        budget.left_s()
        documents = self._of[sieve.kind]
        there = {
            one
            for one in ids
            if one in documents
            and _says(documents[one], sieve.values)
            and sieve.text.casefold() in documents[one].get("text", "").casefold()
        }
        return there if sieve.is_there else set(ids) - there

    async def load(self, ids: Sequence[str], *, with_text: bool) -> list[Found]:
        texts = self._of[Kept.CONTENTS] if with_text else {}
        return [
            Found(
                one,
                self._of[Kept.MESSAGES][one],
                self._of[Kept.SETTLED].get(one),
                texts.get(one, {}).get("text"),
                [fact for fact in self._facts.values() if fact["message_id"] == one],
            )
            for one in ids
        ]


def _says(document: Document, values: Values) -> bool:
    return all(
        document.get(name, "") in (value if isinstance(value, tuple) else (value,))
        for name, value in values.items()
    )


class MemoryReplyReader:
    """Replies over a list, newest first."""

    def __init__(self, replies: list[dict[str, Any]]) -> None:
        self._replies = replies

    async def replies_before(
        self, key: Key, place: Place, since: datetime | None, limit: int, budget: Budget
    ) -> list[dict[str, Any]]:
        budget.left_s()
        found = [
            one
            for one in self._replies
            if one.get(key.name, "") == key.value
            and Place.of(one) < place
            and (since is None or one["received_at"] >= since)
        ]
        return sorted(found, key=Place.of, reverse=True)[:limit]


class NoPushes:
    """Nothing waits to be pushed."""

    async def of_message(self, message_id: str) -> list[Document]:
        return []


class AlwaysAsOf:
    """Complete until the world's now."""

    def __init__(self, world: World) -> None:
        self._clock = world.clock

    def now(self) -> AsOf:
        at = self._clock.now()
        return AsOf(complete_until=at, looked_at=at, unread=0, set_aside=0, note="")


class FakeTokens(TokenReader):
    """Tokens that are their account and scopes; the real ones are tested where they are read."""

    async def read(self, token: str) -> Holder:
        account_id, _, more = token.partition(":")
        scopes = more.removesuffix(":test")
        if not scopes:
            raise BadToken("no token")
        if account_id == "away":
            raise Retryable("ingest's keys cannot be read")
        return Holder(account_id, frozenset(scopes.split("+")), test=scopes != more)


class Edge:
    """The routes of a world, and a client that shows the token."""

    def __init__(self, world: World, token: str = TOKEN) -> None:
        self.replies: list[dict[str, Any]] = []
        store, clock = world.store, world.clock
        reader, as_of = Reader(world), AlwaysAsOf(world)
        access = Access(SecretStr(token), FakeTokens("", clock))
        log = MessageLog(
            MemoryLog(store.messages, store.settled, store.contents, store.facts), clock, METRICS
        )
        search = ReplySearch(MemoryReplyReader(self.replies), clock)
        conversations = Conversations(log, search, reader)
        trace = Trace(reader, RepliesTo(search), NoPushes())
        self._app = FastAPI()
        tell_bad_input(self._app)
        for router in (
            make_router(world.ledger, Conservation(store, world.ledger.look, clock), access),
            make_operating_router(world.feeds, store, access, clock),
            make_log_router(log, as_of, access, clock),
            make_trace_router(trace, as_of, access),
            make_replies_router(search, conversations, as_of, access),
        ):
            self._app.include_router(router)

    async def ask(self, path: str, token: str | None = TOKEN, **asked: Any) -> tuple[int, Any]:
        """Ask with a query that is encoded as a client does."""
        query = urlencode({"with" if name == "shows" else name: v for name, v in asked.items()})
        return await self.get(f"{path}?{query}", token)

    async def get(self, path: str, token: str | None = TOKEN) -> tuple[int, Any]:
        return await ask_app(self._app, "GET", path, token=token)
