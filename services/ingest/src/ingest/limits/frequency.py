"""How often one number hears from an account: so many slots a window, each taken once.

A slot is a document whose ``_id`` is account, number, window and place: instances need no lock, and
the place goes to whoever inserts it first. A slot names the input that took it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ingest.events.identity import digest
from ingest.limits.model import PerRecipient

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a window."""

    slot_id: str
    owner: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that wants a place."""

    input_id: str
    account_id: str
    recipient: str
    limit: PerRecipient


class Slots(Protocol):
    """The store of slots. Every method raises Retryable while it is away."""

    async def owners(self, slot_ids: Collection[str]) -> Mapping[str, str]:
        """Give who took which of these."""
        ...

    async def add(self, slots: Sequence[Slot]) -> Collection[str]:
        """Insert; give the ids that were there already."""
        ...


async def take_slots(
    slots: Slots, wanted: Sequence[Wanted], now: datetime
) -> Mapping[str, datetime]:
    """Take a place for each; give those without one and their windows' ends. Raises Retryable."""
    open_, full = {one.input_id: one for one in wanted}, {}
    for _ in range(_TRIES):
        if not open_:
            break
        places = {name: _places(one, now) for name, one in open_.items()}
        taken = dict(await slots.owners([p.slot_id for own in places.values() for p in own]))
        chosen: list[Slot] = []
        for name, own in places.items():
            place = _choose(own, taken, name)
            if place is None:
                full[name] = own[0].ends_at
            elif taken.get(place.slot_id) != name:
                taken[place.slot_id] = name
                chosen.append(place)
        lost = set(await slots.add(chosen))
        open_ = {place.owner: open_[place.owner] for place in chosen if place.slot_id in lost}
    full |= {name: now + timedelta(seconds=1) for name in open_}
    return full


def _places(one: Wanted, now: datetime) -> list[Slot]:
    window_s = one.limit.window_s
    window = int(now.timestamp()) // window_s
    ends_at = datetime.fromtimestamp((window + 1) * window_s, UTC)
    name = digest("slot", one.account_id, one.recipient, str(window_s), str(window))
    return [Slot(f"{name}.{place}", one.input_id, ends_at) for place in range(one.limit.messages)]


def _choose(places: Sequence[Slot], taken: Mapping[str, str], input_id: str) -> Slot | None:
    """Give the place that is this input's already, or the first that is free."""
    free = None
    for place in places:
        owner = taken.get(place.slot_id)
        if owner == input_id:
            return place
        if owner is None and free is None:
            free = place
    return free
