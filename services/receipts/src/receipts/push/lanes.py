"""One lane per customer endpoint: its own queue, concurrency and breaker."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from receipts.push.domain import Breaker
from receipts.push.endpoints import Endpoint
from yizhan_runtime import OpenRecord


@dataclass(slots=True)
class Entry:
    """A message whose push has been asked for by a record."""

    message_id: str
    record: OpenRecord[Any]
    since: float


@dataclass(slots=True)
class Lane:
    """What is on its way to one endpoint."""

    account_id: str
    endpoint: Endpoint
    queue: deque[Entry] = field(default_factory=deque)
    running: int = 0
    """Requests that are being sent, by either way."""
    is_gathering: bool = False
    """Somebody waits for the queue to fill a little."""
    breaker: Breaker = field(default_factory=Breaker)

    @property
    def free_slots(self) -> int:
        return max(0, self.endpoint.concurrency - self.running)


class Lanes:
    """The lanes of all accounts that have an endpoint."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._lanes = {
            account_id: Lane(account_id, endpoint) for account_id, endpoint in endpoints.items()
        }

    def of(self, account_id: str) -> Lane | None:
        """Give an account's lane, if it has an endpoint."""
        return self._lanes.get(account_id)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def count_resting(self, now: float) -> int:
        return sum(lane.breaker.is_resting(now) for lane in self._lanes.values())
