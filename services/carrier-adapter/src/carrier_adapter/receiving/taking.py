"""Taking receipts, whichever protocol brings them: normalised, published, acknowledged."""

from collections.abc import Callable, Iterable
from typing import Any

from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.ports import EventPublisher
from carrier_adapter.receiving.normalise import BadReceiptError, normalise, read
from carrier_adapter.receiving.remembered import RememberedIds
from yizhan_contracts.events import ChannelConfigured, ReceiptReceived
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal, Retryable
from yizhan_runtime.gathering import Gathering

Problem = dict[str, Any]

_INTERVAL_S = 0.025
"""Rounds of publishing begin so far apart: many carriers send each receipt in a call of its own."""


class Taking:
    """Publishes what it can read, with what others bring meanwhile, in one go."""

    def __init__(
        self,
        publisher: EventPublisher,
        remembered: RememberedIds,
        clock: Clock,
        metrics: AdapterMetrics,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._publishing = Gathering(publisher.publish, clock, _INTERVAL_S)
        self._remembered = remembered
        self._clock = clock
        self._metrics = metrics
        self._fail = fail

    async def take(
        self, channel: ChannelConfigured, items: Iterable[Any]
    ) -> tuple[int, list[Problem]]:
        """Take a call's receipts; give how many Kafka has, and what is wrong with the others.

        Raises Retryable: Kafka may or may not have them.
        """
        receipts, problems = self._read_all(channel, items)
        try:
            await self._publishing.add(receipts)
        except Fatal as error:
            self._fail(error)
            raise Retryable("the producer is broken") from error
        for receipt in receipts:
            self._metrics.receipts.labels(channel.channel, receipt.state.value).inc()
        return len(receipts), problems

    def refused(self, channel: str, why: str) -> None:
        """Count what could not be taken."""
        self._metrics.receipts_refused.labels(channel, why).inc()

    def _read_all(
        self, channel: ChannelConfigured, items: Iterable[Any]
    ) -> tuple[list[ReceiptReceived], list[Problem]]:
        now = self._clock.now()
        receipts: list[ReceiptReceived] = []
        problems: list[Problem] = []
        for index, item in enumerate(items):
            try:
                receipts.append(normalise(read(item), channel, self._remembered, now))
            except BadReceiptError as error:
                self.refused(channel.channel, "bad-receipt")
                problems.append({"index": index, "problem": str(error)})
        return receipts, problems
