"""Telling the router, once a second while something changed, what receipts say of its channels."""

from typing import Final

from receipts.ledger.deliveries import Deliveries
from receipts.ledger.ports import Publisher
from yizhan_runtime import Clock, Retryable, get_logger

log = get_logger(__name__)

_PERIOD_S: Final = 1.0


class DeliveryReporter:
    """Publishes ``delivery.reported``."""

    def __init__(self, deliveries: Deliveries, publisher: Publisher, clock: Clock) -> None:
        self._deliveries = deliveries
        self._publisher = publisher
        self._clock = clock

    async def run(self) -> None:
        """Report for ever."""
        while True:
            await self._clock.sleep(_PERIOD_S)
            await self.report()

    async def report(self) -> None:
        """Publish the channels that changed; what does not get out is reported the next time."""
        reports = self._deliveries.take_changed(self._clock.now())
        if not reports:
            return
        try:
            await self._publisher.publish(reports)
        except Retryable as error:
            log.warning("a report did not get out", extra={"why": str(error)})
            self._deliveries.put_back(reports)
