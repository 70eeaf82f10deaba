"""Taking receipts, whichever protocol brings them: normalised, published, acknowledged."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.ports import EventPublisher
from carrier_adapter.receiving.normalise import (
    BadReceiptError,
    CarrierReceipt,
    normalise,
    read,
    read_reply,
)
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.receiving.replies import CarrierReply, Replies, ReplyPartStore
from yizhan_contracts.events import ChannelConfigured, ReceiptReceived, ReplyReceived
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal, Retryable
from yizhan_runtime.gathering import Gathering
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

Problem = dict[str, Any]
T = TypeVar("T")

_INTERVAL_S = 0.025
"""Rounds of publishing begin so far apart: many carriers send each receipt in a call of its own."""
_LEFT_OVER_EVERY_S = 60.0
_MOST_LEFT_OVER = 500


class Taking:
    """Publishes what it can read, with what others bring meanwhile, in one go."""

    def __init__(
        self,
        publisher: EventPublisher,
        remembered: RememberedIds,
        parts: ReplyPartStore,
        clock: Clock,
        metrics: AdapterMetrics,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._replies = Replies(parts, secrets.token_hex, self.refused)
        self._publishing = Gathering(publisher.publish, clock, _INTERVAL_S)
        self._remembered = remembered
        self._clock = clock
        self._metrics = metrics
        self.fail = fail

    async def take(
        self, channel: ChannelConfigured, items: Iterable[Any]
    ) -> tuple[int, list[Problem]]:
        """Take a call's receipts; give how many Kafka has, and what is wrong with the others.

        Raises Retryable: Kafka may or may not have them.
        """
        now = self._clock.now()
        said, problems = self._read_each(channel, items, read, "bad-receipt")
        await self._publish([normalise(one, channel, self._remembered, now) for one in said])
        return len(said), problems

    async def take_replies(
        self, channel: ChannelConfigured, items: Iterable[Any]
    ) -> tuple[int, list[Problem]]:
        """Take a call's replies, as ``take`` takes receipts. Each is whole, and has an id."""
        replies, problems = self._read_each(channel, items, read_reply, "bad-reply")
        await self.take_all(channel, (), replies)
        return len(replies), problems

    async def take_all(
        self,
        channel: ChannelConfigured,
        receipts: Iterable[CarrierReceipt],
        replies: Iterable[CarrierReply],
    ) -> None:
        """Take what a protocol of sessions brought. Raises Retryable: perhaps none of it is taken.

        A part of a long reply is taken when it is stored: see ``publish_left_over``.
        """
        now = self._clock.now()
        events: list[ReceiptReceived | ReplyReceived] = [
            normalise(receipt, channel, self._remembered, now) for receipt in receipts
        ]
        joined = await self._replies.join(channel, replies, now)
        await self._publish([*events, *joined.replies])
        await self._replies.drop(joined.part_ids)

    async def publish_left_over(self) -> None:
        """Publish, for ever, what came of long replies whose other parts did not."""
        while True:
            await self._clock.sleep(_LEFT_OVER_EVERY_S)
            try:
                left = await self._replies.left_over(self._clock.now(), _MOST_LEFT_OVER)
                await self._publish(left.replies)
                await self._replies.drop(left.part_ids)
            except Retryable as error:
                log.warning("parts of replies wait", extra={"why": str(error)})

    async def _publish(self, events: Sequence[ReceiptReceived | ReplyReceived]) -> None:
        if not events:
            return
        try:
            await self._publishing.add(events)
        except Fatal as error:
            self.fail(error)
            raise Retryable("the producer is broken") from error
        for event in events:
            if isinstance(event, ReceiptReceived):
                self._metrics.receipts.labels(event.channel, event.state.value).inc()
            else:
                self._metrics.replies.labels(event.channel).inc()

    def refused(self, channel: str, why: str) -> None:
        """Count what could not be taken."""
        self._metrics.receipts_refused.labels(channel, why).inc()

    def _read_each(
        self,
        channel: ChannelConfigured,
        items: Iterable[Any],
        read_one: Callable[[Any], T],
        why: str,
    ) -> tuple[list[T], list[Problem]]:
        """Read what can be read: a bad one costs the others nothing."""
        found: list[T] = []
        problems: list[Problem] = []
        for index, item in enumerate(items):
            try:
                found.append(read_one(item))
            except BadReceiptError as error:
                self.refused(channel.channel, why)
                problems.append({"index": index, "problem": str(error)})
        return found, problems
