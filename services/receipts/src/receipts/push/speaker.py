"""Saying to a customer what ``settled`` says now: what pushing at once and later share."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from receipts.metrics import Metrics, Push
from receipts.push.lanes import Lane
from receipts.push.ports import Answer, Customers, PushStore
from receipts.push.s3 import (
    Result,
    S3Status,
    body_of,
    result_of_failed_sms,
    result_of_settled,
)
from yizhan_runtime import Clock
from yizhan_runtime.gathering import Gathering

_GATHER_S = 0.02
"""A hundred customers that are pushed to at once read, and remember, with one query."""


class Loaded(NamedTuple):
    """What is to be said of some messages."""

    results: list[Result]
    said: set[str]
    """It has been said already, or something newer has."""
    unknown: set[str]
    """Nothing is known of them, which cannot be."""


class Speaker:
    """Loads, sends, remembers. One message is never being said twice at the same time."""

    def __init__(
        self, store: PushStore, customers: Customers, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._customers = customers
        self._clock = clock
        self._metrics = metrics
        self._speaking_of: set[str] = set()
        self._loading = Gathering(self._load_all, clock, _GATHER_S)
        self._remembering = Gathering(self._remember_all, clock, _GATHER_S)

    async def load(self, message_ids: Collection[str]) -> Loaded:
        """Read what is to be said: the state now, not that of the event (rule ``pushread``)."""
        results, pushed = await self._loading.add(message_ids)
        mine = [results[message_id] for message_id in message_ids if message_id in results]
        fresh = [r for r in mine if not _is_said(r.status, pushed.get(r.message_id, ()))]
        said = {r.message_id for r in mine} - {r.message_id for r in fresh}
        self._metrics.record_pushed(Push.REPEATED, len(said))
        return Loaded(fresh, said, {m for m in message_ids if m not in results})

    async def _load_all(
        self, message_ids: Sequence[str]
    ) -> tuple[dict[str, Result], dict[str, set[S3Status]]]:
        settled, pushed = await asyncio.gather(
            self._store.settled_of(message_ids), self._store.pushed_of(message_ids)
        )
        results = [result_of_settled(document) for document in settled.values()]
        open_ids = [message_id for message_id in message_ids if message_id not in settled]
        if open_ids:
            results += await self._failed_sms(open_ids)
        return {result.message_id: result for result in results}, pushed

    async def _failed_sms(self, message_ids: Collection[str]) -> list[Result]:
        """Read of messages that are still open for their call: their SMS is final."""
        accepted, requested = await asyncio.gather(
            self._store.accepted_of(message_ids), self._store.failed_sms_of(message_ids)
        )
        return [
            result_of_failed_sms(accepted[message_id], requested[message_id])
            for message_id in message_ids
            if message_id in accepted and message_id in requested
        ]

    @contextmanager
    def speaking_of(self, results: Sequence[Result]) -> Iterator[list[Result]]:
        """Keep others from saying the same meanwhile; give those that nobody else is saying."""
        free = [r for r in results if r.message_id not in self._speaking_of]
        ids = {result.message_id for result in free}
        self._speaking_of |= ids
        try:
            yield free
        finally:
            self._speaking_of -= ids

    async def say(self, lane: Lane, results: Sequence[Result]) -> bool:
        """Send one POST; True if the customer acknowledged it."""
        begun = self._clock.monotonic()
        lane.breaker.begin()
        try:
            answer = await self._customers.post(lane.endpoint, body_of(results))
        except BaseException:
            lane.breaker.failed(self._clock.monotonic())
            raise
        now = self._clock.monotonic()
        self._metrics.record_post(answer, now - begun, len(results))
        if answer is not Answer.ACKNOWLEDGED:
            lane.breaker.failed(now)
            return False
        lane.breaker.succeeded()
        self._metrics.record_pushed(Push.ACKNOWLEDGED, len(results))
        return True

    async def remember(self, results: Sequence[Result]) -> None:
        """Write down what was acknowledged, as facts: a repeat is not pushed again."""
        await self._remembering.add([(result.message_id, result.status) for result in results])

    async def _remember_all(self, said: Sequence[tuple[str, S3Status]]) -> None:
        await self._store.save_pushed(said, self._clock.now())


def _is_said(status: S3Status, pushed: Collection[S3Status]) -> bool:
    """Tell whether this has been said, or the success after which nothing more is said."""
    return S3Status.SUCCESS in pushed or status in pushed
