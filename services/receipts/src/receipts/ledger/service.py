"""The ledger's use cases: write down what a record says, look at what is known, do what follows.

At-least-once, idempotent: every step may be repeated or interrupted. The order is always the same,
and the guarantees rest on it: write one's own documents, then look for the others', then settle or
ask, then publish; the caller commits after that.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from receipts.ledger import documents as docs
from receipts.ledger.consequences import Consequences, Decided, SettledBy, Story
from receipts.ledger.deadlines import Deadlines
from receipts.ledger.decisions import Action, Call, Reroute, decide
from receipts.ledger.deliveries import Deliveries
from receipts.ledger.documents import Document
from receipts.ledger.facts import Accepted, Fact, Kind
from receipts.ledger.ports import LedgerStore
from receipts.ledger.recent import Recent
from receipts.ledger.story import conflicts_with, fold
from receipts.metrics import Metrics, Receipt
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    MessageAccepted,
    ReceiptReceived,
    ReceiptState,
    VoiceFinished,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime import Clock

_FINAL_STATES = frozenset({ReceiptState.DELIVERED, ReceiptState.FAILED})


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things may take."""

    submit_timeout_s: float = 10.0
    settle_margin_s: float = 10.0
    deadlines: Deadlines = field(default_factory=Deadlines)
    match_within_s: float = 7 * 86_400.0
    """Carriers use their ids again: a receipt and its attempt are never further apart than this."""


class Ledger:
    """Keeps the facts and settles messages. Two of these may work on one message at a time."""

    def __init__(
        self,
        store: LedgerStore,
        consequences: Consequences,
        clock: Clock,
        metrics: Metrics,
        deliveries: Deliveries,
        terms: Terms,
    ) -> None:
        self._store = store
        self._consequences = consequences
        self._clock = clock
        self._metrics = metrics
        self._deliveries = deliveries
        self._terms = terms
        self._recent = Recent()

    async def record_accepted(self, messages: Sequence[tuple[MessageAccepted, bytes]]) -> None:
        """Keep accepted messages; settle those whose facts came first."""
        now = self._clock.now()
        new = {
            event.message_id: docs.message_document(event, self._check_at(event, now))
            for event, _ in messages
        }
        contents = {event.message_id: docs.content_document(event, raw) for event, raw in messages}
        # First: whoever finds a message, and asks for a call, finds what it says.
        await self._store.insert_contents(list(contents.values()))
        existing = await self._store.insert_messages(list(new.values()))
        accepted = {message_id: docs.accepted_of(new[message_id]) for message_id in new}
        self._recent.add([accepted[message_id] for message_id in new.keys() - existing])
        # Nothing settles before it is accepted: only what had been accepted may be settled by now.
        facts, settled = await asyncio.gather(self._store.facts_of(new), self._settled_of(existing))
        # A record that comes again must not bring back what has been erased.
        erased = [message_id for message_id in settled if "erased_at" in settled[message_id]]
        if erased:
            await self._store.remove_contents(erased)
        await self._follow(
            _story(accepted[message_id], facts.get(message_id, ()), settled.get(message_id))
            for message_id in new
            if message_id in facts or message_id in settled
        )

    async def _settled_of(self, message_ids: Collection[str]) -> dict[str, Document]:
        return await self._store.settled_of(message_ids) if message_ids else {}

    def _check_at(self, event: MessageAccepted, now: datetime) -> datetime:
        """Give the earliest last deadline, but none that the sweeper's cursor may have passed."""
        margin = timedelta(seconds=self._terms.settle_margin_s)
        submit_timeout = timedelta(seconds=self._terms.submit_timeout_s)
        return max(event.valid_until + submit_timeout + margin, now + margin)

    async def record_attempts(self, events: Sequence[AttemptFinished]) -> None:
        """Keep how attempts ended, and match the receipts that came before."""
        now, deadlines = self._clock.now(), self._terms.deadlines
        new = {
            document["_id"]: document
            for event in events
            if event.outcome is not AttemptOutcome.RELEASED
            for document in (docs.attempt_fact(event, now, deadlines),)
        }
        existing = await self._insert_facts(new)
        submitted = [fact for fact in new.values() if "carrier_key" in fact]
        early, matched = await self._match_early(submitted, now)
        # A submitted attempt settles nothing. One that was there already may be a repeat, whose
        # first reader died after it had matched a receipt: it is followed up like the others.
        to_follow = {
            fact["message_id"]
            for fact_id, fact in new.items()
            if fact["kind"] != Kind.SUBMITTED or fact_id in existing
        }
        repeated = {new[fact_id]["message_id"] for fact_id in existing}
        repeated |= early.message_ids - {fact["message_id"] for fact in matched}
        stories = await self._follow_all(to_follow | early.message_ids, repeated)
        self._count_deliveries(matched, stories)
        self._count_conflicts(matched, stories)
        await self._store.remove_early(early.ids)

    async def record_receipts(self, events: Sequence[ReceiptReceived]) -> None:
        """Keep receipts. One that does not name its attempt is kept first and matched second."""
        now = self._clock.now()
        told = {
            fact["_id"]: fact
            for event in events
            if event.attempt_id is not None
            for fact in (docs.receipt_fact(event, event.attempt_id),)
        }
        self._metrics.record_receipts(Receipt.KNOWN, len(told))
        early = await self._keep_early([e for e in events if e.attempt_id is None], now)
        facts = told | early.facts
        existing = await self._insert_facts(facts)
        final = {f["message_id"] for f in facts.values() if f["state"] in _FINAL_STATES}
        repeated = {facts[fact_id]["message_id"] for fact_id in existing}
        stories = await self._follow_all(final, repeated & final)
        new = [fact for fact_id, fact in facts.items() if fact_id not in existing]
        self._count_deliveries(new, stories)
        self._count_conflicts(new, stories)
        await self._store.remove_early(early.ids)

    async def record_calls(self, events: Sequence[VoiceFinished]) -> None:
        """Keep what became of calls."""
        new = {fact["_id"]: fact for fact in map(docs.call_fact, events)}
        await self._insert_facts(new)
        called = {fact["message_id"] for fact in new.values()}
        await self._follow_all(called, called)

    async def _keep_early(self, events: Sequence[ReceiptReceived], now: datetime) -> "_Matched":
        """Write receipts down, then look for attempts: whoever comes second sees the other."""
        early = {
            document["_id"]: document for e in events for document in (docs.early_document(e, now),)
        }
        if not early:
            return _Matched({}, ())
        await self._store.insert_early(list(early.values()))
        keys = {document["carrier_key"] for document in early.values()}
        submitted = await self._store.submitted_under(keys, self._match_since(now))
        matched = _Matched.of(
            (document, submitted[document["carrier_key"]])
            for document in early.values()
            if document["carrier_key"] in submitted
        )
        self._metrics.record_receipts(Receipt.MATCHED, len(matched.ids))
        self._metrics.record_receipts(Receipt.EARLY, len(early) - len(matched.ids))
        return matched

    async def _match_early(
        self, submitted: Sequence[Document], now: datetime
    ) -> tuple["_Matched", list[Document]]:
        """Find the receipts that came before these attempts, and write them down as their facts.

        The second part is what of it had not been written down yet.
        """
        by_key = {key: fact for fact in submitted for key in docs.keys_of_parts(fact)}
        if not by_key:
            return _Matched({}, ()), []
        found = await self._store.early_under(by_key, self._match_since(now))
        matched = _Matched.of((early, by_key[early["carrier_key"]]) for early in found)
        if not matched.facts:
            return matched, []
        self._metrics.record_receipts(Receipt.MATCHED, len(matched.ids))
        existing = await self._insert_facts(matched.facts)
        return matched, [fact for i, fact in matched.facts.items() if i not in existing]

    def _match_since(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self._terms.match_within_s)

    async def _insert_facts(self, new: Mapping[str, Document]) -> set[str]:
        existing = await self._store.insert_facts(list(new.values()))
        self._metrics.record_facts(
            (fact["kind"] for fact_id, fact in new.items() if fact_id not in existing), are_new=True
        )
        self._metrics.record_facts((new[fact_id]["kind"] for fact_id in existing), are_new=False)
        return existing

    def _count_conflicts(self, new: Iterable[Document], stories: Mapping[str, Story]) -> None:
        """Count where a receipt contradicts what was said before it."""
        for fact in new:
            story = stories.get(fact["message_id"])
            for conflict in conflicts_with(story.state, fact["n"]) if story else ():
                self._metrics.record_conflict(conflict)

    def _count_deliveries(self, new: Iterable[Document], stories: Mapping[str, Story]) -> None:
        counted = set()
        for fact in new:
            story = stories.get(fact["message_id"])
            told = (
                (fact["message_id"], fact["n"], fact["state"]) if "parts" in fact else fact["_id"]
            )
            if story is None or told in counted or fact["state"] not in _FINAL_STATES:
                continue
            accepted, attempt = story.state.accepted, story.state.attempts[fact["n"]]
            if fact["state"] == ReceiptState.DELIVERED and attempt.delivered_at is None:
                continue  # of a message in parts, and others are still missing
            counted.add(told)
            handed_over_at = attempt.handed_over_at or fact["at"]
            self._deliveries.count_receipt(
                attempt.channel,
                accepted.country if accepted else fact.get("country", ""),
                fact["state"],
                Reason(fact.get("reason", "")),
                (fact["at"] - handed_over_at).total_seconds(),
            )

    async def look(self, message_ids: Collection[str]) -> dict[str, Story]:
        """Give all that is known of these messages, as of now or later."""
        return await self._look(message_ids, message_ids)

    async def _look(
        self, message_ids: Collection[str], settled_ids: Collection[str]
    ) -> dict[str, Story]:
        """Look whether they are settled only where ``settled_ids`` says so."""
        if not message_ids:
            return {}
        known, facts, settled = await asyncio.gather(
            self._accepted_of(message_ids),
            self._store.facts_of(message_ids),
            self._settled_of(settled_ids),
        )
        return {
            message_id: _story(
                known.get(message_id), facts.get(message_id, ()), settled.get(message_id)
            )
            for message_id in message_ids
        }

    async def _accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        recent = self._recent.of(message_ids)
        older = [message_id for message_id in message_ids if message_id not in recent]
        return recent | await self._store.accepted_of(older) if older else recent

    async def _follow_all(
        self, message_ids: Collection[str], repeated: Collection[str]
    ) -> dict[str, Story]:
        """Look, and do what follows.

        Of what is new nobody asks whether it has settled its message before it tries to: the unique
        id of ``settled`` says so for nothing, and a look costs as much as all the facts. Of a
        repeat, and of whatever is not a verdict, it is asked.
        """
        stories = await self._look(message_ids, repeated)
        actions = {message_id: self._decide(story) for message_id, story in stories.items()}
        unsure = {
            message_id
            for message_id, action in actions.items()
            if isinstance(action, Call | Reroute) and message_id not in repeated
        }
        for message_id, settled in (await self._settled_of(unsure)).items():
            stories[message_id] = stories[message_id]._replace(settled=settled)
            actions[message_id] = self._decide(stories[message_id])
        await self._act((stories[message_id], action) for message_id, action in actions.items())
        return stories

    async def _follow(self, stories: Iterable[Story]) -> None:
        await self._act((story, self._decide(story)) for story in stories)

    def _decide(self, story: Story) -> Action | None:
        return decide(story.state, is_settled=story.settled is not None, now=self._clock.now())

    async def _act(self, decided: Iterable[tuple[Story, Action | None]]) -> None:
        what_follows = [
            Decided(story.state.accepted, story, action)
            for story, action in decided
            if action is not None and story.state.accepted is not None
        ]
        await self._consequences.act(what_follows, SettledBy.RECORD)


def _story(accepted: Accepted | None, facts: Iterable[Fact], settled: Document | None) -> Story:
    return Story(fold(accepted, facts), settled)


class _Matched(NamedTuple):
    """Receipts that have found their attempts: as facts, and their ids among the early ones."""

    facts: dict[str, Document]
    ids: tuple[str, ...]

    @property
    def message_ids(self) -> set[str]:
        return {fact["message_id"] for fact in self.facts.values()}

    @classmethod
    def of(cls, pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> "_Matched":
        facts, ids = {}, []
        for early, submitted in pairs:
            fact = docs.matched_fact(early, submitted)
            facts[fact["_id"]] = fact
            ids.append(early["_id"])
        return cls(facts, tuple(ids))
