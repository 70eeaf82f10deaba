"""A ledger in memory, with a clock that is turned, dying before any step, in any order of steps."""

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.making import NOON

from receipts.ledger.balance import ACCEPTED, Balance, Cell
from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.consequences import Consequences, SettledBy
from receipts.ledger.conservation import MessageRow, SettledRow
from receipts.ledger.deliveries import Deliveries
from receipts.ledger.documents import Document, accepted_of, fact_of, keys_of_parts
from receipts.ledger.facts import Accepted, Fact, Kind
from receipts.ledger.feeds import Feeds, Handed
from receipts.ledger.full_sweep import FullSweep, FullSweepTerms
from receipts.ledger.ports import Due, Position
from receipts.ledger.service import Ledger, Terms
from receipts.ledger.silence import FeedTerms
from receipts.ledger.sweeper import Acting, Sweeper, SweepTerms
from receipts.ledger.unmatched import Ageing
from receipts.metrics import Metrics
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    Event,
    MessageAccepted,
    MessageSettled,
    ReceiptReceived,
    VoiceFinished,
)

REGISTRY = CollectorRegistry()
METRICS = Metrics(REGISTRY)
FEEDS = FeedTerms(at_least=4)


class Died(Exception):
    """The process died here."""


class TurnedClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)

    def turn(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Steps:
    """Counts steps out of the process; dies before the chosen one, or shuffles concurrent ones."""

    def __init__(self) -> None:
        self.taken = 0
        self.dies_before: int | None = None
        self.shuffle: Random | None = None

    async def take(self) -> None:
        if self.shuffle is not None:
            for _ in range(self.shuffle.randint(0, 4)):
                await asyncio.sleep(0)
        self.taken += 1
        if self.taken == self.dies_before:
            raise Died


class MemoryStore:
    """The ledger's three ports over dicts, with MongoDB's semantics."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.messages: dict[str, Document] = {}
        self.contents: dict[str, Document] = {}
        self.facts: dict[str, Document] = {}
        self.early: dict[str, Document] = {}
        self.unmatched: dict[str, Document] = {}
        self.settled: dict[str, Document] = {}
        self.balances: dict[str, Document] = {}
        self.cursors: dict[str, Position] = {}
        self.writes = 0

    async def _insert(self, into: dict[str, Document], new: Sequence[Document]) -> set[str]:
        if not new:
            return set()
        await self.steps.take()
        existing = {document["_id"] for document in new if document["_id"] in into}
        for document in new:
            into.setdefault(document["_id"], copy.deepcopy(document))
        self.writes += 1
        return existing

    async def insert_contents(self, documents: Sequence[Document]) -> None:
        await self._insert(self.contents, documents)

    async def insert_messages(self, documents: Sequence[Document]) -> set[str]:
        return await self._insert(self.messages, documents)

    async def insert_facts(self, documents: Sequence[Document]) -> set[str]:
        return await self._insert(self.facts, documents)

    async def insert_early(self, documents: Sequence[Document]) -> set[str]:
        return await self._insert(self.early, documents)

    async def insert_settled(self, documents: Sequence[Document]) -> set[str]:
        return await self._insert(self.settled, documents)

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        await self.steps.take()
        return {i: accepted_of(self.messages[i]) for i in message_ids if i in self.messages}

    async def events_of(self, message_ids: Collection[str]) -> dict[str, MessageAccepted]:
        await self.steps.take()
        parse = MessageAccepted.model_validate_json
        return {i: parse(self.contents[i]["event"]) for i in message_ids if i in self.contents}

    async def facts_of(self, message_ids: Collection[str]) -> dict[str, list[Fact]]:
        await self.steps.take()
        found: dict[str, list[Fact]] = {}
        for document in self.facts.values():
            if document["message_id"] in message_ids:
                found.setdefault(document["message_id"], []).append(fact_of(document))
        return found

    async def settled_of(self, message_ids: Collection[str]) -> dict[str, Document]:
        await self.steps.take()
        return {i: copy.deepcopy(self.settled[i]) for i in message_ids if i in self.settled}

    async def submitted_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> dict[str, Mapping[str, Any]]:
        await self.steps.take()
        found = [
            fact
            for fact in self.facts.values()
            if fact["kind"] in (Kind.SUBMITTED, Kind.IN_DOUBT) and fact["at"] >= since
        ]
        return {
            key: fact
            for fact in sorted(found, key=lambda fact: fact["at"])
            for key in keys_of_parts(fact)
            if key in carrier_keys
        }

    async def early_under(
        self, carrier_keys: Collection[str], since: datetime
    ) -> list[Mapping[str, Any]]:
        await self.steps.take()
        return [
            document
            for document in self.early.values()
            if document["carrier_key"] in carrier_keys and document["stored_at"] >= since
        ]

    async def remove_contents(self, message_ids: Collection[str]) -> int:
        await self.steps.take()
        return sum(self.contents.pop(i, None) is not None for i in message_ids)

    async def remove_early(self, ids: Collection[str]) -> None:
        if ids:
            await self.steps.take()
            for early_id in ids:
                self.early.pop(early_id, None)

    async def aged_early(self, before: datetime, limit: int) -> list[Document]:
        await self.steps.take()
        return [one for one in self.early.values() if one["stored_at"] < before][:limit]

    async def insert_unmatched(self, documents: Sequence[Document]) -> set[str]:
        return await self._insert(self.unmatched, documents)

    async def find_unmatched(self, channel: str, before: datetime, limit: int) -> list[Document]:
        await self.steps.take()
        its = (one for one in self.unmatched.values() if one["aged_at"] < before)
        return [one for one in its if channel in ("", one["channel"])][:limit]

    async def correct(self, message_id: str, fields: Mapping[str, Any]) -> None:
        await self.steps.take()
        if self.settled[message_id]["status"] != "delivered":
            self.settled[message_id] |= fields

    async def correct_sms(self, message_id: str, sms: Mapping[str, Any]) -> None:
        await self.steps.take()
        if self.settled[message_id]["sms"]["status"] != "delivered":
            self.settled[message_id]["sms"] = dict(sms)

    async def due_facts(self, after: Position, until: datetime, limit: int) -> list[Due]:
        await self.steps.take()
        its = [(f["message_id"], f.get("receipt_due_at"), i) for i, f in self.facts.items()]
        return _due(its, after, until, limit)

    async def due_messages(self, after: Position, until: datetime, limit: int) -> list[Due]:
        await self.steps.take()
        its = [(i, message["check_at"], i) for i, message in self.messages.items()]
        return _due(its, after, until, limit)

    async def next_due(self, after: datetime) -> datetime | None:
        await self.steps.take()
        times = [message["check_at"] for message in self.messages.values()]
        times += [f["receipt_due_at"] for f in self.facts.values() if "receipt_due_at" in f]
        return min((at for at in times if at > after), default=None)

    async def settled_rows(self, after: str, below: str, limit: int) -> list[SettledRow]:
        await self.steps.take()
        found = sorted(i for i in self.settled if after < i < below)[:limit]
        its = (self.settled[i] for i in found)
        return [SettledRow(d["_id"], d["country"], d["lane"], d["status"]) for d in its]

    async def message_rows(self, after: str, below: str, limit: int) -> list[MessageRow]:
        await self.steps.take()
        found = sorted(i for i in self.messages if after < i < below)[:limit]
        its = (self.messages[i] for i in found)
        return [MessageRow(d["_id"], d["country"], d["lane"], d["check_at"]) for d in its]

    async def owners_of_facts(self, after: str, below: str, limit: int) -> list[str]:
        await self.steps.take()
        owners = {fact["message_id"] for fact in self.facts.values()}
        return sorted(one for one in owners if after < one < below)[:limit]

    async def count_attempts(self, after: str, below: str) -> dict[str, dict[str, int]]:
        await self.steps.take()
        counts: dict[str, dict[str, int]] = {}
        for fact in self.facts.values():
            if fact["kind"] in set(AttemptOutcome) and after < fact["message_id"] < below:
                of_channel = counts.setdefault(fact["channel"], {})
                of_channel[fact["kind"]] = of_channel.get(fact["kind"], 0) + 1
        return counts

    async def next_id(self, first: str) -> str | None:
        await self.steps.take()
        return min((i for i in (*self.messages, *self.settled) if i >= first), default=None)

    async def count_settled(self, after: str, below: str) -> dict[Cell, int]:
        await self.steps.take()
        its = (d for i, d in self.settled.items() if after <= i < below)
        return dict(Counter(Cell(d["country"], d["lane"], d["status"]) for d in its))

    async def count_messages(self, after: str, below: str) -> dict[Cell, int]:
        await self.steps.take()
        its = (d for i, d in self.messages.items() if after <= i < below)
        return dict(Counter(Cell(d["country"], d["lane"], ACCEPTED) for d in its))

    async def insert_balances(self, documents: Sequence[Document]) -> set[str]:
        return await self._insert(self.balances, documents)

    async def balances_since(self, first: str) -> list[Document]:
        await self.steps.take()
        return [document for name, document in self.balances.items() if name >= first]

    async def handed_over(
        self, channel: str, since: datetime, until: datetime, limit: int, *, newest: bool
    ) -> list[Handed]:
        await self.steps.take()
        found = [
            Handed(fact["message_id"], fact["n"], fact["at"], fact["receipt_due_at"])
            for fact in self.facts.values()
            if fact["kind"] == Kind.SUBMITTED and fact["channel"] == channel
            if since <= fact["receipt_due_at"] < until
        ]
        return sorted(found, key=lambda one: one.due_at, reverse=newest)[:limit]

    async def heard_of(self, message_ids: Collection[str]) -> set[tuple[str, int]]:
        await self.steps.take()
        return {
            (fact["message_id"], fact["n"])
            for fact in self.facts.values()
            if fact["kind"] == Kind.RECEIPT and fact["message_id"] in message_ids
        }

    async def load_cursor(self, name: str) -> Position | None:
        await self.steps.take()
        return self.cursors.get(name)

    async def save_cursor(self, name: str, position: Position) -> None:
        await self.steps.take()
        self.cursors[name] = position
        self.writes += 1

    async def message_ids(self, after: str, below: str, limit: int) -> list[tuple[str, datetime]]:
        await self.steps.take()
        found = sorted(i for i in self.messages if after < i < below)[:limit]
        return [(i, self.messages[i]["check_at"]) for i in found]

    async def settlers_of(self, message_ids: Collection[str]) -> dict[str, str]:
        await self.steps.take()
        return {i: self.settled[i]["settled_by"] for i in message_ids if i in self.settled}

    async def settled_ids(self, first: str, last: str) -> set[str]:
        await self.steps.take()
        return {i for i in self.settled if first <= i <= last}

    async def settled_by_full_sweep(self, since: datetime) -> list[Document]:
        await self.steps.take()
        return [
            document
            for document in self.settled.values()
            if document["settled_by"] == SettledBy.FULL_SWEEP and document["settled_at"] > since
        ]

    async def count_early(self) -> int:
        await self.steps.take()
        return len(self.early)


def _due(
    times: Iterable[tuple[str, datetime | None, str]],
    after: Position,
    until: datetime,
    limit: int,
) -> list[Due]:
    found = [Due(message_id, Position(at, i)) for message_id, at, i in times if at]
    due = [item for item in found if item.position > after and item.position.at <= until]
    return sorted(due, key=lambda item: item.position)[:limit]


class MemoryTopic:
    """What was published."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        if events:
            await self.steps.take()
            self.events.extend(events)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


Said = MessageAccepted | AttemptFinished | ReceiptReceived | VoiceFinished


class World:
    """Receipts on memory. ``restart`` gives it a new process: only what is stored stays."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.clock = TurnedClock()
        self.store = MemoryStore(self.steps)
        self.topic = MemoryTopic(self.steps)
        self.restart()

    def restart(self) -> None:
        metrics = METRICS
        self.deliveries = Deliveries("receipts-1", "incarnation")
        consequences = Consequences(self.store, self.topic, self.clock, metrics, 10.0)
        self.ledger = Ledger(
            self.store, consequences, self.clock, metrics, self.deliveries, Terms()
        )
        self.feeds = Feeds(self.store, self.clock, metrics, FEEDS)
        acting = Acting(consequences, self.clock, metrics, self.deliveries, self.feeds)
        self.ageing = Ageing(self.store, self.clock, metrics, Terms().match_within_s)
        idle = CatchingUp(self.clock, -1.0)
        self.balance = Balance(
            store=self.store,
            clock=self.clock,
            metrics=metrics,
            catching_up=idle,
            period_s=60.0,
            reach_s=7 * 86_400.0,
        )
        self.sweeper = Sweeper(
            self.store, self.ledger, acting, self.clock, metrics, idle, SweepTerms(page=2)
        )
        self.full_sweep = FullSweep(
            self.store, self.ledger, acting, self.clock, metrics, idle, FullSweepTerms(page=2)
        )

    async def hear(self, *said: Said) -> None:
        """Handle records, those of one topic as one batch."""
        for kind, batch in itertools.groupby(said, type):
            await self._handler_of(kind)(list(batch))

    def _handler_of(self, kind: type[Said]) -> Callable[[list[Any]], Awaitable[None]]:
        if kind is MessageAccepted:
            return lambda batch: self.ledger.record_accepted(
                [(event, event.model_dump_json().encode()) for event in batch]
            )
        handlers: dict[type[Said], Callable[[list[Any]], Awaitable[None]]] = {
            AttemptFinished: self.ledger.record_attempts,
            ReceiptReceived: self.ledger.record_receipts,
            VoiceFinished: self.ledger.record_calls,
        }
        return handlers[kind]

    async def until_done(self, work: Callable[[], Awaitable[object]], dies_before: int) -> bool:
        """Do work that dies before a step of it and is done again. False: it took fewer steps."""
        self.steps.taken, self.steps.dies_before = 0, dies_before
        try:
            await work()
        except Died:
            self.steps.dies_before = None
            self.restart()
            await work()
            return True
        self.steps.dies_before = None
        return False

    async def sweeper_sweep(self) -> None:
        await self.sweeper.sweep()

    async def age(self) -> None:
        await self.ageing.age()

    async def full_sweep_sweep(self) -> None:
        await self.full_sweep.sweep()

    def said_last(self) -> MessageSettled:
        settled: list[MessageSettled] = self.topic.of(MessageSettled)
        return settled[-1]

    def settled(self) -> Document:
        (document,) = self.store.settled.values()
        return document
