"""Replies of recipients: put into our words, long ones put together.

Parts of a long reply may come over different binds, to different processes, in any order and hours
apart: they are kept in MongoDB, and a part counts as taken when it is there.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from yizhan_contracts.events import ChannelConfigured, ReplyReceived

GIVEN_UP_AFTER = timedelta(minutes=10)
"""What is there of a long reply goes out when the rest has not come for so long."""
_GAP = "…"


class ReplyPlace(NamedTuple):
    """Which part of which long reply: ``number`` from 1 to ``total``."""

    reference: int
    total: int
    number: int


class CarrierReply(NamedTuple):
    """A reply as a carrier's protocol said it: whole, or one part of it."""

    sender: str
    recipient: str
    text: str
    place: ReplyPlace | None = None
    own_id: str = ""
    """The carrier's own id of a whole one, by which a repeat of it is known."""


@dataclass(frozen=True, slots=True)
class ReplyPart:
    """A part as it is kept. ``key`` is the same for all parts of one reply."""

    key: str
    place: ReplyPlace
    channel: str
    carrier_account: str
    sender: str
    recipient: str
    text: str
    at: datetime

    @property
    def part_id(self) -> str:
        return part_id(self.key, self.place.number)


class ReplyPartStore(Protocol):
    """Parts of long replies. Everything may raise Retryable."""

    async def put_parts(self, parts: Sequence[ReplyPart]) -> None:
        """Keep parts; one that is there already with another text begins its reply anew."""

    async def load_parts(self, part_ids: Iterable[str]) -> list[ReplyPart]: ...

    async def load_parts_before(self, at: datetime, most: int) -> list[ReplyPart]: ...

    async def drop_parts(self, part_ids: Collection[str]) -> None: ...


class Joined(NamedTuple):
    """What may be published, and the parts that are to be dropped afterwards."""

    replies: list[ReplyReceived]
    part_ids: list[str]


class Replies:
    """Turns replies and parts of replies into events, at least once.

    A long reply has an id that its parts determine: put together twice, it is the same reply.
    """

    def __init__(
        self,
        store: ReplyPartStore,
        new_id: Callable[[], str],
        refused: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._refused = refused

    async def join(
        self, channel: ChannelConfigured, came: Iterable[CarrierReply], now: datetime
    ) -> Joined:
        """Keep the parts, and give what is whole now. Raises Retryable: nothing was taken."""
        whole: list[ReplyPart] = []
        parts: list[ReplyPart] = []
        for reply in came:
            place = reply.place or ReplyPlace(0, 1, 1)
            own_id = reply.own_id or self._new_id()
            key = _key(channel, reply, place) if reply.place else own_id
            part = _part(key, place, channel, reply, now)
            (parts if reply.place else whole).append(part)
        joined = self._events([[part] for part in whole])
        if not parts:
            return Joined(joined, [])
        await self._store.put_parts(parts)
        wanted = {
            part_id(part.key, number) for part in parts for number in range(1, part.place.total + 1)
        }
        groups = [
            group
            for group in grouped(await self._store.load_parts(wanted))
            if len(group) == group[0].place.total
        ]
        return Joined(
            joined + self._events(groups), [part.part_id for group in groups for part in group]
        )

    async def left_over(self, now: datetime, most: int) -> Joined:
        """Give the replies whose other parts did not come, with a mark for each gap."""
        stale = await self._store.load_parts_before(now - GIVEN_UP_AFTER, most)
        return Joined(self._events(grouped(stale)), [part.part_id for part in stale])

    async def drop(self, part_ids: Collection[str]) -> None:
        """Forget what Kafka has."""
        if part_ids:
            await self._store.drop_parts(part_ids)

    def _events(self, groups: Iterable[Sequence[ReplyPart]]) -> list[ReplyReceived]:
        found = []
        for group in groups:
            try:
                found.append(_event(group))
            except ValidationError:
                # A short code or a name: nobody that one could write to, or that opts out.
                self._refused(group[0].channel, "bad-reply")
        return found


def grouped(parts: Iterable[ReplyPart]) -> list[list[ReplyPart]]:
    """Put the parts of each reply together, in order."""
    groups: dict[str, list[ReplyPart]] = {}
    for part in sorted(parts, key=lambda part: part.place.number):
        groups.setdefault(part.key, []).append(part)
    return list(groups.values())


def part_id(key: str, number: int) -> str:
    """Name a part."""
    return f"{key}:{number}"


def _event(group: Sequence[ReplyPart]) -> ReplyReceived:
    first = group[0]
    is_long = first.place.total > 1
    texts = {part.place.number: part.text for part in group}
    text = "".join(texts.get(number, _GAP) for number in range(1, first.place.total + 1))
    return ReplyReceived(
        channel=first.channel,
        carrier_account=first.carrier_account,
        carrier_message_id=_digest(first.key, text) if is_long else first.key,
        sender=first.sender if first.sender.startswith("+") else f"+{first.sender}",
        recipient=first.recipient,
        text=text,
        received_at=max(part.at for part in group),
    )


def _part(
    key: str, place: ReplyPlace, channel: ChannelConfigured, reply: CarrierReply, now: datetime
) -> ReplyPart:
    return ReplyPart(
        key,
        place,
        channel.channel,
        channel.carrier_account,
        reply.sender,
        reply.recipient,
        reply.text,
        now,
    )


def _key(channel: ChannelConfigured, reply: CarrierReply, place: ReplyPlace) -> str:
    return _digest(
        channel.carrier_account,
        reply.sender,
        reply.recipient,
        str(place.reference),
        str(place.total),
    )


def _digest(*texts: str) -> str:
    octets = "\0".join(texts).encode("utf-8", "replace")
    return hashlib.blake2b(octets, digest_size=16).hexdigest()
