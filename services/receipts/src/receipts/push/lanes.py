"""One lane per customer's address: its own queue, concurrency and breaker."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from receipts.push.domain import Breaker
from receipts.push.endpoints import About, Endpoint, Target, lane_id_of
from receipts.push.speaker import Speaker
from yizhan_runtime import OpenRecord


@dataclass(slots=True)
class Entry:
    """A subject whose push has been asked for by a record."""

    subject_id: str
    record: OpenRecord[Any]
    since: float


@dataclass(slots=True, eq=False)
class Lane:
    """What is on its way to one address."""

    target: Target
    speaker: Speaker[Any]
    queue: deque[Entry] = field(default_factory=deque)
    running: int = 0
    """Requests that are being sent, by any way."""
    is_gathering: bool = False
    """Somebody waits for the queue to fill a little."""
    breaker: Breaker = field(default_factory=Breaker)

    @property
    def free_slots(self) -> int:
        return max(0, self.target.concurrency - self.running)

    def is_quiet(self, now: float) -> bool:
        """Tell whether nothing is to be sent; ``now`` is monotonic, in seconds."""
        return self.target.is_paused or self.breaker.is_resting(now)

    def day_began(self, first_at: datetime) -> datetime:
        """Say from when something is tried for a day: while it is paused, nothing is tried."""
        resumed_at = self.target.resumed_at
        return first_at if resumed_at is None else max(first_at, resumed_at)


class Lanes:
    """The lanes of all accounts that have an endpoint, as the endpoints are now."""

    def __init__(self, speakers: Mapping[About, Speaker[Any]]) -> None:
        self._speakers = speakers
        self._lanes: dict[str, Lane] = {}
        self._versions: dict[str, int] = {}

    def put(self, endpoint: Endpoint) -> None:
        """Take an endpoint as it is now. What is being sent goes to where it was."""
        if endpoint.version < self._versions.get(endpoint.account_id, 0):
            return
        self._versions[endpoint.account_id] = endpoint.version
        for about, speaker in self._speakers.items():
            target, lane_id = endpoint.target(about), lane_id_of(about, endpoint.account_id)
            lane = self._lanes.get(lane_id)
            if target is None:
                self._lanes.pop(lane_id, None)
            elif lane is None:
                self._lanes[lane_id] = Lane(target, speaker)
            else:
                if _is_fresh(lane.target, target):
                    lane.breaker.succeeded()
                lane.target = target

    def of(self, about: About, account_id: str) -> Lane | None:
        """Give an account's lane, if it has such an address."""
        return self._lanes.get(lane_id_of(about, account_id))

    def find(self, lane_id: str) -> Lane | None:
        return self._lanes.get(lane_id)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def count_resting(self, now: float) -> int:
        return sum(lane.breaker.is_resting(now) for lane in self._lanes.values())


def _is_fresh(before: Target, now: Target) -> bool:
    """Tell whether what is known of an address's health is over: it is another, or was mended."""
    return before.url != now.url or before.resumed_at != now.resumed_at
