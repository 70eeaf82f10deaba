"""Conservation: every accepted message is settled or in flight, by the ids in the stores."""

from datetime import UTC, datetime
from typing import Any, Final, Protocol

from yizhan_contracts import ids
from yizhan_contracts.events import Status
from yizhan_runtime import Clock

_PAGE: Final = 5000
_NAMED: Final = 100


class ConservationStore(Protocol):
    """Pages through the two collections, by ids."""

    async def settled_page(self, after: str, below: str, limit: int) -> list[tuple[str, str]]:
        """Give settled messages: ids and statuses."""
        ...

    async def message_ids(
        self, after: str, below: str, limit: int
    ) -> list[tuple[str, datetime]]: ...


class Conservation:
    """Merges ``settled`` and ``messages``, in this order: the other shows leaks that are none."""

    def __init__(self, store: ConservationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def count(self, since: datetime | None, until: datetime | None) -> dict[str, Any]:
        """Count the messages whose ids were drawn from ``since`` until ``until`` (all, now)."""
        after = _id_at(since or datetime(1970, 1, 1, tzinfo=UTC))
        below = _id_at(until or self._clock.now())
        tally = _Tally()
        while page := await self._store.settled_page(after, below, _PAGE):
            last = page[-1][0]
            tally.add(page, await self._messages(after, last + "\0"))
            after = last
        tally.add([], await self._messages(after, below))
        return tally.report(since, until or self._clock.now())

    async def _messages(self, after: str, below: str) -> list[str]:
        found: list[str] = []
        while page := await self._store.message_ids(after, below, _PAGE):
            found += (message_id for message_id, _ in page)
            after = page[-1][0]
        return found


class _Tally:
    """Counts, and the first ids of what is open or should not be."""

    def __init__(self) -> None:
        self.accepted = 0
        self.settled = dict.fromkeys(map(str, Status), 0)
        self.in_flight = 0
        self.in_flight_ids: list[str] = []
        self.never_accepted_ids: list[str] = []

    def add(self, settled: list[tuple[str, str]], messages: list[str]) -> None:
        for _, status in settled:
            self.settled[status] += 1
        settled_ids, message_ids = {message_id for message_id, _ in settled}, set(messages)
        left = [message_id for message_id in messages if message_id not in settled_ids]
        self.accepted += len(messages)
        self.in_flight += len(left)
        self.in_flight_ids += left[: _NAMED - len(self.in_flight_ids)]
        self.never_accepted_ids += sorted(settled_ids - message_ids)

    def report(self, since: datetime | None, until: datetime) -> dict[str, Any]:
        return {
            "since": since.isoformat() if since else None,
            "until": until.isoformat(),
            "accepted": self.accepted,
            "settled": self.settled,
            "in_flight": self.in_flight,
            "in_flight_ids": self.in_flight_ids,
            "never_accepted_ids": self.never_accepted_ids[:_NAMED],
            "holds": self.accepted == sum(self.settled.values()) + self.in_flight,
        }


def _id_at(at: datetime) -> str:
    return ids.first_message_id(int(at.timestamp() * 1000))
