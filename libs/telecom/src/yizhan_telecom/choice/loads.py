"""How full channels are: what is reported, and what was planned and no report shows yet."""

from yizhan_telecom.choice.table import Entry

_NOTHING = (0.0, 0.0)


class Loads:
    """One leaky bucket a channel: what this instance plans flows in, the channel's TPS flows out.

    An adapter's report comes up to a quarter of a second later, and it cannot see what waits in
    Kafka; a burst would all be on one channel by then. The larger of the two is what counts:
    reports know of the other instances' traffic, and of a carrier that does less than its TPS.
    """

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def planned(self, entry: Entry, now: float, count: float = 1.0) -> None:
        """Note a message planned on a channel, or as much of one as is expected to get there."""
        level, at = self._levels.get(entry.channel, _NOTHING)
        self._levels[entry.channel] = (max(level - (now - at) * entry.tps, 0.0) + count, now)

    def released(self, channel: str, tps: float, now: float) -> None:
        """Note a message that a channel handed back: it is not waiting there any more."""
        level, at = self._levels.get(channel, _NOTHING)
        self._levels[channel] = (max(level - (now - at) * tps - 1.0, 0.0), now)

    def wait_s(self, entry: Entry, backlog: int, now: float) -> float:
        """Give how long a message planned now would wait for its turn, in seconds."""
        level, at = self._levels.get(entry.channel, _NOTHING)
        own = level / entry.tps - (now - at)
        reported = backlog / entry.tps
        return own if own > reported else reported  # noqa: FURB136 - a third of the time
