"""Setting records aside: parked on a retry topic, or dead-lettered, always with their original bytes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from yizhan_contracts.topics import RETRY_DELAYS_S
from yizhan_runtime import records as r
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal
from yizhan_runtime.publisher import Outgoing, Publisher
from yizhan_runtime.records import RawRecord

BUDGET = ("5s", "5s", "5s", "60s", "60s", "60s", "60s", "60s")
"""The delays that a failing record goes through before it is dead-lettered: some five minutes in all."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A record to be set aside: ``delay`` names a retry topic, None is the DLQ."""

    raw: RawRecord
    reason: str
    error: str = ""
    delay: str | None = None
    counts: bool = True


class DlqLimit:
    """Stops a consumer of internal topics that sees mostly poison: a bad deploy must not empty a topic.

    Raises Fatal when, of the last ``window`` records, at least ``minimum`` and more than half were poison.
    """

    def __init__(self, *, window: int = 500, minimum: int = 50) -> None:
        self._recent: deque[bool] = deque(maxlen=window)
        self._minimum = minimum
        self._poison = 0

    def saw(self, poison: int, good: int) -> None:
        """Count a batch, before its poison is set aside."""
        for is_poison in (True,) * poison + (False,) * good:
            if len(self._recent) == self._recent.maxlen:
                self._poison -= self._recent[0]
            self._recent.append(is_poison)
            self._poison += is_poison
        if self._poison >= self._minimum and self._poison * 2 > len(self._recent):
            raise Fatal(
                f"{self._poison} of the last {len(self._recent)} records could not be read: "
                "stopping instead of moving a whole topic to the DLQ"
            )


class SetAside:
    """Parks and dead-letters the records of one service."""

    def __init__(self, service: str, publisher: Publisher, clock: Clock) -> None:
        self._service = service
        self._publisher = publisher
        self._clock = clock

    async def put(self, asides: Sequence[Aside]) -> None:
        """Make all of them durable where they belong. Raises as Publisher does."""
        await self._publisher.publish_records([self._outgoing(aside) for aside in asides])

    def next_delay(self, raw: RawRecord) -> str | None:
        """Give the delay before the next try of a failing record, None when its budget is used up."""
        return BUDGET[raw.attempt] if raw.attempt < len(BUDGET) else None

    def _outgoing(self, aside: Aside) -> Outgoing:
        raw = aside.raw
        if aside.delay is None:
            topic, notes = f"{self._service}.dlq", self._dlq_headers(aside)
        else:
            topic, notes = (
                f"{self._service}.retry.{aside.delay}",
                self._retry_headers(aside, aside.delay),
            )
        key = raw.key
        if key is None and raw.value is None:
            # aiokafka refuses to write a record with neither; other clients do write them.
            key, notes = b"", (*notes, (r.HEADER_NULL_KEY, b"1"))
        return Outgoing(topic, key, raw.value, None, (*raw.headers, *notes))

    def _retry_headers(self, aside: Aside, delay: str) -> r.Headers:
        raw, now_ms = aside.raw, int(self._clock.now().timestamp() * 1000)
        return (
            (r.HEADER_ORIGIN, raw.origin.encode()),
            (r.HEADER_ATTEMPT, b"%d" % (raw.attempt + aside.counts)),
            (r.HEADER_FIRST_SEEN, b"%d" % (raw.first_seen_ms or now_ms)),
            (r.HEADER_NOT_BEFORE, b"%d" % (now_ms + int(RETRY_DELAYS_S[delay] * 1000))),
            (r.HEADER_REASON, aside.reason.encode()[:200]),
        )

    def _dlq_headers(self, aside: Aside) -> r.Headers:
        return (
            ("dlq-reason", aside.reason.encode()[:200]),
            ("dlq-error", aside.error.encode()[:1000]),
            ("dlq-origin", aside.raw.origin.encode()),
            ("dlq-attempts", b"%d" % aside.raw.attempt),
        )
