"""Where requests come in and go out: one call per message, whoever else reads of it joins."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from voice_fallback.calling.call import Call, HeldBack, Tools
from voice_fallback.calling.patience import patiently
from voice_fallback.domain import facts
from voice_fallback.domain.story import RingResult, parse_ref
from voice_fallback.ports import EventPublisher
from yizhan_contracts.events import CallOutcome, VoiceFinished, VoiceRequested
from yizhan_runtime.logs import get_logger
from yizhan_runtime.window import OpenRecord

log = get_logger(__name__)

Opened = OpenRecord[VoiceRequested]


@dataclass
class _Open:
    """A call in hand, and the records that wait for it."""

    call: Call
    request: VoiceRequested
    records: list[Opened]
    task: "asyncio.Task[None] | None" = field(default=None)


class Desk:
    """Runs calls. A record is finished when its call's outcome is stored and published."""

    def __init__(self, tools: Tools, publisher: EventPublisher) -> None:
        self._t = tools
        self._publisher = publisher
        self._in_hand: dict[str, _Open] = {}
        self._waiting: list[_Open] = []
        self._wake = asyncio.Event()

    @property
    def in_hand(self) -> int:
        """Count the calls in hand."""
        return len(self._in_hand)

    def take(self, records: Sequence[Opened]) -> None:
        """Begin records. Only queues."""
        for opened in records:
            request = opened.record.event
            known = self._in_hand.get(request.message_id)
            if known is not None:
                known.records.append(opened)
                continue
            begun = _Open(Call(request, self._t), request, [opened])
            self._in_hand[request.message_id] = begun
            self._waiting.append(begun)
        self._wake.set()

    def forget(self, _revoked: Collection[Opened]) -> None:
        """Let go of calls that have claimed no ring; those that have go on to their end."""
        for message_id, known in list(self._in_hand.items()):
            if known.call.is_begun:
                continue
            for opened in [one for one in known.records if one.is_revoked]:
                known.records.remove(opened)
                opened.abandon()
            if not known.records:
                del self._in_hand[message_id]
                if known.task is not None:
                    known.task.cancel()

    async def run(self) -> None:
        """Work for ever. A call that raises ends it."""
        async with asyncio.TaskGroup() as calls:
            while True:
                await self._wake.wait()
                self._wake.clear()
                begun, self._waiting = self._waiting, []
                for one in begun:
                    if one.records:
                        one.task = calls.create_task(self._follow(one))

    async def report(self, result: RingResult) -> None:
        """Take a provider's report: stored, then handed to who waits. Raises Retryable.

        A call that was answered after it had been given up as unknown is told as a fact of its own.
        """
        await self._t.store.insert_result(result)
        if self._t.results.arrived(result) or result.outcome is not CallOutcome.ANSWERED:
            return
        message_id, k = parse_ref(result.ref)
        story = await self._t.store.load_story(message_id)
        if story.chain is None or story.outcome is None:
            return
        if story.outcome.outcome is CallOutcome.UNKNOWN:
            self._t.metrics.late_reports.inc()
            log.info("a late report", extra={"ref": result.ref})
            account_id, now = story.chain.account_id, self._t.clock.now()
            await self._publisher.publish([facts.of_result(message_id, account_id, result, k, now)])

    async def _follow(self, known: _Open) -> None:
        try:
            done = await known.call.run()
        except HeldBack:
            self._put_aside(known)
            return
        told = [VoiceFinished.model_validate_json(fact) for fact in done]
        await patiently(self._t.clock, lambda: self._publisher.publish(told))
        self._count(known.request, told[-1])
        self._in_hand.pop(known.request.message_id, None)
        for opened in known.records:
            opened.finish()

    def _put_aside(self, known: _Open) -> None:
        """Look at a held call again a little later; on the retry topic it stops no other."""
        self._in_hand.pop(known.request.message_id, None)
        for opened in known.records:
            opened.park("held", "5s", counts=False)

    def _count(self, request: VoiceRequested, finished: VoiceFinished) -> None:
        self._t.metrics.calls.labels(finished.outcome.value, finished.reason.value).inc()
        seconds = (self._t.clock.now() - request.requested_at).total_seconds()
        self._t.metrics.seconds.labels(finished.outcome.value).observe(max(0.0, seconds))
