"""What part of a channel's rate an instance has: the part of its partitions that it holds.

Every partition is held by one instance at most, so the shares never add up to more than one, and
nobody has to know of the others. While a group deals its partitions out anew nobody holds any.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from yizhan_contracts.events import Lane
from yizhan_contracts.topics import attempt_planned


def shares(channels: Iterable[str], held: Collection[tuple[str, int]]) -> dict[str, float]:
    """Give each channel's share, from the partitions (topic, number) that are held here.

    An instance that holds none still sends what comes back from a retry topic, as one partition's.
    """
    held_of = Counter(topic for topic, _ in held)
    found = {}
    for channel in channels:
        topics = [attempt_planned(channel, lane) for lane in Lane]
        mine = sum(held_of[topic.name] for topic in topics)
        found[channel] = max(1, mine) / sum(topic.partitions for topic in topics)
    return found
