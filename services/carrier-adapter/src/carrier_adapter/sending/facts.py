"""The last steps of an attempt, for many at a time: store its outcome, publish it, let it go."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from carrier_adapter.domain.claims import Outcome
from carrier_adapter.domain.facts import address_of, to_json
from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.ports import AttemptStore, EventPublisher
from carrier_adapter.sending.flight import Flight
from carrier_adapter.sending.waiting import wait_until
from yizhan_contracts.events import AttemptFinished
from yizhan_runtime.clock import Clock, backoff_s
from yizhan_runtime.errors import Permanent, Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.publisher import Outgoing

log = get_logger(__name__)

_MOST = 1_000
_INTERVAL_S = 0.05
"""Rounds begin so far apart: an insert and a publish cost as much as twenty messages."""
_ENOUGH = 100
"""So many facts do not wait."""


@dataclass(slots=True)
class _Said:
    """What is to be said of one attempt. Without a flight nobody waits for it."""

    attempt_id: str
    facts: tuple[bytes, ...]
    flight: Flight | None = None
    is_outcome: bool = False
    """To be stored first."""


class FactWriter:
    """Stores outcomes before it publishes them, and ends a flight only when Kafka has its facts.

    Never gives up: while MongoDB or Kafka is away it tries again, and what it holds stays open.
    Only one round runs at a time; what comes meanwhile goes together in the next.
    """

    def __init__(
        self,
        store: AttemptStore,
        publisher: EventPublisher,
        clock: Clock,
        on_stored: Callable[[Flight], None],
        on_done: Callable[[Flight], None],
        metrics: AdapterMetrics,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._on_stored = on_stored
        self._on_done = on_done
        self._metrics = metrics
        self._began_at = float("-inf")
        self._pending: list[_Said] = []
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Begin the next round now: a window is full, and what is stored makes room."""
        self._hurry.set()

    def conclude(self, flight: Flight, facts: Sequence[AttemptFinished]) -> None:
        """Store facts as the flight's outcome, publish them, end the flight."""
        self._add(_Said(flight.attempt_id, tuple(map(to_json, facts)), flight, is_outcome=True))

    def report(self, flight: Flight, fact: AttemptFinished) -> None:
        """Publish a fact that is no outcome of ours (nothing was claimed by us), end the flight."""
        self._metrics.unclaimed.labels(fact.channel, fact.outcome.value).inc()
        self._add(_Said(flight.attempt_id, (to_json(fact),), flight))

    def repeat(self, flight: Flight, outcome: Outcome) -> None:
        """Publish a stored outcome again, end the flight."""
        self._metrics.repeated.inc()
        self._add(_Said(flight.attempt_id, outcome.facts, flight))

    def drop(self, flight: Flight) -> None:
        """End a flight of which there is nothing to say."""
        self._on_done(flight)

    def add_late(self, attempt_id: str, facts: Sequence[AttemptFinished]) -> None:
        """Publish what was learnt of an attempt after its outcome, as facts of their own."""
        self._add(_Said(attempt_id, tuple(map(to_json, facts))))

    def _add(self, said: _Said) -> None:
        self._pending.append(said)
        self._wake.set()
        if len(self._pending) >= _ENOUGH:
            self._hurry.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._wake.wait()
            await self._keep_interval()
            batch, self._pending = self._pending[:_MOST], self._pending[_MOST:]
            if not self._pending:
                self._wake.clear()
            await self._patiently(self._store_all, batch)
            flights = [said.flight for said in batch if said.flight is not None]
            for flight in flights:
                self._on_stored(flight)
            await self._patiently(self._publish_all, batch)
            for flight in flights:
                self._on_done(flight)

    async def _keep_interval(self) -> None:
        pause_s = self._began_at + _INTERVAL_S - self._clock.monotonic()
        if pause_s > 0:
            await wait_until(self._hurry, self._clock, pause_s)
        self._hurry.clear()
        self._began_at = self._clock.monotonic()

    async def _store_all(self, batch: Sequence[_Said]) -> None:
        new = {said.attempt_id: said for said in batch if said.is_outcome}
        if not new:
            return
        outcomes = [Outcome(said.attempt_id, said.facts) for said in new.values()]
        there = await self._store.insert_outcomes(outcomes)
        if not there:
            return
        stored = await self._store.load_outcomes(there)
        for attempt_id, outcome in stored.items():
            said = new[attempt_id]
            # Our own, from a try that timed out. If it ever were another's, both are true facts.
            said.facts = tuple(dict.fromkeys((*outcome.facts, *said.facts)))

    async def _publish_all(self, batch: Sequence[_Said]) -> None:
        try:
            await self._publisher.publish_records([one for said in batch for one in _records(said)])
        except Permanent:
            for said in batch:
                await self._publish_alone(said)

    async def _publish_alone(self, said: _Said) -> None:
        """Find the one that can never be published: it goes to the DLQ and blocks nothing."""
        try:
            await self._publisher.publish_records(_records(said))
        except Permanent as error:
            log.exception("a fact cannot be published", extra={"attempt_id": said.attempt_id})
            if said.flight is not None:
                said.flight.opened.park("unpublishable", None, error=str(error))

    async def _patiently(self, step: Callable[[Any], Awaitable[None]], batch: list[_Said]) -> None:
        tries = 0
        while True:
            try:
                return await step(batch)
            except Retryable as error:
                tries += 1
                log.warning("facts wait", extra={"why": str(error), "facts": len(batch)})
                await self._clock.sleep(backoff_s(tries))


def _records(said: _Said) -> list[Outgoing]:
    place = address_of(said.attempt_id)
    return [Outgoing(place.topic, place.key, fact, place.partition) for fact in said.facts]
