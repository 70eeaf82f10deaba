"""Deals partitions out by number: who has one of a topic has the same one of its sisters.

Sisters are topics whose names differ in their last part only: the lanes of a channel. So a member's
part of all of them is its part of each, whatever the numbers of members and partitions are.
"""

import zlib
from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)


class ByNumber(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is untyped
    """Partition n of a family goes to member n + k, where k differs from family to family."""

    name = "by-number"
    version = 0

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        topics = {topic for member in members.values() for topic in member.subscription}
        dealt: dict[str, list[tuple[str, list[int]]]] = {member: [] for member in members}
        for topic in sorted(topics):
            subscribed = sorted(m for m, told in members.items() if topic in told.subscription)
            numbers = sorted(cluster.partitions_for_topic(topic) or ())
            for place, member in enumerate(subscribed):
                count, first = len(subscribed), (place - _offset(topic)) % len(subscribed)
                mine = [number for number in numbers if number % count == first]
                if mine:
                    dealt[member].append((topic, mine))
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, topics, b"")
            for member, topics in dealt.items()
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is remembered: it may be shared by all consumers of a process."""


def _offset(topic: str) -> int:
    """Let each family begin elsewhere: else the first member had the odd one of every channel."""
    return zlib.crc32(topic.rpartition(".")[0].encode())
