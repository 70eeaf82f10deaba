"""The queue of a channel: three lanes drawn 8:3:1, at most one open message per recipient."""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from yizhan_contracts.events import Lane

WEIGHTS = {Lane.URGENT: 8, Lane.STANDARD: 3, Lane.BULK: 1}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Place(Generic[T]):
    """Where an item stands; numbers grow in the order of arrival."""

    number: int
    lane: Lane
    recipient: Hashable
    item: T


class LaneQueue(Generic[T]):
    """Queues items by lane. A taken item's recipient is busy until ``release``.

    Of one lane and recipient the order is kept; between lanes none is promised.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[_Place[T]]] = {lane: deque() for lane in WEIGHTS}
        self._credit = dict.fromkeys(WEIGHTS, 0)
        self._busy: set[Hashable] = set()
        self._behind: dict[Hashable, deque[_Place[T]]] = {}
        self._size = 0
        self._number = 0
        self._first = 0

    def __len__(self) -> int:
        """Count what waits, behind a busy recipient too."""
        return self._size

    @property
    def ready(self) -> int:
        """Count what does not wait for a recipient."""
        return sum(map(len, self._lanes.values()))

    def put(self, lane: Lane, recipient: Hashable, item: T) -> None:
        """Queue an item at the end of its lane."""
        self._size += 1
        self._number += 1
        self._lanes[lane].append(_Place(self._number, lane, recipient, item))

    def put_first(self, lane: Lane, recipient: Hashable, item: T) -> None:
        """Queue an item at the head of its lane: it has waited elsewhere."""
        self._size += 1
        self._first -= 1
        self._lanes[lane].appendleft(_Place(self._first, lane, recipient, item))

    def take(self) -> T | None:
        """Draw the next item and make its recipient busy; None when nothing can go."""
        while (lane := self._draw()) is not None:
            place = self._lanes[lane].popleft()
            if place.recipient in self._busy:
                self._stand_behind(place)
                continue
            self._charge(lane)
            self._busy.add(place.recipient)
            self._size -= 1
            return place.item
        return None

    def _stand_behind(self, place: _Place[T]) -> None:
        behind = self._behind.setdefault(place.recipient, deque())
        # One that had been let go and was overtaken by another lane is first again.
        if behind and behind[0].number > place.number:
            behind.appendleft(place)
        else:
            behind.append(place)

    def release(self, recipient: Hashable) -> None:
        """Let the next item to this recipient go, ahead of its lane: it was first."""
        self._busy.discard(recipient)
        behind = self._behind.get(recipient)
        if behind:
            place = behind.popleft()
            self._lanes[place.lane].appendleft(place)
        if not behind:
            self._behind.pop(recipient, None)

    def pull(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Take everything out that ``unwanted`` names, whatever its turn and recipient."""
        pulled: list[T] = []
        for lane, waiting in self._lanes.items():
            self._lanes[lane] = _without(waiting, unwanted, pulled)
        for recipient, behind in list(self._behind.items()):
            self._behind[recipient] = _without(behind, unwanted, pulled)
            if not self._behind[recipient]:
                del self._behind[recipient]
        self._size -= len(pulled)
        return pulled

    def _draw(self) -> Lane | None:
        """Choose by credit among the lanes that have something; a draw costs nothing yet."""
        filled = [lane for lane, waiting in self._lanes.items() if waiting]
        if not filled:
            return None
        return max(filled, key=lambda lane: self._credit[lane] + WEIGHTS[lane])

    def _charge(self, drawn: Lane) -> None:
        """Keep the credits of smooth weighted round robin; an empty lane saves nothing up."""
        total = WEIGHTS[drawn]
        for lane, waiting in self._lanes.items():
            if lane is drawn:
                self._credit[lane] += WEIGHTS[lane]
            elif waiting:
                self._credit[lane] += WEIGHTS[lane]
                total += WEIGHTS[lane]
            else:
                self._credit[lane] = 0
        self._credit[drawn] -= total


def _without(
    places: deque[_Place[T]], unwanted: Callable[[T], bool], pulled: list[T]
) -> deque[_Place[T]]:
    kept: deque[_Place[T]] = deque()
    for place in places:
        if unwanted(place.item):
            pulled.append(place.item)
        else:
            kept.append(place)
    return kept
