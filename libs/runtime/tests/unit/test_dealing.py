"""How a group's partitions are dealt out by number."""

from collections import Counter

import pytest
from aiokafka.cluster import ClusterMetadata

from yizhan_runtime.dealing import ByNumber

PARTITIONS = 4
CHANNELS = tuple(f"attempt.planned.v1.channel-{number}" for number in range(12))
LANES = ("urgent", "standard", "bulk")


class Cluster(ClusterMetadata):  # type: ignore[misc]  # aiokafka is untyped
    """Knows how many partitions a topic has, and nothing else."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return None if topic == "gone.bulk" else set(range(PARTITIONS))


def dealt(members: int, *more: str) -> dict[str, dict[str, list[int]]]:
    topics = [f"{channel}.{lane}" for channel in CHANNELS for lane in LANES]
    told = {f"m{number}": ByNumber.metadata([*topics, *more]) for number in range(members)}
    assigned = ByNumber.assign(Cluster(), told)
    return {member: dict(one.assignment) for member, one in assigned.items()}


@pytest.mark.parametrize("members", range(1, 7))
def test_every_partition_has_one_member_and_lanes_are_alike(members: int) -> None:
    found = dealt(members, "gone.bulk")

    for channel in CHANNELS:
        held = [[m.get(f"{channel}.{lane}") for lane in LANES] for m in found.values()]
        assert all(urgent == standard == bulk for urgent, standard, bulk in held)
        assert sorted(n for urgent, *_ in held for n in urgent or ()) == list(range(PARTITIONS))


def test_the_odd_partition_is_not_always_the_same_members() -> None:
    found = dealt(3)
    odd = Counter(
        member
        for member, topics in found.items()
        for channel in CHANNELS
        if len(topics[f"{channel}.bulk"]) == 2
    )

    assert odd.total() == len(CHANNELS)
    assert len(odd) == 3


def test_who_reads_only_some_topics_gets_only_those() -> None:
    told = {"a": ByNumber.metadata(["x.bulk", "y.bulk"]), "b": ByNumber.metadata(["y.bulk"])}
    found = ByNumber.assign(Cluster(), told)

    assert dict(found["a"].assignment)["x.bulk"] == [0, 1, 2, 3]
    assert {topic for topic, _ in found["b"].assignment} == {"y.bulk"}
