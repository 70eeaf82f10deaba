"""Saying one matter to customers: what pushing at once, later and again share."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple

from receipts.metrics import Metrics, Push
from receipts.push.domain import Breaker
from receipts.push.endpoints import Target
from receipts.push.ports import Answer, Customers, Heard, I, Matter, Request
from receipts.push.signing import signed
from yizhan_runtime import Clock
from yizhan_runtime.gathering import Gathering

_GATHER_S = 0.02
"""A hundred customers that are pushed to at once read, and remember, with one query."""


class Loaded(NamedTuple):
    """What is to be said of some subjects."""

    items: list[Any]
    said: set[str]
    """It has been said already, or something newer has."""
    unknown: set[str]
    """Nothing is known of them: not yet, or not any more."""


class Speaker(Generic[I]):
    """Loads, sends, remembers. One subject is never being spoken of twice at the same time."""

    def __init__(
        self, matter: Matter[I], customers: Customers, clock: Clock, metrics: Metrics
    ) -> None:
        self.matter = matter
        self._customers = customers
        self._clock = clock
        self._metrics = metrics
        self._speaking_of: set[str] = set()
        self._loading = Gathering(matter.load, clock, _GATHER_S)
        self._remembering = Gathering(self._remember_all, clock, _GATHER_S)

    async def load(self, subject_ids: Collection[str]) -> Loaded:
        """Read what is to be said: the state now, not that of the event (rule ``pushread``)."""
        items, said = await self._loading.add(subject_ids)
        mine = [items[subject_id] for subject_id in subject_ids if subject_id in items]
        fresh = [
            item for item in mine if not self.matter.is_said(item, said.get(item.subject_id, ()))
        ]
        over = {item.subject_id for item in mine} - {item.subject_id for item in fresh}
        self._metrics.record_pushed(self.matter.about, Push.REPEATED, len(over))
        return Loaded(fresh, over, {one for one in subject_ids if one not in items})

    async def load_again(self, subject_ids: Collection[str]) -> list[I]:
        """Read what can be said of these now, whether it was said before or not."""
        items, _ = await self._loading.add(subject_ids)
        return [items[subject_id] for subject_id in subject_ids if subject_id in items]

    @contextmanager
    def speaking_of(self, items: Sequence[I]) -> Iterator[list[I]]:
        """Keep others from saying the same meanwhile; give those that nobody else is saying."""
        free = [item for item in items if item.subject_id not in self._speaking_of]
        ids = {item.subject_id for item in free}
        self._speaking_of |= ids
        try:
            yield free
        finally:
            self._speaking_of -= ids

    async def say(self, target: Target, breaker: Breaker, items: Sequence[I]) -> bool:
        """Send one POST; True if the customer acknowledged it."""
        begun = self._clock.monotonic()
        breaker.begin()
        try:
            heard = await self.post(target, items)
        except BaseException:
            breaker.failed(self._clock.monotonic())
            raise
        now, answer = self._clock.monotonic(), self.answer_of(heard)
        about = self.matter.about
        self._metrics.record_post(about, answer, now - begun, len(items))
        if answer is not Answer.ACKNOWLEDGED:
            breaker.failed(now)
            return False
        breaker.succeeded()
        self._metrics.record_pushed(about, Push.ACKNOWLEDGED, len(items))
        return True

    async def post(self, target: Target, items: Sequence[I]) -> Heard:
        """Render, sign and send, and nothing else."""
        webhook_id, body = self.matter.render(items)
        now = self._clock.now()
        signatures = signed(target.signing_keys(now), webhook_id, now, body)
        headers = {**self.matter.headers, **signatures}
        return await self._customers.post(Request(target.url, body, headers, target.timeout_s))

    def answer_of(self, heard: Heard) -> Answer:
        """Judge what came of a POST."""
        if heard.failure is not None:
            return heard.failure
        return Answer.ACKNOWLEDGED if self.matter.is_acknowledged(heard) else Answer.REFUSED

    async def remember(self, items: Sequence[I]) -> None:
        """Write down what was acknowledged: a repeat is not pushed again."""
        await self._remembering.add(items)

    async def _remember_all(self, items: Sequence[I]) -> None:
        await self.matter.save_said(items, self._clock.now())
